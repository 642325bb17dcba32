"""Gaps of a small table by hand: prompts weigh alike, arms meet on shared prompts, decibels are ratios of means."""

import numpy as np
import pandas as pd
import pytest

from probekit.probing.planning_facts import BestReadout
from probekit.probing.planning_gap import (
    BEST,
    DECIBELS,
    NATS,
    expected_cross_entropies,
    expected_squared_errors,
    gap_table,
    log_probabilities,
    planning_gaps,
)
from probekit.probing.probe_settings import MEAN, TRAINED
from probekit.seeding import generator
from probekit.statistics.paired_means import paired_decibels, paired_means


def rows(arm: str, source: str, errors: dict[str, list[float]], **place: object) -> list[dict[str, object]]:
    """Rows of two probe seeds; `best` is a third of the error, and a prompt has as many states as its error is."""
    given = {"site": "s" if source == TRAINED else None, "fact": "position", "stated": False, "unit": NATS,
             "horizon": 2} | place  # fmt: skip
    return [
        {"arm": arm, "source": source, "prompt_id": prompt, "error": error, "best": error / 3, "rows": error, **given}
        for prompt, each in errors.items()
        for error in each
    ]


BASE = {"p0": [3.0, 9.0], "p1": [3.0, 3.0], "p2": [6.0, 6.0]}
OURS = {"p2": [9.0, 9.0], "p1": [6.0, 12.0], "p3": [30.0, 30.0]}
"""Means over seeds: 6, 3 and 6 of the baseline; 9, 9 and 30 of the method, which has no `p0`."""


def table(unit: str = NATS) -> pd.DataFrame:
    found = rows("base", TRAINED, BASE, unit=unit) + rows("ours", TRAINED, OURS, unit=unit)
    found += rows("base", MEAN, BASE, unit=unit) + rows("ours", MEAN, OURS, unit=unit)
    found += rows("base", TRAINED, BASE, unit=unit, horizon=3, stated=True)
    return pd.DataFrame(found)


def test_every_arm_is_held_against_the_best_and_trained_states_against_each_other() -> None:
    gaps = planning_gaps(table(), "base", "ours")
    assert [(one.contrast, one.arm, one.source, one.site, one.horizon, one.stated) for one in gaps] == [
        (f"base - {BEST}", "base", TRAINED, "s", 2, False),
        (f"ours - {BEST}", "ours", TRAINED, "s", 2, False),
        ("ours - base", None, TRAINED, "s", 2, False),
        (f"base - {BEST}", "base", MEAN, "", 2, False),
        (f"ours - {BEST}", "ours", MEAN, "", 2, False),
        (f"base - {BEST}", "base", TRAINED, "s", 3, True),
    ]
    assert {(one.fact, one.unit) for one in gaps} == {("position", NATS)}
    base, ours, arms = (one.estimate for one in gaps[:3])
    assert (base.a, base.b, base.n_prompts) == (pytest.approx(5.0), pytest.approx(5 / 3), 3)
    assert (ours.a, ours.b, ours.n_prompts) == (pytest.approx(16.0), pytest.approx(16 / 3), 3)
    assert (arms.a, arms.b, arms.n_prompts) == (pytest.approx(9.0), pytest.approx(4.5), 2)  # p1 and p2
    assert [one.rows for one in gaps[:3]] == [15, 48, 18]


@pytest.mark.parametrize(("unit", "compared"), [(NATS, paired_means), (DECIBELS, paired_decibels)])
@pytest.mark.parametrize("seed", [0, 4])
def test_a_gap_is_resampled_over_prompts_in_its_unit(unit: str, compared, seed: int) -> None:  # type: ignore[no-untyped-def]
    """The arms meet prompt by prompt, whatever their order in the table."""
    gaps = planning_gaps(table(unit), "base", "ours", seed)
    for index, a, b in ((0, [6.0, 3.0, 6.0], [2.0, 1.0, 2.0]), (2, [9.0, 9.0], [3.0, 6.0])):
        expected = compared("x", np.array(a), np.array(b), rng=generator("planning-bootstrap", seed))
        assert gaps[index].estimate._replace(name="x") == expected
    if seed == 0:
        assert planning_gaps(table(unit), "base", "ours") == gaps


def test_an_arm_alone_has_no_contrast_of_arms() -> None:
    alone = pd.DataFrame(rows("ours", TRAINED, OURS))
    assert [one.contrast for one in planning_gaps(alone, "base", "ours")] == [f"ours - {BEST}"]


def test_a_table_has_a_row_for_each_gap_with_its_numbers() -> None:
    gaps = planning_gaps(table(), "base", "ours")
    found = gap_table(gaps)
    assert len(found) == len(gaps)
    assert "estimate" not in found.columns
    first, estimate = found.iloc[0], gaps[0].estimate
    assert (first.contrast, first.source, first["rows"]) == (gaps[0].contrast, TRAINED, 15)
    assert (first.a, first.difference, first.n_prompts) == (estimate.a, estimate.difference, 3)
    assert gap_table([]).empty


def test_errors_are_means_over_numbers_and_sums_over_classes() -> None:
    best = [BestReadout(np.array([0.0, 1.0]), 0.5), *[BestReadout(np.array([1.0, 1.0]), 0.0)] * 2]
    readouts = np.array([[2.0, 2.0], [0.0, 1.0], [1.0, 4.0]])
    assert expected_squared_errors(readouts, best).tolist() == [(4 + 1) / 2 + 0.5, 0.5, 4.5]
    odds = np.log(np.array([[1.0, 3.0], [4.0, 1.0]]))
    log_p = np.log(np.array([[0.25, 0.75], [0.8, 0.2]]))
    np.testing.assert_allclose(log_probabilities(odds), log_p)
    np.testing.assert_allclose(log_probabilities(odds + np.array([[700.0], [-900.0]])), log_p)
    certain = [BestReadout(np.array([0.5, 0.5]), 0.0), BestReadout(np.array([1.0, 0.0]), 0.0)]
    np.testing.assert_allclose(expected_cross_entropies(odds, certain), [-log_p[0].mean(), -log_p[1, 0]])
