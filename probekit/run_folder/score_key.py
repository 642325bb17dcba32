"""The columns of a score table that identify a score."""

from typing import NamedTuple


class ScoreKey(NamedTuple):
    """One video, or clip of it, and one dimension."""

    model: str
    training_run: str
    suite: str
    horizon: str
    prompt_id: str
    sample: int
    clip: int
    dimension: str
