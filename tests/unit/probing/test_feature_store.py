"""Stores of states by hand: order of videos, choice of rows over shards, and what is refused."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from probekit.errors import UserError
from probekit.probing.feature_store import FeatureStore, is_finished, shard_path
from probekit.probing.probe_settings import TRAINED, UNTRAINED
from probekit.probing.sites import Site
from probekit.run_folder.sample_key import SampleKey
from tests.helpers.feature_stores import SITE, write_store

STATES = np.arange(7 * 2 * 1 * 1 * 3, dtype=np.float16).reshape(7, 2, 1, 1, 3)
FRAMES = np.arange(7 * 2 * 1 * 2 * 2 * 3, dtype=np.uint8).reshape(7, 2, 1, 2, 2, 3)
KEYS = [SampleKey("s", f"p{index // 2:03d}", index % 2) for index in range(7)]
"""Seven videos: four in the first shard, three in the second."""


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return write_store(tmp_path / "store", STATES, FRAMES, untrained=-STATES, samples=2)


def test_videos_keep_their_order_over_shards(store: FeatureStore) -> None:
    assert list(store.keys) == KEYS
    assert store.texts == tuple(f"the text of {key.prompt_id}" for key in KEYS)
    np.testing.assert_array_equal(store.states(SITE), STATES)
    np.testing.assert_array_equal(store.states(SITE, UNTRAINED), -STATES)
    np.testing.assert_array_equal(store.frames(), FRAMES)
    assert store.latents().shape == (7, 2, 2, 1, 1)
    assert store.sites == (SITE,)
    assert (store.card.dtype, store.card.axes) == ("float16", ("sample", "chunk", "frame", "token", "channel"))


@pytest.mark.parametrize(
    "rows", [[0], [3], [4], [6], [3, 4], [4, 3], [6, 0, 5, 1], [2, 2, 6, 2], [0, 1, 2, 3, 4, 5, 6]], ids=str
)
def test_chosen_rows_come_in_the_order_that_was_asked_for(store: FeatureStore, rows: list[int]) -> None:
    chosen = np.array(rows)
    np.testing.assert_array_equal(store.states(SITE, rows=chosen), STATES[chosen])
    np.testing.assert_array_equal(store.frames(chosen), FRAMES[chosen])
    assert store.latents(chosen).shape[0] == len(rows)


@pytest.mark.parametrize(("site", "source"), [(Site(0, 3), TRAINED), (SITE, "another"), (Site(0, 3), "another")])
def test_what_was_not_captured_is_refused_with_what_was(store: FeatureStore, site: Site, source: str) -> None:
    with pytest.raises(UserError, match=f"no {source} states of {site.name}") as refused:
        store.states(site, source)
    assert refused.value.fix == f"Choose of {SITE.name} and {TRAINED}, {UNTRAINED}."


def test_a_shard_is_finished_if_it_is_whole_and_holds_these_videos(
    store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_finished(store.folder, 0, KEYS[:4])
    assert is_finished(store.folder, 1, KEYS[4:])
    assert not is_finished(store.folder, 0, KEYS[4:])
    assert not is_finished(store.folder, 0, KEYS[:3])
    assert not is_finished(store.folder, 2, [])
    assert not caplog.records
    path = shard_path(store.folder, 0)
    path.write_bytes(path.read_bytes()[:-9])
    with caplog.at_level(logging.WARNING, logger="probekit"):
        assert not is_finished(store.folder, 0, KEYS[:4])
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("listed", [None, "no json", json.dumps([["s", "p", 0]]), json.dumps([["s", "p", "x", 5, 6]])])
def test_a_shard_without_its_list_of_videos_is_damaged(store: FeatureStore, listed: str | None) -> None:
    path = shard_path(store.folder, 1)
    save_file(load_file(path), path, None if listed is None else {"videos": listed})
    with pytest.raises(UserError, match=r"features-00001\.safetensors is damaged"):
        FeatureStore(store.folder)


def test_a_shard_without_the_array_is_damaged(store: FeatureStore) -> None:
    path = shard_path(store.folder, 1)
    arrays = load_file(path)
    videos = json.dumps([[key.suite, key.prompt_id, key.sample, "text"] for key in KEYS[4:]])
    save_file({name: array for name, array in arrays.items() if name != "frames"}, path, {"videos": videos})
    with pytest.raises(UserError, match=r"features-00001\.safetensors is damaged"):
        FeatureStore(store.folder).frames()


def test_an_empty_folder_and_a_card_without_shards_are_told_apart(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no store of states: it has no store\.json"):
        FeatureStore(tmp_path)
    for number in (0, 1):
        shard_path(store.folder, number).unlink()
    with pytest.raises(UserError, match="holds no states yet"):
        FeatureStore(store.folder)
