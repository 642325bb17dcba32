"""Batches of one size, so that a video does not depend on how many are made beside it. Torch-free.

A matrix product may add up its terms in another order for another number of rows, and then differs in its last bits.
So every pass of a network has the same shape: as many videos as fill it, and a batch that is short is filled up.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

Item = TypeVar("Item")

FULL_PASS: Final = 512
"""Tokens from which a pass of more videos saves a processor next to no time (`benchmarks/batch_size.py`)."""
LARGEST: Final = 8


def fixed_batch_size(tokens: int) -> int:
    """Videos that go through a network together.

    Args:
        tokens: tokens of one video in one pass.
    """
    return max(1, min(LARGEST, FULL_PASS // tokens))


def row_blocks(count: int, size: int) -> list[range]:
    """Numbers of `count` rows, `size` at a time; the last block may be shorter."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def blocks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in their order, `size` at a time; the last block may be shorter."""
    return [items[rows.start : rows.stop] for rows in row_blocks(len(items), size)]


def filled(items: Sequence[Item], size: int) -> list[Item]:
    """Up to `size` items and, after them, copies of the last one up to that size.

    Raises:
        ValueError: for no item, or more than `size`.
    """
    if not 1 <= len(items) <= size:
        raise ValueError(f"{len(items)} items do not fill up to {size}")
    return [*items, *[items[-1]] * (size - len(items))]
