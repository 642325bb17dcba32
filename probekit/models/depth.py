"""Which block stands at a relative depth of a model. Torch-free."""

import math


def block_at(depth: float, blocks: int) -> int:
    """Zero-based block floor(depth · blocks) at a relative depth in [0, 1)."""
    return math.floor(depth * blocks)
