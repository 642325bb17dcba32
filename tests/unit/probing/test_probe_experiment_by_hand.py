"""Controls, goals and tables of a probe by hand; decoders are fitted for two steps, so that nothing has to be found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import MSE
from probekit.probing.control_task import control_labels
from probekit.probing.decoder_inputs import InputMap
from probekit.probing.feature_store import FeatureStore
from probekit.probing.fixed_controls import linear_motion, motion_of
from probekit.probing.probe_experiment import (
    COLUMNS,
    ArmData,
    Readout,
    arm_data,
    goals_of,
    inputs_of,
    judged,
    one_hot,
    probe_values,
    readout_count,
    readouts,
    site_readouts,
)
from probekit.probing.probe_settings import (
    CONTROL_TASK,
    COPY,
    CURRENT_LATENTS,
    CURRENT_PIXELS,
    LINEAR,
    MEAN,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
    DecoderBudget,
    ProbeSettings,
)
from probekit.probing.sites import Site
from probekit.probing.splits import PromptSplit, ahead, shuffled_videos, split_prompts
from probekit.probing.targets import FRAME, ProbeTarget
from tests.helpers.feature_stores import write_store

VIDEOS, CHUNKS, SIZE = 10, 4, 2
SITES = (Site(1, 3), Site(2, 3))
BUDGET = DecoderBudget(width=4, steps=2, validate_every=1, batch=8, learning_rates=(3e-3,), seeds=(3, 5), components=4)
SETTINGS = ProbeSettings(horizons=(0, 2), budget=BUDGET, perceptual=False)
CLASSES = np.random.default_rng(1).integers(0, 3, (VIDEOS, CHUNKS, 1)).astype(np.float32)
CLASSES[4, 2] = np.nan
COMING = ProbeTarget("coming", "class", lambda data: CLASSES, 3)
NUMBERS = ProbeTarget("numbers", "vector", lambda data: np.concatenate([CLASSES, CLASSES**2], axis=2))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Two sites of three blocks; a 2 x 2 grid of tokens over pictures of 8 x 8 pixels."""
    rng = np.random.default_rng(0)
    states, other = (rng.normal(size=(VIDEOS, CHUNKS, SIZE, 4, 3)) for _ in range(2))
    frames = rng.integers(0, 255, (VIDEOS, CHUNKS, SIZE, 8, 8, 3)).astype(np.uint8)
    latents = rng.normal(size=(VIDEOS, 2, CHUNKS * SIZE, 2, 2)).astype(np.float32)
    folder = tmp_path_factory.mktemp("store")
    return write_store(
        folder, states, frames, untrained=other, latents=latents, sites=SITES, grid=(2, 2), blocks=3
    )  # fmt: skip


def data_of(store: FeatureStore, target: ProbeTarget = FRAME) -> ArmData:
    return arm_data(store, target, split_prompts([key.prompt_id for key in store.keys]))


def of_source(found: list[Readout], source: str) -> dict[tuple[int, int], NDArray[np.float32]]:
    return {(read.horizon, read.seed): read.values for read in found if read.source == source}


def test_a_side_holds_every_chunk_of_its_videos_and_one_without_videos_is_refused(store: FeatureStore) -> None:
    split = split_prompts([key.prompt_id for key in store.keys])
    data = arm_data(store, FRAME, split)
    assert [len(side.videos) for side in data.sides] == [CHUNKS * len(prompts) for prompts in split]
    for side, prompts in zip(data.sides, split, strict=True):
        assert {data.prompts[video] for video in side.videos} == prompts
        assert side.chunks.tolist() == list(range(CHUNKS)) * len(prompts)
    none = frozenset({"elsewhere"})
    for lacking in (split._replace(train=none), split._replace(validation=none), split._replace(test=none)):
        with pytest.raises(UserError, match="lacks videos of one side"):
            arm_data(store, FRAME, PromptSplit(*lacking))


def test_a_chunks_picture_is_that_of_its_last_latent_frame(store: FeatureStore) -> None:
    last = store.frames()[:, :, SIZE - 1].reshape(VIDEOS, CHUNKS, -1)
    np.testing.assert_array_equal(data_of(store).values, last.astype(np.float32) / np.float32(255))


def test_controls_of_pictures_are_the_training_mean_the_present_and_its_motion_going_on(store: FeatureStore) -> None:
    data = data_of(store)
    train, _, test = data.sides
    found = list(readouts(data, FRAME, SETTINGS))
    frames = data.frames[test.videos, test.chunks]
    for horizon in SETTINGS.horizons:
        mean = np.nanmean(ahead(data.values, train, horizon), axis=0)
        np.testing.assert_allclose(of_source(found, MEAN)[horizon, 0], np.stack([mean] * len(test.videos)), rtol=1e-6)
        np.testing.assert_array_equal(of_source(found, COPY)[horizon, 0], ahead(data.values, test, 0))
        going_on = linear_motion(frames, SIZE * horizon)
        np.testing.assert_array_equal(of_source(found, LINEAR)[horizon, 0], going_on)
    assert not np.array_equal(of_source(found, LINEAR)[2, 0], of_source(found, COPY)[2, 0])


def test_controls_of_classes_are_how_often_they_come_in_training_and_the_present_one(store: FeatureStore) -> None:
    data = data_of(store, COMING)
    train, _, test = data.sides
    found = list(readouts(data, COMING, SETTINGS))
    for horizon in SETTINGS.horizons:
        came = ahead(CLASSES, train, horizon)[:, 0]
        counts = [int((came == index).sum()) for index in range(3)]
        assert of_source(found, MEAN)[horizon, 0].tolist() == [counts] * len(test.videos)
        expected = [[float(one == index) for index in range(3)] for one in ahead(CLASSES, test, 0)[:, 0]]
        assert of_source(found, COPY)[horizon, 0].tolist() == expected
    assert one_hot(np.array([[1.0], [np.nan]], np.float32), 2).tolist() == [[0, 1], [0, 0]]


def test_the_control_task_is_judged_by_the_present_chunks_label_of_training_groups(store: FeatureStore) -> None:
    """In the chunks whose real label at the horizon is known, so that both tasks have as many."""
    data = data_of(store, COMING)
    train, _, test = data.sides
    looks = np.moveaxis(store.latents().reshape(VIDEOS, 2, CHUNKS, SIZE, 2, 2), 1, 3)
    labels = ahead(control_labels(looks, CLASSES, train, 3, "coming"), test, 0)
    truths = {read.horizon: read.truth for read in readouts(data, COMING, SETTINGS) if read.source == CONTROL_TASK}
    for horizon in SETTINGS.horizons:
        known = np.isfinite(ahead(CLASSES, test, horizon))
        np.testing.assert_array_equal(truths[horizon], np.where(known, labels, np.nan))


def test_where_the_present_number_is_unknown_the_copy_is_the_mean(store: FeatureStore) -> None:
    values = np.random.default_rng(2).normal(size=(VIDEOS, CHUNKS, 2)).astype(np.float32)
    data = data_of(store)
    test = data.sides[2]
    values[test.videos[1], test.chunks[1]] = np.nan
    target = ProbeTarget("holes", "vector", lambda given: values)
    found = list(readouts(data._replace(values=values), target, SETTINGS))
    mean, copy = (of_source(found, source)[2, 0] for source in (MEAN, COPY))
    np.testing.assert_array_equal(copy[1], mean[1])
    np.testing.assert_array_equal(copy[0], values[test.videos[0], test.chunks[0]])
    assert not of_source(found, LINEAR)


@pytest.mark.parametrize("target", [FRAME, COMING, NUMBERS])
def test_every_source_is_read_at_every_site_and_horizon_by_its_seeds(store: FeatureStore, target: ProbeTarget) -> None:
    """Trained states by all seeds, controls by the first one, and what needs no decoder by none."""
    data = data_of(store, target)
    found = [(read.source, read.site, read.horizon, read.seed) for read in readouts(data, target, SETTINGS)]
    fixed = {FRAME.name: (MEAN, COPY, LINEAR), COMING.name: (MEAN, COPY), NUMBERS.name: (MEAN, COPY)}[target.name]
    of_states = (SHUFFLED, UNTRAINED, *((CONTROL_TASK,) if target.kind == "class" else ()))
    expected = {
        *((source, None, horizon, 0) for source in fixed for horizon in SETTINGS.horizons),
        *((TRAINED, site, horizon, seed) for site in SITES for horizon in SETTINGS.horizons for seed in (3, 5)),
        *((source, site, horizon, 3) for source in of_states for site in SITES for horizon in SETTINGS.horizons),
        *((source, None, horizon, 3) for source in (CURRENT_LATENTS, CURRENT_PIXELS) for horizon in SETTINGS.horizons),
    }
    assert len(found) == len(expected) == readout_count(data, target, SETTINGS)
    assert set(found) == expected
    alone = SETTINGS._replace(budget=BUDGET._replace(seeds=(1, 2, 3)), horizons=(1,))
    assert readout_count(data, target, alone) == len(list(readouts(data, target, alone)))


@pytest.mark.parametrize("decoder", ["chunk", "token"])
def test_shuffled_targets_are_another_prompts_future_and_fitted_as_the_real_ones_are(
    store: FeatureStore, decoder: str
) -> None:
    """A probe of the shuffled values, by the controls' seed, says what the control says."""
    data, asked = data_of(store), SETTINGS._replace(decoder=decoder)  # type: ignore[arg-type]
    swapped = data._replace(values=data.values[shuffled_videos(data.prompts)])
    control = of_source(list(readouts(data, FRAME, asked)), SHUFFLED)
    alone = list(site_readouts(swapped, FRAME, asked._replace(budget=asked.control_budget), SITES[-1]))
    probe = of_source(alone, TRAINED)
    assert control.keys() == probe.keys()
    for place, values in control.items():
        np.testing.assert_allclose(values, probe[place], atol=1e-5)
    assert {read.site for read in alone} == {SITES[-1]}


@pytest.mark.parametrize("decoder", ["chunk", "token"])
def test_a_site_alone_is_read_as_among_all_others(store: FeatureStore, decoder: str) -> None:
    data, asked = data_of(store), SETTINGS._replace(decoder=decoder)  # type: ignore[arg-type]
    whole = [read for read in readouts(data, FRAME, asked) if (read.source, read.site) == (TRAINED, SITES[0])]
    alone = list(site_readouts(data, FRAME, asked, SITES[0]))
    assert [read[:4] for read in alone] == [read[:4] for read in whole]
    for one, other in zip(alone, whole, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    test = len(data.sides[2].videos)
    assert {read.values.shape for read in alone} == {(test, 8 * 8 * 3)}


def test_decoders_of_tokens_have_a_row_per_token_and_pictures_alone_have_them(store: FeatureStore) -> None:
    data = data_of(store)
    states, sides = store.states(SITES[0]), [len(side.videos) for side in data.sides]
    for by_token, rows in ((True, 4), (False, 1)):
        made, parts = inputs_of(data, states, SETTINGS, by_token)
        assert isinstance(made, InputMap)
        assert [len(part) for part in parts] == [rows * count for count in sides]
        goals = goals_of(data, FRAME, data.values, SETTINGS, by_token)
        assert goals.rows_per_chunk == rows
        assert goals.train.values.shape[:2] == (2, rows * sides[0])
        assert goals.validation.values.shape[:2] == (2, rows * sides[1])
    tokens = SETTINGS._replace(decoder="token")
    numbers = data_of(store, NUMBERS)
    for one, other in zip(
        readouts(numbers, NUMBERS, tokens), readouts(numbers, NUMBERS, SETTINGS._replace(decoder="chunk")), strict=True
    ):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("by_token", [False, True])
def test_inputs_are_scaled_by_the_training_states_alone(store: FeatureStore, by_token: bool) -> None:
    data, states = data_of(store), store.states(SITES[0]).astype(np.float32)
    _, validation, test = data.sides
    _, before = inputs_of(data, states, SETTINGS, by_token)
    changed = states.copy()
    for side in (validation, test):
        changed[side.videos, side.chunks] = 7 + 5 * changed[side.videos, side.chunks]
    made, after = inputs_of(data, changed, SETTINGS, by_token)
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    assert np.array_equal(after[1], made(changed[validation.videos, validation.chunks][:, None]))


def test_a_table_has_a_row_per_readout_video_and_metric_with_what_it_is_about(store: FeatureStore) -> None:
    data, kept = data_of(store), []
    depths = {site.block: site.block / 3 for site in SITES}
    table = judged("name", data, FRAME, SETTINGS, depths, kept.append)
    assert tuple(table.columns) == COLUMNS
    assert len(kept) == readout_count(data, FRAME, SETTINGS)
    test = data.sides[2]
    copy = table[(table.source == COPY) & (table.horizon == 2) & (table.metric_id == MSE.metric_id)]
    present, truth = ahead(data.values, test, 0), ahead(data.values, test, 2)
    for row in copy.itertuples():
        (video,) = (index for index, key in enumerate(store.keys) if key.prompt_id == row.prompt_id)
        own = (test.videos == video) & np.isfinite(truth).all(axis=1)
        assert own.sum() == CHUNKS - 2
        assert row.value == pytest.approx(float(np.square(present - truth)[own].mean()), rel=1e-5)
        assert row.motion == pytest.approx(float(motion_of(data.frames)[video]))
        assert (row.arm, row.target, row.probe_seed, row.sample) == ("name", "frame", 0, 0)
    assert copy.site.isna().all()
    assert set(copy.prompt_id) == {data.prompts[video] for video in test.videos}
    trained = table[table.source == TRAINED]
    assert dict(zip(trained.site, trained.depth, strict=True)) == {one.name: depths[one.block] for one in SITES}
    assert set(trained.probe_seed) == {3, 5}
    assert len(judged("name", data, FRAME, SETTINGS, depths)) == len(table)


def test_a_store_is_probed_on_the_split_of_the_settings_seed_with_depths_of_three_digits(store: FeatureStore) -> None:
    asked, kept = SETTINGS._replace(seed=4), []

    def keep(data: ArmData):  # type: ignore[no-untyped-def]
        kept.append(data)
        return lambda read: kept.append(read.source)

    table = probe_values("arm", store, asked, NUMBERS, keep)
    split = split_prompts([key.prompt_id for key in store.keys], 4)
    assert set(table.prompt_id) <= split.test
    assert set(table.depth.dropna()) == {0.333, 0.667}
    assert len(kept) == 1 + readout_count(kept[0], NUMBERS, asked)
    assert probe_values("arm", store, asked, NUMBERS).equals(table)
