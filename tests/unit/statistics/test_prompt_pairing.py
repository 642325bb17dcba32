"""Scores of several runs side by side: rows by prompt, columns by sample, and which prompts stay."""

from typing import Any

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.statistics.prompt_pairing import check_same_prompts, pair_scores
from probekit.statistics.score_arrays import DimensionScores

NAN = np.nan


def scores(
    prompts: tuple[str, ...], samples: tuple[int, ...], values: Any, denominators: Any = None
) -> DimensionScores:
    table = np.array(values, dtype=float)
    counted = np.ones_like(table) if denominators is None else np.array(denominators, dtype=float)
    known = np.isfinite(table)
    return DimensionScores(prompts, samples, table, counted, np.ones_like(known), known, None)


ONE = scores(("a", "c"), (0, 2), [[1.0, 2.0], [3.0, NAN]], [[10, 20], [30, 0]])
OTHER = scores(("b", "c"), (1, 2), [[4.0, NAN], [5.0, 6.0]], [[40, 0], [50, 60]])


def test_scores_meet_by_prompt_and_sample() -> None:
    found = pair_scores([ONE, OTHER], "video-mean", "videos")
    assert found.prompt_ids == ("a", "b", "c")
    expected = [
        [[1.0, NAN, 2.0], [NAN, NAN, NAN], [3.0, NAN, NAN]],
        [[NAN, NAN, NAN], [NAN, 4.0, NAN], [NAN, 5.0, 6.0]],
    ]
    np.testing.assert_array_equal(found.values, expected)
    assert found.denominators is None


def test_where_prompts_weigh_alike_only_those_that_every_run_has_a_score_for_stay() -> None:
    found = pair_scores([ONE, OTHER], "prompt-mean", "videos")
    assert found.prompt_ids == ("c",)
    np.testing.assert_array_equal(found.values, [[[3.0, NAN, NAN]], [[NAN, 5.0, 6.0]]])


def test_a_prompt_without_any_score_goes_whatever_the_weights() -> None:
    empty = scores(("a", "b"), (0,), [[NAN], [1.0]])
    assert pair_scores([empty, empty], "video-mean", "videos").prompt_ids == ("b",)


@pytest.mark.parametrize(
    ("weighting", "pooling", "counted"),
    [("frame-weighted", "frames", True), ("frame-weighted", "videos", False), ("video-mean", "frames", False)],
)
def test_frames_are_counted_only_where_they_are_asked_for_and_pooled(
    weighting: Any, pooling: str, counted: bool
) -> None:
    found = pair_scores([ONE, OTHER], weighting, pooling).denominators
    if counted:
        expected = [[[10, 1, 20], [1, 1, 1], [30, 1, 1]], [[1, 1, 1], [1, 40, 1], [1, 50, 60]]]
        np.testing.assert_array_equal(found, expected)
    else:
        assert found is None


def test_half_a_frame_is_not_none() -> None:
    half = scores(("a",), (0,), [[1.0]], [[0.5]])
    found = pair_scores([half, half], "frame-weighted", "frames").denominators
    np.testing.assert_array_equal(found, [[[0.5]], [[0.5]]])


def test_prompts_of_one_side_only_are_counted_and_the_first_is_named() -> None:
    check_same_prompts("color", {"a": 1, "b": 2}, {"b": 0, "a": 0})
    with pytest.raises(UserError, match=r"'color', prompt 'b' is in one method's.* 2 differ"):
        check_same_prompts("color", {"a": 1, "d": 1}, {"a": 1, "b": 2})
