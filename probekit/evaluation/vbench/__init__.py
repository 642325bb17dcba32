"""VBench: its dimensions, weights and result files, and two backends that compute its scores."""
