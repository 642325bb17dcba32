"""Scored of planned: counts of videos and prompts by hand."""

import numpy as np

from probekit.statistics.coverage import Coverage, coverage, joined, listed_videos
from probekit.statistics.score_arrays import DimensionScores

LISTED = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 0]], bool)
COMPLETE = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0]], bool)
SCORES = DimensionScores(
    ("a", "b", "c"), (0, 3, 5), np.where(COMPLETE, 1.0, np.nan), np.ones((3, 3)), LISTED, COMPLETE, None
)


def test_videos_with_a_row_are_listed_by_their_samples() -> None:
    assert listed_videos(SCORES) == {"a": {0, 3}, "b": {3, 5}, "c": {0, 3}}
    assert listed_videos(None) == {}


def test_what_any_of_several_name_is_joined() -> None:
    one, other = {"a": frozenset({1}), "b": frozenset({2})}, {"b": frozenset({2, 3}), "c": frozenset({4})}
    assert joined(one, other, one) == {"a": {1}, "b": {2, 3}, "c": {4}}
    assert one == {"a": frozenset({1}), "b": frozenset({2})}  # what was given stays as it was
    assert joined() == {}


def test_what_is_listed_counts_as_planned_and_what_lacks_a_clip_is_not_scored() -> None:
    """Planned are two videos of `a`, one of them listed, and one of `d`; two of six listed ones are complete."""
    planned = {"a": frozenset({3, 9}), "d": frozenset({0})}
    found = coverage("color", "ours", SCORES, planned)
    assert found == Coverage("color", "ours", n_planned=8, n_scored=2, prompts_planned=4, prompts_scored=2)


def test_a_method_without_scores_has_none_of_what_is_planned() -> None:
    found = coverage("color", "ours", None, {"a": frozenset({0, 1}), "b": frozenset({0})})
    assert found == Coverage("color", "ours", n_planned=3, n_scored=0, prompts_planned=2, prompts_scored=0)
