"""Tests of futures by hand: which rows belong together, what is averaged, and over which states the world is known."""

import numpy as np
import pandas as pd
import pytest

from probekit.probing.future_tests import EDGES, arm_contrasts, future_tests, reliability_rows
from probekit.seeding import generator
from probekit.statistics.exchange import exchange_test
from probekit.statistics.paired_means import paired_means

NAMES = ("readout_to_mean", "sample_to_mean", "readout_to_sample", "sample_to_sample", "energy_of_readout",
         "energy_of_sample", "energy_of_mean")  # fmt: skip


def row(arm: str, horizon: int, prompt: int, level: float, **changed: object) -> dict[str, object]:
    """Distances `level`, `level` + 1, ... in the order of their names; no world."""
    distances = {name: level + index for index, name in enumerate(NAMES)}
    places = np.random.default_rng(prompt + 10 * horizon).random(4) + level
    nothing = {"world": None, "shares": None, "variation": None, "variation_by_chance": None}
    return {"arm": arm, "horizon": horizon, "prompt_id": f"p{prompt}", "futures": 3, "rank": prompt, "places": places,
            **distances, **nothing, **changed}  # fmt: skip


def known(
    arm: str, horizon: int, prompt: int, variation: float, world: list[float], own: list[float]
) -> "dict[str, object]":
    given = {"variation": variation, "variation_by_chance": variation / 2, "world": world, "shares": own}
    return row(arm, horizon, prompt, 0.0, **given)


TABLE = pd.DataFrame(
    [row("b", 2, p, float(p)) for p in range(3)]
    + [row("a", 1, p, 2.0 * p) for p in range(3)]
    + [row("a", 2, p, 10.0, futures=7) for p in range(2)]
)


@pytest.mark.parametrize("seed", [0, 5])
def test_every_arm_and_horizon_is_tested_with_its_own_rows(seed: int) -> None:
    found = future_tests(TABLE, seed)
    assert [(one.arm, one.horizon, one.futures) for one in found] == [("b", 2, 3), ("a", 1, 3), ("a", 2, 7)]
    assert found[1].means == {name: 2.0 + index for index, name in enumerate(NAMES)}
    for one in found:
        own = TABLE[(TABLE.arm == one.arm) & (TABLE.horizon == one.horizon)]
        places = np.stack(list(own.places))
        assert one.test == exchange_test(f"{one.arm} +{one.horizon}", places, rng=generator("futures", seed))
        assert (one.variation, one.variation_by_chance, one.known) == (None, None, 0)
    if seed == 0:
        assert future_tests(TABLE) == found


def test_the_world_is_held_against_futures_where_it_is_known() -> None:
    table = pd.DataFrame(
        [known("a", 1, 0, 0.2, [1.0], [1.0]), row("a", 1, 1, 0.0), known("a", 1, 2, 0.6, [1.0], [1.0])]
    )
    (found,) = future_tests(table)
    assert found.variation == pytest.approx(0.4)
    assert found.variation_by_chance == pytest.approx(0.2)
    assert found.known == 2


@pytest.mark.parametrize("seed", [0, 5])
def test_arms_meet_on_the_prompts_and_the_horizon_that_both_have(seed: int) -> None:
    """At one chunk the baseline has prompts 0 to 8 and the method 2 to 9, in another order."""
    rng = np.random.default_rng(0)
    levels = {(arm, prompt): float(rng.random()) for arm in "mb" for prompt in range(10)}
    rows = [row("b", 1, p, levels["b", p]) for p in range(9)] + [
        row("m", 1, p, levels["m", p]) for p in range(9, 1, -1)
    ]
    rows += [row("b", 3, p, 5.0) for p in range(6)] + [row("m", 3, p, 3.0) for p in range(6)]
    rows += [row("other", 1, p, 99.0) for p in range(9)]
    found = arm_contrasts(pd.DataFrame(rows), "b", "m", seed)
    assert [(one.horizon, one.quantity) for one in found] == [
        (horizon, quantity) for horizon in (1, 3) for quantity in ("readout_to_mean", "sample_to_mean")
    ]
    first, second, later, _ = (one.estimate for one in found)
    shared = list(range(8, 1, -1))
    a, b = (np.array([levels[arm, p] for p in shared]) for arm in "mb")
    expected = paired_means("m - b, readout_to_mean", a, b, rng=generator("arms", seed))
    assert first == expected
    assert second.difference == pytest.approx((a - b).mean())
    assert (second.name, second.a) == ("m - b, sample_to_mean", pytest.approx(a.mean() + 1))
    assert (later.a, later.b, later.difference, later.n_prompts) == (3.0, 5.0, -2.0, 6)
    if seed == 0:
        assert arm_contrasts(pd.DataFrame(rows), "b", "m") == found


def test_reliability_is_by_arm_horizon_and_range_of_the_worlds_probability() -> None:
    """Ranges are [0, 1 %), [1, 5 %), [5, 20 %), [20, 50 %), [50, 80 %), [80, 95 %) and [95, 100 %]."""
    assert EDGES == (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
    table = pd.DataFrame([
        known("a", 1, 0, 0.1, [0.9, 0.1, 0.0], [0.5, 0.3, 0.2]),
        known("a", 1, 1, 0.1, [0.84, 0.16, 0.0], [0.7, 0.3, 0.0]),
        row("a", 1, 2, 0.0),
        known("a", 2, 0, 0.1, [1.0, 0.0, 0.0], [0.25, 0.75, 0.0]),
    ])  # fmt: skip
    found = reliability_rows(table)
    assert list(found.columns) == ["arm", "horizon", "world", "futures", "places", "low", "high", "prompts"]
    rows = [tuple(one) for one in found.itertuples(index=False)]
    expected = [("a", 1, 0.0, 0.1, 2), ("a", 1, 0.13, 0.3, 2), ("a", 1, 0.87, 0.6, 2), ("a", 2, 0.0, 0.375, 2),
                ("a", 2, 1.0, 0.25, 1)]  # fmt: skip
    assert [one[:2] + one[4:5] for one in rows] == [one[:2] + one[4:] for one in expected]
    np.testing.assert_allclose([one[2:4] for one in rows], [one[2:4] for one in expected], atol=1e-12)
