"""Does a video move enough? Found with as few optical flows as possible. Torch-free.

The official code computes the flow of every pair and then counts (vbench/dynamic_degree.py, `check_move`). The answer
is known as soon as enough pairs move, or too few are left to make it up.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Measure = Callable[[range], Sequence[float]]
"""Motion in pixels of consecutive pairs, by their numbers."""


class DynamicVerdict(NamedTuple):
    """The answer, and of how many pairs the flow was computed for it."""

    dynamic: bool
    measured: int


def judge_motion(measure: Measure, pairs: int, needed: int, threshold: float, most_at_once: int) -> DynamicVerdict:
    """Whether at least `needed` of `pairs` pairs move more than `threshold` pixels.

    Pairs are asked for in blocks of as many as any answer still needs, so none is measured in vain. As in the official
    code, no pair at all is not dynamic, and with pairs a need of 0 is met.
    """
    moving = measured = 0
    while measured < pairs and moving < needed <= moving + pairs - measured:
        to_yes = needed - moving
        to_no = pairs - measured - to_yes + 1
        block = range(measured, measured + min(to_yes, to_no, most_at_once))
        moving += sum(motion > threshold for motion in measure(block))
        measured = block.stop
    return DynamicVerdict(pairs > 0 and moving >= needed, measured)
