"""Futures of a state by hand: which readouts, which frames, which numbers; and what settings are refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.models.causal_card import write_causal_card
from probekit.probing import future_experiment
from probekit.probing.future_distances import future_distances
from probekit.probing.future_experiment import (
    COLUMNS,
    FutureSettings,
    StateFutures,
    held_out_readouts,
    state_futures,
    state_values,
    values_table,
)
from probekit.probing.futures import forked_videos
from probekit.probing.probe_experiment import ArmData, Readout, arm_data, site_readouts
from probekit.probing.probe_settings import DecoderBudget, ProbeSettings
from probekit.probing.sites import Site
from probekit.probing.splits import split_prompts
from probekit.probing.targets import FRAME, ProbeTarget, pixels_of
from probekit.probing.world_calibration import field_shares
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.rollout.world_sampler import WorldSampler
from probekit.run_folder.sample_key import SampleKey
from probekit.sprite_world.captions import parse_caption
from probekit.suites.registry import load_suite
from tests.helpers.feature_stores import write_store
from tests.helpers.model_folders import CARDS, write_tiny_model

SUITE = load_suite("sprite-5s").reduced(2, 1)._replace(frames=33)
BUDGET = DecoderBudget(
    width=4, steps=2, validate_every=1, batch=8, learning_rates=(3e-3,), seeds=(3, 5, 7), components=4
)
PROBES = ProbeSettings(horizons=(1, 2), budget=BUDGET, perceptual=False)
ENDS = (8, 20, 32)


def request(prompt: str, name: str = "p") -> Request:
    return Request(SampleKey("s", name, 0), prompt)


def test_by_default_32_futures_fork_after_the_third_chunk_and_no_network_judges() -> None:
    settings = FutureSettings()
    assert (settings.chunk, settings.futures, settings.states, settings.seed) == (2, 32, None, 0)
    assert not settings.probes.perceptual


def test_settings_are_refused_exactly_where_a_video_has_no_room_or_there_is_no_spread() -> None:
    asked = FutureSettings(chunk=2, futures=2, probes=PROBES)
    asked.check(5)
    with pytest.raises(UserError, match="A video of 4 chunks ends before chunk 4"):
        asked.check(4)
    with pytest.raises(UserError, match="1 futures have no spread"):
        asked._replace(futures=1).check(5)
    with pytest.raises(UserError, match="horizon 0, has no futures"):
        asked._replace(probes=PROBES._replace(horizons=(2, 0))).check(5)


def test_readouts_are_the_middle_sites_first_seeds_in_the_fork_of_each_held_out_prompts_first_video(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    states, frames = rng.normal(size=(20, 4, 1, 1, 6)), rng.integers(0, 255, (20, 4, 1, 4, 6, 3)).astype(np.uint8)
    sites = tuple(Site(block, 3) for block in range(3))
    store = write_store(tmp_path, states, frames, samples=2, sites=sites)
    split = split_prompts([key.prompt_id for key in store.keys])
    found = held_out_readouts(store, split, FutureSettings(chunk=1, probes=PROBES))
    assert list(found) == sorted(split.test)
    data = arm_data(store, FRAME, split)
    test = data.sides[2]
    for read in site_readouts(data, FRAME, PROBES, sites[1]):
        if read.seed != 3:
            continue
        for prompt, own in found.items():
            first = [key.prompt_id for key in store.keys].index(prompt)
            (row,) = np.flatnonzero((test.videos == first) & (test.chunks == 1))
            np.testing.assert_array_equal(own[read.horizon], pixels_of(read.values[row], 4, 6))
    assert {tuple(own) for own in found.values()} == {(1, 2)}
    assert {one.shape for own in found.values() for one in own.values()} == {(4, 6, 3)}


def test_of_many_sites_the_middle_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an even number the later of the two."""
    rng, asked = np.random.default_rng(1), []
    states, frames = rng.normal(size=(10, 4, 1, 1, 6)), rng.integers(0, 255, (10, 4, 1, 4, 4, 3)).astype(np.uint8)

    def read(data: ArmData, target: ProbeTarget, settings: ProbeSettings, site: Site) -> Iterator[Readout]:
        asked.append(site.block)
        return site_readouts(data, target, settings, site)

    monkeypatch.setattr(future_experiment, "site_readouts", read)
    for count in (2, 3, 6):
        sites = tuple(Site(block, 3) for block in range(count))
        store = write_store(tmp_path / str(count), states, frames, sites=sites)
        split = split_prompts([key.prompt_id for key in store.keys])
        held_out_readouts(store, split, FutureSettings(chunk=1, probes=PROBES))
    assert asked == [1, 1, 3]


def test_a_states_futures_are_forked_videos_and_a_horizon_is_the_last_frame_of_its_chunk(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "student")
    write_causal_card(folder, CARDS["student"])
    sampler = StreamingSampler(folder, SUITE)
    asked = [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()]
    pictures = {one.key.prompt_id: {1: np.full((32, 32, 3), index, np.uint8)} for index, one in enumerate(asked)}
    settings = FutureSettings(chunk=0, futures=3, seed=2, probes=PROBES)
    found = list(state_futures(sampler, asked, pictures, settings))
    assert [state.request for state in found] == asked
    for index, state in enumerate(found):
        assert (state.ends, state.chunk, state.step) == (ENDS, 0, 4)
        np.testing.assert_array_equal(state.videos, forked_videos(sampler, asked[index], 0, 2, 3, 2))
        np.testing.assert_array_equal(state.at(1), state.videos[:, 20])
        np.testing.assert_array_equal(state.at(2), state.videos[:, 32])
        assert (state.readouts[1] == index).all()


def made_up(prompt: str, size: tuple[int, int] = (32, 32), futures: int = 4) -> StateFutures:
    """Futures of noise."""
    rng = np.random.default_rng(3)
    videos = rng.integers(0, 256, (futures, 33, *size, 3)).astype(np.uint8)
    readouts = {horizon: rng.integers(0, 256, (*size, 3)).astype(np.uint8) for horizon in (1, 2)}
    return StateFutures(request(prompt), videos, ENDS, 0, readouts, 4)


@pytest.mark.parametrize(
    ("prompt", "size"),
    [("a cat", (32, 32)), ("a small red circle north heading east over the night in the open", (16, 32))],
)
def test_rows_hold_the_distances_of_a_horizons_pictures_in_intensities_from_0_to_1(
    prompt: str, size: tuple[int, int]
) -> None:
    """Nothing is known of the world for another world's prompt, nor for pictures that are not its own."""
    state = made_up(prompt, size)
    table = values_table(state_values("arm", state, (2, 1)))
    assert tuple(table.columns) == COLUMNS
    assert table.horizon.tolist() == [2, 1]
    for row in table.itertuples():
        pictures = state.videos[:, ENDS[row.horizon]].reshape(4, -1).astype(np.float64) / 255
        expected = future_distances(state.readouts[row.horizon].ravel().astype(np.float64) / 255, pictures)
        for name, value in expected._asdict().items():
            assert np.allclose(getattr(row, name), value), name
        assert (row.arm, row.prompt_id, row.futures) == ("arm", "p", 4)
        assert isinstance(row.places, list)
        assert row.world is None
        assert row.shares is None
        assert np.isnan(row.variation)


def test_where_the_world_can_be_read_its_own_distribution_stands_beside_the_futures() -> None:
    suite = load_suite("sprite-5s").reduced(20, 1)._replace(frames=33)
    texts = zip(suite.keys(), suite.generation_texts().values(), strict=True)
    asked = next(Request(key, text) for key, text in texts if len(parse_caption(text).sprites) == 1)
    (video,) = WorldSampler(suite).generate([asked])
    state = made_up(asked.prompt)._replace(videos=np.stack([video] * 3))
    found = state_values("arm", state, (2, 1))
    futures = np.stack([state.videos[:, 32], state.videos[:, 20]], axis=1)
    known = field_shares(video[[4, 8]], futures, parse_caption(asked.prompt), [24, 12], 4)
    assert known is not None
    for row, shares in zip(found, known, strict=True):
        assert row[-4:] == (list(shares.world), list(shares.futures), shares.total_variation, shares.by_chance)
