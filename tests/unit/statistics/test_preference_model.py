"""Bradley–Terry worths with ties and sides: by hand, against a general optimiser, and in simulated studies."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t

from probekit.run_folder.preferences import Choice, Preference
from probekit.seeding import generator
from probekit.statistics import preference_estimate
from probekit.statistics.interval_choice import NO_SPREAD
from probekit.statistics.preference_estimate import NO_ORDER, compare_preferences
from probekit.statistics.preference_model import (
    LIMIT,
    NOT_JOINED,
    ONE_SIDED,
    PreferenceFit,
    count_preferences,
    expected_score,
    fit_preferences,
    fit_replicates,
    influence_of_prompts,
    slopes_of,
)
from probekit.statistics.resampling import prompt_indices

A, B = "baseline", "method"


def choice(left: str, right: str, answer: Choice, prompt: str = "p0") -> Preference:
    return Preference(
        left=left, right=right, left_hash=None, right_hash=None, prompt_id=prompt, prompt=prompt, seed=0, order_seed=0,
        chunks=7, choice=answer,
    )  # fmt: skip


def choices(left_b: tuple[int, int, int], left_a: tuple[int, int, int], prompts: int = 10) -> list[Preference]:
    """Choices left, tie, right with the method on the left, then with the baseline there; prompts in turn."""
    answers: list[tuple[str, str, Choice]] = []
    for (left, right), counts in (((B, A), left_b), ((A, B), left_a)):
        for answer, count in zip(("left", "tie", "right"), counts, strict=True):
            answers += [(left, right, answer)] * count  # type: ignore[list-item]
    return [choice(*answer, f"p{index % prompts}") for index, answer in enumerate(answers)]


def fitted(rows: list[Preference]) -> PreferenceFit:
    found = fit_preferences(count_preferences(rows, A))
    assert isinstance(found, PreferenceFit)
    return found


def test_balanced_choices_have_the_worth_that_one_works_out_by_hand() -> None:
    """Without effect of sides the model of two videos has as many parameters as shares: worth = wins / losses."""
    rows = choices((12, 6, 3), (3, 6, 12))
    worth, order, log_tie = fitted(rows).parameters
    assert worth == pytest.approx(math.log(24 / 6), abs=1e-6)
    assert order == pytest.approx(0, abs=1e-6)
    assert log_tie == pytest.approx(math.log(12 / math.sqrt(24 * 6)), abs=1e-6)
    result = compare_preferences(rows, A, seed=0, replicates=200)
    assert result.models[0].score == pytest.approx((24 + 12 / 2) / 42, abs=1e-6)
    assert result.models[0][1:4] == (24, 12, 6)


def test_the_effect_of_standing_left_has_the_value_that_one_works_out_by_hand() -> None:
    """Equal models, no ties: the left one is chosen 3 times as often, whichever it is."""
    rows = choices((15, 0, 5), (15, 0, 5))
    worth, order = fitted(rows).parameters
    assert worth == pytest.approx(0, abs=1e-6)
    assert order == pytest.approx(math.log(3), abs=1e-6)
    result = compare_preferences(rows, A, seed=0, replicates=200)
    assert result.order.score == pytest.approx(0.75, abs=1e-6)
    assert result.models[0].score == pytest.approx(0.5, abs=1e-6)


def likelihood(parameters: NDArray[np.float64], rows: list[Preference], models: list[str]) -> float:
    """Davidson's formula row by row, with worths as such and the effect of sides as a factor."""
    worths = dict(zip(models, [1.0, *np.exp(parameters[: len(models) - 1])], strict=True))
    side, tie = np.exp(parameters[-2:])
    total = 0.0
    for row in rows:
        left, right = worths[row.left] * side, worths[row.right]
        both = tie * math.sqrt(left * right)
        total -= math.log({"left": left, "tie": both, "right": right}[row.choice] / (left + both + right))
    return total


def general_optimum(rows: list[Preference], models: list[str]) -> NDArray[np.float64]:
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 9000, "maxfev": 9000}
    start = np.zeros(len(models) + 1)
    found: NDArray[np.float64] = minimize(likelihood, start, (rows, models), method="Nelder-Mead", options=options).x
    return found


def test_three_models_are_fitted_as_a_general_optimiser_fits_davidsons_formula() -> None:
    rng, models = np.random.default_rng(4), [A, B, "third"]
    rows = []
    for index in range(150):
        left, right = rng.permutation(models)[:2]
        answer: Choice = rng.choice(["left", "tie", "right"], p=[0.45, 0.2, 0.35])
        rows.append(choice(str(left), str(right), str(answer), f"p{index % 20}"))  # type: ignore[arg-type]
    found = fitted(rows)
    others = general_optimum(rows, models)
    np.testing.assert_allclose(found.parameters, others, atol=1e-5)


def test_replicates_are_fits_of_the_prompts_that_were_drawn() -> None:
    rows = choices((9, 4, 7), (6, 5, 11), prompts=12)
    counts = count_preferences(rows, A)
    drawn = prompt_indices(np.random.default_rng(1), 12, 6)
    replicates = fit_replicates(counts.counts[drawn].sum(axis=1), fitted(rows).design)
    for prompts, parameters in zip(drawn, replicates, strict=True):
        own = [row for prompt in prompts for row in rows if row.prompt_id == counts.prompt_ids[prompt]]
        other = general_optimum(own, [A, B])
        np.testing.assert_allclose(parameters, other, atol=1e-5)


def test_the_slopes_are_the_derivatives_of_the_likelihood() -> None:
    rows = choices((9, 4, 7), (6, 5, 11))
    counts, fit, at = count_preferences(rows, A), fitted(rows), np.array([0.3, -0.2, 0.4])
    total = counts.counts.sum(axis=0)[None]
    gradient, curvature = slopes_of(total, fit.design, at[None])
    for place in range(3):
        step = np.eye(3)[place] * 1e-5
        rise = likelihood(at + step, rows, [A, B]) - likelihood(at - step, rows, [A, B])
        assert -rise / 2e-5 == pytest.approx(gradient[0, place], rel=1e-5)
        ahead, behind = (slopes_of(total, fit.design, (at + sign * step)[None])[0][0] for sign in (1, -1))
        np.testing.assert_allclose(-(ahead - behind) / 2e-5, curvature[0, place], rtol=1e-5)


@settings(max_examples=20)
@given(st.tuples(*[st.integers(1, 9)] * 6))
def test_exchanging_the_models_turns_the_sign_and_exchanging_sides_changes_nothing(found: tuple[int, ...]) -> None:
    rows = choices(found[:3], found[3:])  # type: ignore[arg-type]
    names = {A: B, B: A}
    renamed = [row.model_copy(update={"left": names[row.left], "right": names[row.right]}) for row in rows]
    turned: dict[str, Choice] = {"left": "right", "tie": "tie", "right": "left"}
    mirrored = [
        row.model_copy(update={"left": row.right, "right": row.left, "choice": turned[row.choice]}) for row in rows
    ]
    worth, order, log_tie = fitted(rows).parameters
    np.testing.assert_allclose(fitted(renamed).parameters, [-worth, order, log_tie], atol=1e-5)
    np.testing.assert_allclose(fitted(mirrored).parameters, [worth, -order, log_tie], atol=1e-5)


def test_one_sided_choices_have_no_finite_worth_and_say_so() -> None:
    result = compare_preferences(choices((8, 0, 0), (0, 0, 8)), A, seed=0, replicates=100)
    row = result.models[0]
    assert (row.log_worth, row.score, row.low, row.reason) == (None, None, None, ONE_SIDED)
    assert (row.wins, row.ties, row.losses) == (16, 0, 0)
    assert not row.star
    lost = compare_preferences(choices((0, 0, 8), (8, 0, 0)), A, seed=0, replicates=100).models[0]
    assert (lost.wins, lost.losses, lost.reason) == (0, 16, ONE_SIDED)
    only_ties = compare_preferences(choices((0, 5, 0), (0, 5, 0)), A, seed=0, replicates=100)
    assert only_ties.models[0].log_worth is None


def test_models_that_no_choice_joins_are_not_compared() -> None:
    rows = [*choices((3, 1, 2), (2, 1, 3)), choice("x", "y", "left"), choice("y", "x", "left")]
    assert compare_preferences(rows, A, seed=0, replicates=100).models[0].reason == NOT_JOINED


def test_without_both_orders_the_effect_of_sides_is_taken_as_none() -> None:
    result = compare_preferences(choices((12, 4, 6), (0, 0, 0)), A, seed=0, replicates=100)
    assert result.order.reason == NO_ORDER
    assert result.models[0].log_worth == pytest.approx(math.log(2), abs=1e-6)
    assert result.sides[1][:3] == (B, 22, 0)
    assert result.sides[1][3] == pytest.approx(2 * 0.5**22)


def test_a_one_sided_replicate_is_at_the_limit_and_an_empty_one_is_not_known() -> None:
    design = fitted(choices((5, 0, 3), (3, 0, 5))).design
    found = fit_replicates(np.array([[[4.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]), design)
    assert found[0, 0] == pytest.approx(LIMIT)
    assert np.isnan(found[1]).all()


def test_the_expected_score_rises_from_0_to_1_and_mirrors_at_one_half() -> None:
    worths = np.linspace(-2000, 2000, 9)
    for log_tie in (None, 0.5):
        scores = expected_score(worths, log_tie)
        assert (np.diff(scores) >= 0).all()
        np.testing.assert_allclose(scores + scores[::-1], 1)
        assert scores[4] == 0.5
        assert (scores[0], scores[-1]) == (0, 1)
    assert expected_score(math.log(4), math.log(2)) == pytest.approx((2 + 1) / (2 + 2 + 0.5))


def test_the_influence_of_prompts_is_what_leaving_one_out_does() -> None:
    rows = choices((40, 20, 30), (30, 20, 45), prompts=60)
    counts, fit = count_preferences(rows, A), fitted(rows)
    influence = influence_of_prompts(counts.counts, fit)
    np.testing.assert_allclose(influence.sum(axis=0), 0, atol=1e-4)
    without = counts.counts.sum(axis=0) - counts.counts
    jackknife = 60 * (fit.parameters - fit_replicates(without, fit.design))
    np.testing.assert_allclose(jackknife[:, 0], influence[:, 0], rtol=0.15, atol=0.02)


def simulated(rng: np.random.Generator, prompts: int, each: int) -> list[Preference]:
    """Equal models on the whole, whose worth differs from prompt to prompt; ties, and an effect of the left side."""
    rows = []
    for prompt in range(prompts):
        own = rng.normal(0, 0.8)
        for _ in range(each):
            swapped = bool(rng.integers(2))
            half = (-own if swapped else own) / 2 + 0.2
            odds = np.exp([half, 0.0, -half])
            answer: Choice = ("left", "tie", "right")[rng.choice(3, p=odds / odds.sum())]  # type: ignore[assignment]
            rows.append(choice(*((A, B) if swapped else (B, A)), answer, f"p{prompt}"))
    return rows


@pytest.mark.long
@pytest.mark.parametrize("prompts", [15, 60])
def test_intervals_cover_in_studies_whose_prompts_differ(prompts: int) -> None:
    """About 95 % of 120 studies, within what chance does to a share; choices as units would cover far less."""
    rng, missed = np.random.default_rng(prompts), 0
    studies = 120
    for _ in range(studies):
        row = compare_preferences(simulated(rng, prompts, 4), A, seed=0, replicates=150).models[0]
        assert row.low is not None
        assert row.high is not None
        missed += not row.low <= 0 <= row.high
    assert 0.005 < missed / studies < 0.115


def test_the_same_seed_gives_the_same_interval_and_another_a_close_one() -> None:
    rows = choices((40, 20, 30), (30, 20, 45), prompts=60)
    first, again, other = (compare_preferences(rows, A, seed=seed, replicates=800) for seed in (1, 1, 2))
    assert first == again
    assert first.models[0].low != other.models[0].low
    assert first.models[0].low == pytest.approx(other.models[0].low, abs=0.1)
    assert first.models[0].interval == "percentile"
    row, fit = first.models[0], fitted(rows)
    expected = [expected_score(end, float(fit.parameters[-1])) for end in (row.low, row.log_worth, row.high)]  # type: ignore[arg-type]
    assert [row.score_low, row.score, row.score_high] == pytest.approx([float(one) for one in expected])
    assert first == compare_preferences(rows, A, seed=1, replicates=800, level=0.95)
    few = compare_preferences(choices((9, 4, 7), (6, 5, 11), prompts=12), A, seed=1, replicates=800).models[0]
    assert few.interval == "t"


def test_the_standard_error_is_the_spread_of_fits_to_prompts_that_were_drawn_again() -> None:
    """More replicates than are fitted at once, and each of the whole stream of draws."""
    rows = choices((40, 20, 30), (30, 20, 45), prompts=30)
    counts, fit = count_preferences(rows, A), fitted(rows)
    found = compare_preferences(rows, A, seed=3, replicates=700).models[0]
    drawn = prompt_indices(generator(preference_estimate._STREAM, 3), 30, 700)
    again = fit_replicates(counts.counts[drawn].sum(axis=1), fit.design)
    assert found.standard_error == pytest.approx(again[:, 0].std(ddof=1), rel=1e-9)


def test_a_model_has_as_many_prompts_as_show_it() -> None:
    """The method stands against the baseline in ten prompts, a third model against either of them in two."""
    third = [
        *(choice("third", A, answer, "p0") for answer in ("left", "right", "tie")),
        *(choice(A, "third", answer, "p1") for answer in ("left", "right")),
        choice(B, "third", "tie", "p1"),
    ]  # type: ignore[misc]
    result = compare_preferences([*choices((12, 6, 3), (3, 6, 12)), *third], A, seed=0, replicates=20)
    assert {row.name: (row.prompts, row.wins, row.ties, row.losses) for row in result.models} == {
        B: (10, 24, 12, 6), "third": (2, 2, 1, 2),
    }  # fmt: skip
    assert (result.order.prompts, result.choices) == (10, 48)


def test_an_interval_of_few_prompts_has_one_degree_of_freedom_less_than_prompts() -> None:
    """Its half width over that at another level is a ratio of quantiles of t, whatever the error."""
    rows, widths = choices((9, 4, 7), (6, 5, 11), prompts=12), []
    for level in (0.95, 0.8):
        row = compare_preferences(rows, A, seed=1, replicates=300, level=level).models[0]
        assert row.interval == "t"
        assert row.low is not None
        assert row.high is not None
        widths.append(row.high - row.low)
    assert widths[0] / widths[1] == pytest.approx(t.ppf(0.975, 11) / t.ppf(0.9, 11), rel=1e-6)


def test_without_any_difference_between_prompts_or_with_one_replicate_there_is_no_interval() -> None:
    answers: list[tuple[str, str, Choice]] = [
        (A, B, "left"), (A, B, "right"), (B, A, "left"), (B, A, "left"), (B, A, "tie"), (B, A, "right"),
    ]  # fmt: skip
    alike = [choice(*answer, f"p{prompt}") for prompt in range(15) for answer in answers]
    row = compare_preferences(alike, A, seed=0, replicates=50).models[0]
    assert row.log_worth is not None
    assert (row.low, row.high, row.reason, row.star) == (None, None, NO_SPREAD, False)
    one = compare_preferences(choices((9, 4, 7), (6, 5, 11)), A, seed=0, replicates=1).models[0]
    assert (one.low, one.high, one.standard_error) == (None, None, None)
