"""The three named means of a dimension, against sums written out by hand."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.evaluation.weighting import prompt_sums
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.score_comparison import compare_score_tables
from probekit.suites.dimension_constants import DimensionConstant

CONSTANTS = (
    DimensionConstant("object_class", "semantic", 0.0, 1.0, 1.0, "test", pooling="frames"),
    DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, "test", pooling="videos"),
)

# (prompt, sample, clip, successes, frames): prompts of 1 and 2 videos, the second video of b in two clips.
COUNTS = [("a", 0, 0, 8, 16), ("b", 0, 0, 1, 10), ("b", 1, 0, 30, 30), ("b", 1, 1, 20, 40)]
EXPECTED: dict[tuple[str, Weighting], float] = {
    ("object_class", "prompt-mean"): (0.5 + (0.1 + 0.75) / 2) / 2,
    ("object_class", "video-mean"): (0.5 + 0.1 + 0.75) / 3,
    ("object_class", "frame-weighted"): (8 + 1 + 0.75 * 70) / (16 + 10 + 70),
    ("color", "frame-weighted"): (0.5 + 0.1 + 0.75) / 3,
}


def table(counts: list[tuple[str, int, int, int, int]] = COUNTS, **changes: Any) -> dict[str, list[Any]]:
    rows: list[dict[str, Any]] = []
    for model in ("base", "ours"):
        for dimension in ("object_class", "color"):
            for prompt, sample, clip, successes, frames in counts:
                rows.append(
                    {
                        "model": model, "training_run": "r", "suite": "s", "horizon": "5s", "prompt_id": prompt,
                        "sample": sample, "clip": clip, "dimension": dimension, "value": successes / frames,
                        "reason": None, "numerator": float(successes), "denominator": float(frames),
                    } | changes
                )  # fmt: skip
    return {name: [row[name] for row in rows] for name in rows[0]}


def mean_of(dimension: str, weighting: Weighting, rows: dict[str, list[Any]] | None = None) -> float | None:
    settings = BootstrapSettings(weighting=weighting, replicates=50)
    (found,) = compare_score_tables(rows or table(), "base", ["ours"], CONSTANTS, settings=settings)
    return next(one.a for one in found.bootstrap.dimensions if one.name == dimension)


@pytest.mark.parametrize(("dimension", "weighting"), EXPECTED)
def test_means_of_a_score_table(dimension: str, weighting: Weighting) -> None:
    assert mean_of(dimension, weighting) == pytest.approx(EXPECTED[dimension, weighting])


def test_without_frame_counts_the_official_form_is_the_mean_over_videos() -> None:
    rows = table(numerator=None, denominator=None)
    assert mean_of("object_class", "frame-weighted", rows) == pytest.approx(EXPECTED["object_class", "video-mean"])
    half = table()
    half["denominator"] = [None, *half["denominator"][1:]]
    assert mean_of("object_class", "frame-weighted", half) is not None


@given(
    seed=st.integers(0, 1000),
    samples=st.integers(1, 4),
    frames=st.floats(1, 90),
    weighting=st.sampled_from(get_args(Weighting)),
)
def test_forms_agree_on_equal_videos(seed: int, samples: int, frames: float, weighting: Weighting) -> None:
    values = generator("weighting", seed).random((6, samples))
    sums = prompt_sums(values, weighting, np.full_like(values, frames))
    assert sums.mean() == pytest.approx(values.mean())


@given(seed=st.integers(0, 1000))
def test_forms_by_hand_with_missing_videos(seed: int) -> None:
    rng = generator("missing", seed)
    values, frames = rng.random((5, 3)), rng.integers(1, 90, (5, 3)).astype(float)
    values[rng.random((5, 3)) < 0.4] = np.nan
    scored = np.isfinite(values)
    if not scored.any():
        assert prompt_sums(values, "prompt-mean").mean() is None
        return
    by_prompt = [row[np.isfinite(row)].mean() for row in values if np.isfinite(row).any()]
    expected = {
        "prompt-mean": np.mean(by_prompt),
        "video-mean": values[scored].mean(),
        "frame-weighted": (values * frames)[scored].sum() / frames[scored].sum(),
    }
    for weighting in get_args(Weighting):
        assert prompt_sums(values, weighting, frames).mean() == pytest.approx(expected[weighting])


@pytest.mark.parametrize("weighting", get_args(Weighting))
def test_without_a_scored_video_there_is_no_mean_and_a_single_one_is_the_mean(weighting: Weighting) -> None:
    nothing = np.full((2, 2), np.nan)
    assert prompt_sums(nothing, weighting).mean() is None
    one = nothing.copy()
    one[1, 0] = 0.25
    assert prompt_sums(one, weighting).mean() == 0.25


def test_two_level_resampling_has_prompt_means_only() -> None:
    settings = BootstrapSettings(weighting="frame-weighted", resampling="two-level", replicates=50)
    with pytest.raises(UserError, match="frame-weighted"):
        compare_score_tables(table(), "base", ["ours"], CONSTANTS, settings=settings)


def test_means_that_a_formula_cannot_give_are_refused() -> None:
    constants = tuple(one._replace(floor=0.0, ceiling=1.0) for one in CONSTANTS)
    with pytest.raises(UserError, match="its formula gives 0 to 1"):
        compare_score_tables(table(value=50.0), "base", ["ours"], constants, settings=BootstrapSettings(replicates=50))
