"""Probes behind the pillar by hand: which states are asked, and what a readout's errors are errors of."""

import numpy as np
import pandas as pd
import pytest

from probekit.errors import UserError
from probekit.probing.feature_store import FeatureStore
from probekit.probing.planning_episodes import PlanningEpisodes
from probekit.probing.planning_experiment import COLUMNS, PlanningRows, planning_rows, planning_values
from probekit.probing.planning_facts import FACTS, futures_after, true_states
from probekit.probing.planning_gap import DECIBELS, NATS
from probekit.probing.probe_settings import (
    CURRENT_LATENTS,
    CURRENT_PIXELS,
    MEAN,
    TRAINED,
    UNTRAINED,
    DecoderBudget,
    ProbeSettings,
)
from probekit.probing.sites import Site
from probekit.probing.splits import split_prompts
from tests.helpers.feature_stores import write_store

ENDS = np.array([8, 20, 32, 44, 56, 68, 80])
FACT = {fact.name: fact for fact in FACTS}
ASKED = [FACT["position"], FACT["direction"], FACT["sprite-color"]]
HORIZONS = (2, 3)
QUICK = ProbeSettings(
    horizons=HORIZONS,
    budget=DecoderBudget(width=4, steps=2, validate_every=1, batch=8, learning_rates=(3e-3,), seeds=(3, 5)),
    perceptual=False,
)
SITES = (Site(1, 3), Site(2, 3))
SHOWN = PlanningEpisodes.of(32, 1, ENDS)
HIDDEN, SEEN = (np.stack([getattr(one, name) for one in SHOWN.found]) for name in ("hidden", "seen"))


@pytest.fixture(scope="module")
def rows() -> PlanningRows:
    return planning_rows(SHOWN, HORIZONS, facts=ASKED)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(32, 7, 1, 1, 6))
    frames = np.zeros((32, 7, 1, 4, 4, 3), np.uint8)
    return write_store(tmp_path_factory.mktemp("store"), states, frames, untrained=states, sites=SITES, blocks=3)


@pytest.fixture(scope="module")
def values(store: FeatureStore, rows: PlanningRows) -> pd.DataFrame:
    return planning_values("arm", store, rows, QUICK, ASKED)


def test_sides_hold_the_hidden_chunks_of_their_prompts_that_have_a_visible_one_after_a_horizon(
    rows: PlanningRows,
) -> None:
    names = [name for name, _ in SHOWN.prompts]
    assert rows.prompts == tuple(names)
    for side, prompts in zip(rows.sides, split_prompts(names), strict=True):
        expected = [
            (video, chunk)
            for video, name in enumerate(names) if name in prompts
            for chunk in range(7)
            if HIDDEN[video, chunk] and any(chunk + h < 7 and SEEN[video, chunk + h] for h in HORIZONS)
        ]  # fmt: skip
        assert list(zip(side.videos.tolist(), side.chunks.tolist(), strict=True)) == expected
        assert expected


def test_the_best_readout_of_every_held_out_state_is_that_of_its_own_future(rows: PlanningRows) -> None:
    video = int(rows.sides[2].videos[0])
    own = {place: best for place, best in rows.best["direction"].items() if place[0] == video}
    found = SHOWN.found[video]
    expected = {
        (video, chunk, horizon): FACT["direction"].best(found.episode.scene, future)
        for chunk, horizon, future in futures_after(found, HORIZONS, ENDS)
    }
    assert own.keys() == expected.keys()
    for place, best in expected.items():
        np.testing.assert_allclose(own[place].values, best.values)
        assert own[place].floor == pytest.approx(best.floor)
    assert rows.best.keys() == {fact.name for fact in ASKED}
    assert {video for video, _, _ in rows.best["position"]} <= set(rows.sides[2].videos.tolist())
    truth = rows.truth(FACT["position"])
    assert truth.shape == (32, 7, 2)
    states = true_states(found.episode, ENDS)
    np.testing.assert_allclose(truth[video], np.stack([states.x, states.y], axis=1) / 512)


def test_a_horizon_that_one_side_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="no sprite that is back in view 6 chunks later on every side"):
        planning_rows(SHOWN, (2, 6), facts=[])
    other = planning_rows(SHOWN, (2,), seed=3, facts=[])
    names = [name for name, _ in SHOWN.prompts]
    assert {names[video] for video in other.sides[2].videos} <= split_prompts(names, 3).test


def test_columns_say_what_a_readout_is_of(values: pd.DataFrame) -> None:
    assert tuple(values.columns) == COLUMNS
    assert set(values.source) == {TRAINED, UNTRAINED, MEAN, CURRENT_LATENTS, CURRENT_PIXELS}
    depths = values[values.source == TRAINED].groupby("site").depth.unique()
    assert {site: list(found) for site, found in depths.items()} == {SITES[0].name: [0.333], SITES[1].name: [0.667]}
    fixed = values[values.source.isin((MEAN, CURRENT_LATENTS, CURRENT_PIXELS))]
    assert fixed[["site", "depth"]].isna().all(axis=None)
    assert values.groupby("fact").unit.unique().map(list).to_dict() == {
        "position": [DECIBELS], "direction": [NATS], "sprite-color": [NATS],
    }  # fmt: skip
    assert values.groupby("fact").stated.unique().map(list).to_dict() == {
        "position": [False], "direction": [False], "sprite-color": [True],
    }  # fmt: skip
    assert set(values[values.source == TRAINED].probe_seed) == {3, 5}
    assert set(values.arm) == {"arm"}


def places_of(rows: PlanningRows, prompt: str, horizon: int, fact: str) -> list[tuple[int, int, int]]:
    video = rows.prompts.index(prompt)
    return [place for place in rows.best[fact] if (place[0], place[2]) == (video, horizon)]


def training_truths(rows: PlanningRows, fact: str, horizon: int) -> np.ndarray:
    """Values that come after the training states, where the sprite is in view then."""
    truth, side = rows.truth(FACT[fact]), rows.sides[0]
    later = [(video, chunk + horizon) for video, chunk in zip(side.videos, side.chunks, strict=True)]
    return np.stack([truth[video, chunk] for video, chunk in later if chunk < 7 and SEEN[video, chunk]])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_mean_position_has_the_errors_of_the_training_mean(
    values: pd.DataFrame, rows: PlanningRows, horizon: int
) -> None:
    own = values[(values.source == MEAN) & (values.fact == "position") & (values.horizon == horizon)]
    mean, truth = training_truths(rows, "position", horizon).mean(axis=0), rows.truth(FACT["position"])
    assert len(own)
    for row in own.itertuples():
        places = places_of(rows, row.prompt_id, horizon, "position")
        best = [rows.best["position"][place] for place in places]
        came = [truth[video, chunk + horizon] for video, chunk, _ in places]
        assert row.rows == len(places)
        expected = {
            "error": [np.square(mean - one.values).mean() + one.floor for one in best],
            "best": [one.floor for one in best],
            "realised": [np.square(mean - one).mean() for one in came],
            "best_realised": [np.square(one.values - other).mean() for one, other in zip(best, came, strict=True)],
        }
        for name, errors in expected.items():
            assert getattr(row, name) == pytest.approx(np.mean(errors), rel=1e-5), name


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_mean_direction_has_the_cross_entropy_of_the_training_counts_and_one_more_of_each(
    values: pd.DataFrame, rows: PlanningRows, horizon: int
) -> None:
    own = values[(values.source == MEAN) & (values.fact == "direction") & (values.horizon == horizon)]
    counts = np.bincount(training_truths(rows, "direction", horizon)[:, 0].astype(int), minlength=8) + 1.0
    logs, truth = np.log(counts / counts.sum()), rows.truth(FACT["direction"])
    assert len(own)
    for row in own.itertuples():
        places = places_of(rows, row.prompt_id, horizon, "direction")
        best = [rows.best["direction"][place] for place in places]
        came = [int(truth[video, chunk + horizon, 0]) for video, chunk, _ in places]
        expected = {
            "error": [-(one.values * logs).sum() for one in best],
            "best": [one.floor for one in best],
            "realised": [-logs[one] for one in came],
            "best_realised": [-np.log(one.values[other]) for one, other in zip(best, came, strict=True)],
        }
        for name, errors in expected.items():
            assert getattr(row, name) == pytest.approx(np.mean(errors), rel=1e-5), name


def test_every_held_out_prompt_with_a_state_has_a_row_for_every_readout(
    values: pd.DataFrame, rows: PlanningRows
) -> None:
    for (source, _, fact, horizon, _), own in values.groupby(["source", "depth", "fact", "horizon", "probe_seed"]):
        expected = {rows.prompts[video] for video, _, ahead in rows.best[fact] if ahead == horizon}
        assert set(own.prompt_id) == expected, source
        assert len(own) == len(expected)


@pytest.mark.long
def test_all_facts_are_asked_by_default(store: FeatureStore) -> None:
    whole = planning_rows(SHOWN, (2,))
    assert list(whole.best) == [fact.name for fact in FACTS]
    found = planning_values("arm", store, whole, QUICK._replace(horizons=(2,)))
    assert set(found.fact) == {fact.name for fact in FACTS}
