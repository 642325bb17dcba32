"""Verdicts of claims follow from intervals alone, and the stated number of prompts decides."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probekit.statistics.verdicts import (
    Decision,
    Effect,
    refuting,
    turned,
    verdict_of,
    verdict_of_all,
    what_decides,
    widened,
)

numbers = st.floats(-50, 50).map(lambda value: round(value, 6))
sizes = st.floats(0.001, 50).map(lambda value: round(value, 6))
counts = st.integers(2, 5000)


@st.composite
def effects(draw: st.DrawFn, claimed: st.SearchStrategy[float | None] | None = None) -> Effect:
    value, below, above = draw(numbers), draw(sizes), draw(sizes)
    size = draw(st.none() | sizes if claimed is None else claimed)
    return Effect(value, value - below, value + above, draw(counts), size)


def at(effect: Effect, n: int, value: float | None = None) -> Effect:
    """The effect as n prompts would show it: the sides shrink with the root of their number."""
    centre, share = effect.value if value is None else value, math.sqrt(effect.n / n)
    low, high = (centre + share * (end - effect.value) for end in (effect.low, effect.high))
    return effect._replace(value=centre, low=low, high=high, n=n)


@pytest.mark.parametrize(
    ("low", "high", "claimed", "verdict"),
    [
        (0.1, 0.9, 0.8, "supported"),
        (0.1, 0.3, 0.8, "supported"),  # smaller than claimed, and there
        (-0.36, 0.19, 0.80, "not supported"),  # as large as claimed is excluded
        (-0.36, 0.19, None, "undecided"),
        (-0.9, -0.1, None, "not supported"),
        (-0.9, -0.1, 0.8, "not supported"),
        (-0.1, 0.9, 0.8, "undecided"),
        (-0.1, 0.8, 0.8, "undecided"),
        (0.0, 0.9, 0.8, "undecided"),
        (-0.9, 0.0, None, "undecided"),
    ],
)
def test_a_verdict_asks_whether_zero_and_the_claimed_size_are_excluded(
    low: float, high: float, claimed: float | None, verdict: str
) -> None:
    assert verdict_of(Effect((low + high) / 2, low, high, 50, claimed)) == verdict


@given(effects())
def test_an_interval_above_zero_supports_and_one_below_refutes(effect: Effect) -> None:
    assert (verdict_of(effect) == "supported") == (effect.low > 0)
    if effect.high < 0:
        assert verdict_of(effect) == "not supported"


@given(effects())
def test_no_interval_supports_a_claim_and_its_opposite(effect: Effect) -> None:
    assert {verdict_of(effect), verdict_of(turned(effect))} != {"supported"}
    assert turned(turned(effect)) == effect


@given(effects(), sizes)
def test_a_larger_claim_is_never_harder_to_refute(effect: Effect, more: float) -> None:
    if effect.claimed is not None and verdict_of(effect) == "not supported":
        assert verdict_of(effect._replace(claimed=effect.claimed + more)) == "not supported"


@given(effects(), st.integers(1, 60))
def test_widening_keeps_the_estimate_and_widens_both_sides_alike(effect: Effect, joined: int) -> None:
    wide = widened(effect, joined)
    assert wide.value == effect.value
    assert wide.width >= effect.width * (1 - 1e-9)
    below, above = wide.value - wide.low, wide.high - wide.value
    assert below / (effect.value - effect.low) == pytest.approx(above / (effect.high - effect.value), rel=1e-6)


def test_widening_is_bonferronis() -> None:
    """Quantiles of a table: 1.95996 at 5 %, 2.63826 at 5 % of six (0.41667 % a side)."""
    wide = widened(Effect(0.0, -1.959964, 1.959964, 9), 6)
    assert wide.high == pytest.approx(2.638257, abs=1e-5)
    assert wide.low == pytest.approx(-2.638257, abs=1e-5)


@given(effects())
def test_one_effect_alone_has_its_own_verdict(effect: Effect) -> None:
    assert verdict_of_all([effect]) == verdict_of(effect)


@given(st.lists(effects(), min_size=1, max_size=6))
def test_a_claim_of_many_is_supported_only_if_each_is(many: list[Effect]) -> None:
    verdict = verdict_of_all(many)
    assert (verdict == "supported") == all(verdict_of(one) == "supported" for one in many)
    if verdict == "not supported":
        assert any(verdict_of(one) == "not supported" for one in many)


@given(st.lists(effects(), min_size=1, max_size=6))
def test_the_order_of_effects_does_not_matter(many: list[Effect]) -> None:
    assert verdict_of_all(many[::-1]) == verdict_of_all(many)
    assert what_decides(many[::-1]) == what_decides(many)


def test_one_of_many_that_speaks_against_by_chance_refutes_nothing() -> None:
    against = Effect(-1.0, -1.9, -0.1, 40)  # excludes 0 alone, and not among 27
    assert verdict_of(against) == "not supported"
    assert verdict_of_all([against, *[Effect(1.0, 0.5, 1.5, 40)] * 26]) == "undecided"
    assert verdict_of_all([Effect(-1.0, -1.2, -0.8, 40), *[Effect(1.0, 0.5, 1.5, 40)] * 26]) == "not supported"


def test_a_claim_without_effects_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="needs an effect"):
        verdict_of_all([])


def test_the_effects_that_refute_are_named() -> None:
    good, bad = Effect(1.0, 0.5, 1.5, 40, 1.0), Effect(0.0, -0.2, 0.2, 40, 1.0)
    assert refuting([good, bad, good]) == [1]
    assert refuting([good]) == []


def test_the_number_of_prompts_worked_out_by_hand() -> None:
    """Width 0.8 against a claimed 0.4: four times the prompts give exactly 0.4, one more prompt is narrower."""
    assert what_decides([Effect(0.1, -0.3, 0.5, 100, 0.4)]) == Decision(401, None)
    # Reach 0.4 from the estimate 0.1 to the lower end: sixteen times as many put that end on 0.
    assert what_decides([Effect(0.1, -0.3, 0.5, 100)]) == Decision(1601, "supported")
    # Estimate against the claim: reach 0.3 up to the upper end, nine times as many.
    assert what_decides([Effect(-0.1, -0.5, 0.2, 100)]) == Decision(901, "not supported")
    assert what_decides([Effect(0.0, -0.5, 0.5, 100)]) is None
    # Of two, the slower one counts; its width 0.8 is stretched by 2.241403 / 1.959964 for two looks.
    two = [Effect(0.1, -0.3, 0.5, 100, 0.4), Effect(0.1, -0.1, 0.3, 100, 0.4)]
    assert math.floor(100 * (0.8 / 0.4 * 2.241403 / 1.959964) ** 2) + 1 == 524
    assert what_decides(two) == Decision(524, None)
    # Of two against the claim the faster one decides: reach 0.2 from -0.1, stretched for two looks.
    against = [Effect(-0.1, -0.5, 0.2, 100), Effect(-0.1, -0.3, 0.1, 100)]
    assert math.floor(100 * (0.2 / 0.1 * 2.241403 / 1.959964) ** 2) + 1 == 524
    assert what_decides(against) == Decision(524, "not supported")
    for open_still in (Effect(0.1, -0.3, 0.5, 100), Effect(0.0, -0.5, 0.5, 100)):  # needs more, or has no number
        decision = what_decides([*against, open_still])
        assert decision is not None
        assert decision.then == "not supported"


@given(effects(sizes), numbers)
def test_with_a_claimed_size_the_stated_prompts_decide_whatever_is_found(effect: Effect, found: float) -> None:
    assume(verdict_of(effect) == "undecided")
    decision = what_decides([effect])
    assert decision is not None
    needed = decision.prompts
    assume(needed < 10**12)  # beyond it, roots round
    assert verdict_of(at(effect, needed + max(1, needed // 10**9), found)) != "undecided"


@given(effects(st.none()))
def test_without_one_they_decide_if_the_estimate_stays(effect: Effect) -> None:
    assume(verdict_of(effect) == "undecided" and abs(effect.value) > 1e-4)
    decision = what_decides([effect])
    assert decision is not None
    needed = decision.prompts
    assume(needed < 10**12)
    later = at(effect, needed + max(1, needed // 10**9))
    assert verdict_of(later) == decision.then == ("supported" if effect.value > 0 else "not supported")


@given(st.lists(effects(sizes), min_size=1, max_size=4), st.lists(numbers, min_size=4, max_size=4))
def test_with_claimed_sizes_the_stated_prompts_decide_a_claim_of_many(many: list[Effect], found: list[float]) -> None:
    """Effects that are decided already stay; the others may turn out to be anything."""
    assume(verdict_of_all(many) == "undecided")
    decision = what_decides(many)
    assert decision is not None
    needed = decision.prompts
    assume(needed < 10**12)
    n = needed + max(1, needed // 10**9)
    later = [one if one.low > 0 else at(one, max(n, one.n), value) for one, value in zip(many, found, strict=False)]
    assert verdict_of_all(later) != "undecided"
