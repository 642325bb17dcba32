"""The planning gap: its maths by hand, and that no readout is better than the best one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.probing.planning_episodes import PlanningEpisodes
from probekit.probing.planning_experiment import COLUMNS, PlanningRows, planning_rows, planning_values
from probekit.probing.planning_facts import (
    FACTS,
    BestReadout,
    PlanningFact,
    entropy,
    facts_under,
    futures_after,
    true_states,
)
from probekit.probing.planning_gap import (
    BEST,
    expected_cross_entropies,
    expected_squared_errors,
    gap_table,
    log_probabilities,
    planning_gaps,
)
from probekit.probing.probe_settings import CONTROL_TASK, MEAN, TRAINED, DecoderBudget, ProbeSettings
from probekit.reporting.planning_table import planning_table
from probekit.sprite_world.dynamics import MotionState
from probekit.sprite_world.futures import FutureDistribution
from probekit.sprite_world.posterior import posteriors
from probekit.sprite_world.vocabulary import DIRECTIONS
from tests.helpers.feature_stores import SITE, write_store

ENDS = np.array([8, 20, 32, 44, 56, 68, 80])
FACT = {fact.name: fact for fact in FACTS}
ASKED = [FACT["position"], FACT["direction"]]
QUICK = ProbeSettings(
    horizons=(2, 3),
    budget=DecoderBudget(width=16, steps=80, validate_every=20, batch=32, learning_rates=(3e-3,), seeds=(0,)),
    perceptual=False,
)
SHOWN = PlanningEpisodes.of(32, 1, ENDS)


def test_errors_of_a_coin_by_hand() -> None:
    """Two places at 0 and 1, each with one half: the mean is at a half, its variance a quarter."""
    best = [BestReadout(np.array([0.5]), 0.25)] * 2
    assert expected_squared_errors(np.array([[0.5], [1.0]]), best).tolist() == [0.25, 0.5]
    coin = [BestReadout(np.array([0.5, 0.5]), float(np.log(2)))] * 2
    certain_of_first = np.array([[0.0, 0.0], [np.log(3.0), 0.0]])
    assert expected_cross_entropies(certain_of_first, coin) == pytest.approx(
        [np.log(2), -(np.log(0.75) + np.log(0.25)) / 2]
    )


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=5),
    st.lists(st.floats(-5, 5), min_size=5, max_size=5),
)
def test_no_readout_is_better_than_the_posterior(weights: list[float], odds: list[float]) -> None:
    probability = np.array(weights) / sum(weights)
    best = BestReadout(probability, entropy(probability))
    own = np.array([odds[: len(weights)]])
    assert expected_cross_entropies(own, [best])[0] >= best.floor - 1e-12
    assert expected_cross_entropies(np.log(probability)[None], [best])[0] == pytest.approx(best.floor)
    assert np.exp(log_probabilities(own)).sum() == pytest.approx(1)


def test_the_best_readout_of_a_distribution_by_hand() -> None:
    states = MotionState(np.array([0, 512 - 16]), np.array([256, 256]), np.array([0, 4]))
    future = FutureDistribution(states, np.array([0.75, 0.25]))
    scene = SHOWN.found[0].episode.scene
    place = FACT["position"].best(scene, future)
    assert place.values == pytest.approx([0.25 * 496 / 512, 0.5])
    assert place.floor == pytest.approx(0.75 * 0.25 * (496 / 512) ** 2 / 2)  # mean over x and y, y is certain
    heading = FACT["direction"].best(scene, future)
    assert heading.values.tolist() == [0.75, 0, 0, 0, 0.25, 0, 0, 0]
    assert heading.floor == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert np.flatnonzero(FACT["place"].best(scene, future).values).tolist() == [8, 11]
    for name in ("pillar", "sprite-color", "sprite-shape", "sprite-size"):
        assert FACT[name].best(scene, future).floor == 0.0


def test_true_states_are_those_of_the_simulator() -> None:
    episode = SHOWN.found[0].episode
    states = true_states(episode, ENDS)
    np.testing.assert_array_equal(states.x / 16, episode.labels.position[ENDS, 0, 0])
    signs = np.sign(episode.labels.velocity[ENDS, 0])
    np.testing.assert_array_equal(np.array(DIRECTIONS)[states.direction], signs)


@pytest.mark.long
def test_futures_after_an_occlusion_hold_the_truth_and_what_is_in_view() -> None:
    asked = 0
    for found in SHOWN.found[:12]:
        for chunk, horizon, future in futures_after(found, (2, 3), ENDS):
            asked += 1
            assert found.hidden[chunk]
            assert found.seen[chunk + horizon]
            truth = true_states(found.episode, ENDS[[chunk + horizon]])
            same = np.logical_and.reduce([a == b for a, b in zip(future.states, truth, strict=True)])
            assert future.probability[same].sum() > 0
            assert future.probability.sum() == pytest.approx(1)
    assert asked > 3


def tables(folder: Path, rows: PlanningRows, knows: bool) -> pd.DataFrame:
    """Probes of states that hold the present posterior mean and direction, or nothing."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(len(SHOWN.found), len(ENDS), 1, 1, 12))
    frames = np.zeros((len(SHOWN.found), len(ENDS), 1, 4, 4, 3), np.uint8)
    if knows:
        for video, found in enumerate(SHOWN.found):
            truth = true_states(found.episode, ENDS)
            states[video, :, 0, 0, :2] = (np.stack([truth.x, truth.y], axis=1) / 512 - 0.5) * 4
            states[video, :, 0, 0, 2:10] = 2.0 * (truth.direction[:, None] == np.arange(8))
    store = write_store(folder, states, frames, model=folder.name)
    assert len(store.keys) == len(SHOWN.found)
    return planning_values(folder.name, store, rows, QUICK, ASKED)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder, rows = tmp_path_factory.mktemp("stores"), planning_rows(SHOWN, QUICK.horizons, facts=ASKED)
    return pd.concat([tables(folder / "guesses", rows, False), tables(folder / "knows", rows, True)])


@pytest.mark.long
def test_what_is_planted_is_nearer_to_the_floor_and_no_gap_is_negative(values: pd.DataFrame) -> None:
    assert tuple(values.columns) == COLUMNS
    assert (values.error >= values.best - 1e-9).all()
    means = values[values.source == TRAINED].groupby(["fact", "arm"])[["error", "best"]].mean()
    assert means.loc["position", "knows"].error < 0.7 * means.loc["position", "guesses"].error
    assert means.loc["position", "knows"].best == means.loc["position", "guesses"].best
    gaps = planning_gaps(values, "guesses", "knows")
    arms = [one for one in gaps if one.arm is None]
    assert {one.contrast for one in arms} == {"knows - guesses"}
    assert {(one.fact, one.horizon) for one in arms} == {(f, h) for f in ("position", "direction") for h in (2, 3)}
    best = [one for one in gaps if one.contrast.endswith(BEST) and one.source == TRAINED]
    assert all(one.estimate.difference is not None and one.estimate.difference > 0 for one in best)
    assert {one.unit for one in gaps if one.fact == "position"} == {"dB"}
    assert MEAN in set(values.source)
    assert CONTROL_TASK not in set(values.source)  # random labels have no posterior to be held against


def test_a_gap_in_decibels_is_the_ratio_of_mean_errors(values: pd.DataFrame) -> None:
    own = values[(values.arm == "knows") & (values.source == TRAINED) & (values.fact == "position")]
    own = own[own.horizon == 2].groupby("prompt_id")[["error", "best"]].mean().mean()
    gap = next(
        one for one in planning_gaps(values, "guesses", "knows")
        if (one.arm, one.source, one.fact, one.horizon) == ("knows", TRAINED, "position", 2)
    )  # fmt: skip
    assert gap.estimate.difference == pytest.approx(10 * np.log10(own.error / own.best))
    assert gap.site == SITE.name


def test_tables_have_a_row_per_gap(values: pd.DataFrame) -> None:
    gaps = planning_gaps(values, "guesses", "knows")
    table = gap_table(gaps)
    assert len(table) == len(gaps)
    assert {"difference", "low", "high", "unit", "stated", "rows"} <= set(table.columns)
    page = planning_table(gaps).markdown()
    assert page.count("knows - guesses") >= 4
    assert "exact posterior" in page


def test_realised_errors_are_those_with_the_future_that_came(values: pd.DataFrame) -> None:
    own = values[(values.source == TRAINED) & (values.arm == "knows") & (values.fact == "direction")]
    (prompt, horizon), row = next(iter(own[own.rows == 1].groupby(["prompt_id", "horizon"])))
    found = next(one for one, (name, _) in zip(SHOWN.found, SHOWN.prompts, strict=True) if name == prompt)
    ((chunk, future),) = [(c, f) for c, h, f in futures_after(found, [int(horizon)], ENDS)]
    truth = true_states(found.episode, ENDS[[chunk + int(horizon)]]).direction[0]
    probability = future.probability[future.states.direction == truth].sum()
    assert row.best_realised.item() == pytest.approx(-np.log(probability))


def test_captions_may_state_the_identity_of_another_sprite() -> None:
    other = PlanningEpisodes.of(12, 1, ENDS, other_identity=True)
    assert other.found[0].number == SHOWN.found[0].number
    pairs = [(a.split(), b.split()) for (_, a), (_, b) in zip(SHOWN.prompts, other.prompts, strict=False)]
    assert all(a[4:] == b[4:] for a, b in pairs)  # start, heading, background and pillar
    assert sum(a[:4] != b[:4] for a, b in pairs) > 9


def test_a_caption_states_the_identity_of_its_own_sprite_alone() -> None:
    stated = {fact.name for fact in facts_under(captions_of_another=False) if fact.stated}
    assert stated == {"sprite-color", "sprite-shape", "sprite-size"}
    for found, (_, caption) in zip(SHOWN.found, SHOWN.prompts, strict=True):
        sprite = found.episode.scene.sprites[0]
        assert {sprite.color, sprite.shape, sprite.size} <= set(caption.split())
    assert not any(fact.stated for fact in facts_under(captions_of_another=True))


def test_too_few_occlusions_are_refused() -> None:
    with pytest.raises(UserError, match="no sprite that is back in view 6"):
        planning_rows(SHOWN._replace(found=SHOWN.found[:5], prompts=SHOWN.prompts[:5]), (6,))


def test_what_a_state_may_know_stops_at_its_frame() -> None:
    """Later frames play no part: the posterior of a frame is the same whatever follows."""
    found = SHOWN.found[0]
    whole = list(posteriors(found.episode.scene, found.episode.frames))
    part = list(posteriors(found.episode.scene, found.episode.frames[:30]))
    np.testing.assert_array_equal(whole[29].probability, part[29].probability)


def test_every_fact_has_values_of_its_kind() -> None:
    scene = SHOWN.found[0].episode.scene
    states = true_states(SHOWN.found[0].episode, ENDS)
    for fact in FACTS:
        assert isinstance(fact, PlanningFact)
        values = fact.values(scene, states)
        assert values.shape == (len(ENDS), 1 if fact.kind == "class" else 2)
        assert values.min() >= 0
        assert values.max() < (fact.classes or 1)
