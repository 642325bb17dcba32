"""Training data: sharded, resumable."""
