"""How many videos of a dimension are scored, of how many: one count for every table that states it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from probekit.statistics.score_arrays import DimensionScores

Videos = Mapping[str, frozenset[int]]
"""Sample indices of videos, by prompt."""
Plan = Mapping[str, Videos]
"""The videos that each dimension should have."""


class Coverage(NamedTuple):
    """How much of a dimension is scored for one method.

    Attributes:
        dimension: The dimension.
        method: Label of the method.
        n_planned: Videos that the plan or the table names, of this method or of the one it is compared with.
        n_scored: Those of them with a score in all their clips, for this method.
        prompts_planned: Prompts of the planned videos.
        prompts_scored: Prompts with at least one scored video.
    """

    dimension: str
    method: str
    n_planned: int
    n_scored: int
    prompts_planned: int
    prompts_scored: int


def listed_videos(scores: DimensionScores | None) -> Videos:
    """The videos that a table has a row of, scored or null."""
    if scores is None:
        return {}
    samples = np.array(scores.samples)
    patterns, of_row = np.unique(scores.listed, axis=0, return_inverse=True)
    sets = [frozenset(map(int, samples[pattern])) for pattern in patterns]  # few differ, so prompts share them
    return {prompt: sets[index] for prompt, index in zip(scores.prompt_ids, of_row.reshape(-1), strict=True)}


def joined(*videos: Videos) -> Videos:
    """The videos that any of these names."""
    found: dict[str, frozenset[int]] = {}
    for one in videos:
        for prompt, samples in one.items():
            before = found.setdefault(prompt, samples)
            if before is not samples:
                found[prompt] = before | samples
    return found


def coverage(dimension: str, method: str, scores: DimensionScores | None, planned: Videos) -> Coverage:
    """Count what is scored of what was planned; a listed video counts as planned too.

    Args:
        dimension: name of the dimension.
        method: label of the method.
        scores: scores of the method; None where it has none.
        planned: the videos that should be scored.
    """
    every = joined(planned, listed_videos(scores))
    complete = scores.complete if scores is not None else None
    return Coverage(
        dimension,
        method,
        sum(map(len, every.values())),
        0 if complete is None else int(complete.sum()),
        len(every),
        0 if complete is None else int(complete.any(axis=1).sum()),
    )
