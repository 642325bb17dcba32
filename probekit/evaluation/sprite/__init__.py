"""The dimensions of the sprite world, by pixels."""
