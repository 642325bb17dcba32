"""What a training run is: frozen objects, read from recipe files."""
