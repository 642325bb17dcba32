"""Contrasts of probes by hand: which prompts they pair, what they subtract, and what is said of them."""

import numpy as np
import pandas as pd
import pytest

from probekit.evaluation.reference.metrics import MSE
from probekit.probing.probe_comparison import (
    ProbeContrast,
    compare_probes,
    contrast_table,
    difference_over_prompts,
    estimate_fields,
    mean_over_prompts,
    motion_thirds,
    seed_spread,
)
from probekit.probing.probe_settings import CONTROL_TASK, COPY, MEAN, SHUFFLED, TRAINED
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means

Row = dict[str, object]


def series(values: dict[str, float]) -> "pd.Series[float]":
    return pd.Series(values, dtype=float)


def test_prompts_that_both_have_a_value_for_are_compared() -> None:
    a = series({"p1": 3.0, "p2": 5.0, "p3": np.nan, "p4": 9.0})
    b = series({"p2": 4.0, "p1": 1.0, "p3": 2.0, "p5": 9.0})
    found = difference_over_prompts("x", a, b)
    assert (found.name, found.a, found.b, found.difference, found.n_prompts) == ("x", 4.0, 2.5, 1.5, 2)


def test_ten_thousand_replicates_of_the_named_seed_give_percentiles_at_95_percent() -> None:
    rng = np.random.default_rng(0)
    a, b = (series({f"p{i:02d}": float(value) for i, value in enumerate(rng.random(60))}) for _ in range(2))
    for seed in (0, 3):
        expected = paired_means(
            "x", a.to_numpy(), b.to_numpy(), rng=generator("probe-bootstrap", seed), replicates=10_000, level=0.95
        )
        assert difference_over_prompts("x", a, b, seed) == expected
        alone = mean_over_prompts("x", a, seed)
        zeros = np.zeros(60)
        assert alone == paired_means("x", a.to_numpy(), zeros, rng=generator("probe-bootstrap", seed), level=0.95)
    assert difference_over_prompts("x", a, b) == difference_over_prompts("x", a, b, 0)
    assert mean_over_prompts("x", a) == mean_over_prompts("x", a, 0)


def test_a_mean_takes_prompts_with_the_value_0_too() -> None:
    found = mean_over_prompts("x", series({"p1": 0.0, "p2": 3.0, "p3": np.nan}))
    assert (found.a, found.b, found.difference, found.n_prompts) == (1.5, 0.0, 1.5, 2)


def estimate(difference: float | None, star: bool) -> DifferenceEstimate:
    return DifferenceEstimate("x", 1.0, 2.0, difference, 0.1, -3.0, -1.0, star, 9, "raw", interval="t", instead="few")


@pytest.mark.parametrize(
    ("metric", "difference", "star", "verdict"),
    [
        ("mse:v1", -0.5, True, "better"),
        ("mse:v1", 0.5, True, "worse"),
        ("psnr:v1", -0.5, True, "worse"),
        ("psnr:v1", 0.5, True, "better"),
        ("ssim:v1", 0.5, True, "better"),
        ("accuracy:v1", 0.5, True, "better"),
        ("lpips:v1", 0.5, True, "worse"),
        ("mse:v1", -0.5, False, "open"),
        ("psnr:v1", 0.5, False, "open"),
        ("mse:v1", None, False, "open"),
        ("mse:v1", None, True, "open"),
    ],
)
def test_a_verdict_needs_a_star_and_knows_which_way_is_better(
    metric: str, difference: float | None, star: bool, verdict: str
) -> None:
    contrast = ProbeContrast("a - b", None, None, "blocks.0@step0", 0.25, 1, metric, estimate(difference, star))
    assert contrast.verdict == verdict


def test_tables_keep_an_estimate_with_its_interval_and_reason() -> None:
    kept = {"low": -3.0, "high": -1.0, "star": True, "n_prompts": 9, "interval": "t", "instead": "few", "reason": None}
    assert estimate_fields(estimate(0.5, True), "gain") == {"gain": 0.5, **kept}
    contrast = ProbeContrast("a - b", "a", COPY, "s", 0.25, 2, "mse:v1", estimate(-0.5, True))
    (row,) = contrast_table([contrast]).to_dict("records")
    place = {"contrast": "a - b", "arm": "a", "control": COPY, "site": "s", "depth": 0.25, "horizon_chunks": 2,
             "metric_id": "mse:v1", "verdict": "better"}  # fmt: skip
    numbers = {"a": 1.0, "b": 2.0, "difference": -0.5, "standard_error": 0.1}
    assert row == {**place, **numbers, **kept}


def rows(
    arm: str, source: str, horizon: int, levels: dict[str, list[float]], site: str | None, motion: float
) -> "list[Row]":
    """One row for each of two probe seeds of each sample of a prompt; the seeds lie 1 below and above the level."""
    return [
        {"arm": arm, "source": source, "site": site, "depth": 0.5, "horizon": horizon, "metric_id": MSE.metric_id,
         "probe_seed": seed, "prompt_id": prompt, "sample": sample, "value": level + 2 * seed - 1,
         "motion": motion + index + 10 * sample}
        for index, (prompt, each) in enumerate(levels.items())
        for sample, level in enumerate(each)
        for seed in (0, 1)
    ]  # fmt: skip


LEVELS = {"p0": [1.0, 3.0], "p1": [4.0, 4.0], "p2": [6.0, 8.0]}
DOUBLE = {prompt: [2 * level for level in levels] for prompt, levels in LEVELS.items()}
ZERO = {prompt: [0.0, 0.0] for prompt in LEVELS}


def table() -> pd.DataFrame:
    found = rows("base", TRAINED, 1, LEVELS, "s", 0.0) + rows("ours", TRAINED, 1, DOUBLE, "s", 0.0)
    found += rows("base", TRAINED, 2, ZERO, "s", 0.0) + rows("ours", TRAINED, 2, LEVELS, "s", 0.0)
    for horizon in (1, 2):
        found += rows("base", COPY, horizon, LEVELS, None, 0.0) + rows("ours", COPY, horizon, ZERO, None, 0.0)
    found += rows("base", CONTROL_TASK, 1, ZERO, "s", 0.0) + rows("ours", CONTROL_TASK, 1, LEVELS, "s", 0.0)
    found += rows("base", CONTROL_TASK, 2, LEVELS, "s", 0.0)
    found += rows("base", SHUFFLED, 1, ZERO, "s", 0.0) + rows("base", SHUFFLED, 1, LEVELS, "another", 0.0)
    return pd.DataFrame(found)


def test_controls_are_those_of_the_same_place_and_a_prompt_is_the_mean_of_its_videos_and_seeds() -> None:
    """Prompt means are 2, 4 and 7; the method has the double at one chunk, and the same at two."""
    found = compare_probes(table(), "base", "ours")
    assert [(one.horizon, one.contrast, one.arm, one.control) for one in found] == [
        (horizon, *contrast)
        for horizon in (1, 2)
        for contrast in [
            ("ours - base", None, None),
            ("ours - base, still prompts", None, None),
            ("ours - base, medium prompts", None, None),
            ("ours - base, moving prompts", None, None),
            (f"base - {COPY}", "base", COPY),
            *([(f"base - {SHUFFLED}", "base", SHUFFLED)] if horizon == 1 else []),
            (f"base - {CONTROL_TASK}", "base", CONTROL_TASK),
            (f"ours - {COPY}", "ours", COPY),
            *([(f"ours - {CONTROL_TASK}", "ours", CONTROL_TASK)] if horizon == 1 else []),
            ("gain over the copy, ours - base", None, None),
            *([("selectivity, ours - base", None, None)] if horizon == 1 else []),
        ]
    ]
    mean = 13 / 3
    differences = {(one.horizon, one.contrast): one.estimate.difference for one in found}
    assert differences == pytest.approx({
        (1, "ours - base"): mean,
        (1, "ours - base, still prompts"): 2.0,
        (1, "ours - base, medium prompts"): 4.0,
        (1, "ours - base, moving prompts"): 7.0,
        (1, f"base - {COPY}"): 0.0,
        (1, f"base - {SHUFFLED}"): mean,
        (1, f"base - {CONTROL_TASK}"): mean,
        (1, f"ours - {COPY}"): 2 * mean,
        (1, f"ours - {CONTROL_TASK}"): mean,
        (1, "selectivity, ours - base"): 0.0,
        (1, "gain over the copy, ours - base"): 2 * mean,
        (2, "ours - base"): mean,
        (2, "ours - base, still prompts"): 2.0,
        (2, "ours - base, medium prompts"): 4.0,
        (2, "ours - base, moving prompts"): 7.0,
        (2, f"base - {COPY}"): -mean,
        (2, f"base - {CONTROL_TASK}"): -mean,
        (2, f"ours - {COPY}"): mean,
        (2, "gain over the copy, ours - base"): 2 * mean,
    })  # fmt: skip
    assert {(one.site, one.depth, one.metric_id) for one in found} == {("s", 0.5, MSE.metric_id)}


def test_a_video_counts_once_in_the_motion_of_its_prompt_whatever_is_read_from_it() -> None:
    """Sample 0 of `p0` moves little and is read six times; sample 1 moves most, and so does their mean."""
    moves = {
        ("p0", 0): 0.0,
        ("p0", 1): 9.0,
        ("p1", 0): 1.0,
        ("p2", 0): 2.0,
        ("p3", 0): 3.0,
        ("p4", 0): 3.5,
        ("p5", 0): 4.0,
    }
    found = [
        {"arm": "a", "prompt_id": prompt, "sample": sample, "motion": motion}
        for (prompt, sample), motion in moves.items()
        for _ in range(1 if sample else 6)
    ]
    thirds = motion_thirds(pd.DataFrame(found))
    assert thirds == {"p1": "still", "p2": "still", "p3": "medium", "p4": "medium", "p5": "moving", "p0": "moving"}


def test_the_spread_over_seeds_is_of_means_over_prompts_and_of_trained_probes_alone() -> None:
    spread = seed_spread(table())
    chosen = spread[(spread.arm == "base") & (spread.horizon == 1)]
    (row,) = chosen.to_dict("records")
    assert (row["mean"], row["seeds"]) == (pytest.approx(13 / 3), 2)
    assert row["spread_over_seeds"] == pytest.approx(2**0.5)  # seeds at -1 and 1 around it
    assert len(spread) == 4
    assert MEAN not in set(spread.columns)


def test_one_arm_alone_has_the_contrasts_with_its_controls_that_it_has_beside_another() -> None:
    both, alone = compare_probes(table(), "base", "ours"), compare_probes(table(), "base")
    assert alone == [item for item in both if item.arm == "base"]
    assert alone
