"""Decoders that are kept read what the probe read, and nobody else's states."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from probekit.errors import UserError
from probekit.probing import head_fitting
from probekit.probing.decoders import fit_decoders
from probekit.probing.head_fitting import fit_head, keep_head
from probekit.probing.probe_experiment import ArmData, arm_data, goals_of, site_readouts
from probekit.probing.probe_settings import DecoderBudget, ProbeSettings
from probekit.probing.readout_heads import ReadoutHead, find_head, head_path, read_head
from probekit.probing.sites import Site
from probekit.probing.splits import split_prompts
from probekit.probing.targets import COLOR, FRAME, ProbeTarget
from tests.helpers.feature_stores import SITE, counting_frames, write_store

BUDGET = DecoderBudget(width=16, steps=60, validate_every=20, batch=32, learning_rates=(3e-3,), components=6)


def data_of(folder: Path, target: ProbeTarget = FRAME) -> ArmData:
    rng = np.random.default_rng(0)
    levels = rng.uniform(0, 255, (30, 4))
    states = rng.normal(size=(30, 4, 2, 1, 6))
    states[:, :-1, 0, 0, 0] = (levels[:, 1:] - 127) / 60
    store = write_store(folder, states, np.repeat(counting_frames(levels), 2, axis=2))
    return arm_data(store, target, split_prompts([key.prompt_id for key in store.keys]))


def settings(decoder: str) -> ProbeSettings:
    return ProbeSettings(horizons=(1, 2), budget=BUDGET, perceptual=False, decoder=decoder)  # type: ignore[arg-type]


@pytest.mark.parametrize("decoder", ["token", "chunk"])
def test_a_kept_head_reads_what_the_probe_of_the_first_seed_read(tmp_path: Path, decoder: str) -> None:
    data = data_of(tmp_path / "store")
    fit_head(data, FRAME, settings(decoder), SITE).save(head_path(tmp_path, "frame"), "abc")
    head = read_head(head_path(tmp_path, "frame"), "abc")
    test = data.sides[2]
    found = head.read(data.store.states(SITE, "trained")[test.videos, test.chunks][:, None])
    first = {
        read.horizon: read.values for read in site_readouts(data, FRAME, settings(decoder), SITE) if read.seed == 0
    }
    assert head.site == SITE
    assert set(found) == set(first) == {1, 2}
    for horizon, values in first.items():
        np.testing.assert_allclose(found[horizon], values, atol=2e-5)
    assert np.abs(found[1] - found[2]).max() > 0.01


def test_what_is_read_back_is_what_was_written_bit_for_bit(tmp_path: Path) -> None:
    head = fit_head(data_of(tmp_path / "store"), FRAME, settings("chunk"), SITE)
    head.save(tmp_path / "one.safetensors", None)
    read_head(tmp_path / "one.safetensors", None).save(tmp_path / "two.safetensors", None)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_a_head_of_other_weights_a_damaged_one_and_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    fit_head(data_of(tmp_path / "store"), FRAME, settings("token"), SITE).save(path, "a" * 64)
    with pytest.raises(UserError, match=r"states of the weights aaaaaaaaaaaa, not of bbbbbbbbbbbb\."):
        read_head(path, "b" * 64)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no readout head"):
        read_head(path, "a" * 64)
    path.write_bytes(whole)
    tensors = load_file(path)
    save_file(tensors, tmp_path / "bare.safetensors")
    with pytest.raises(UserError, match="the facts in"):
        read_head(tmp_path / "bare.safetensors", None)
    with pytest.raises(UserError, match="no readout head"):
        read_head(tmp_path / "none.safetensors", None)


def test_classes_have_no_head(tmp_path: Path) -> None:
    target = COLOR._replace(values=lambda data: np.zeros((*data.frames.shape[:2], 1), np.float32))
    with pytest.raises(ValueError, match="pictures or numbers"):
        fit_head(data_of(tmp_path, target), target, settings("chunk"), SITE)


def test_a_head_is_made_of_one_decoder_per_horizon(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    head = fit_head(data, FRAME, settings("chunk"), SITE)
    assert isinstance(head, ReadoutHead)
    assert len(head.stack.weights[0]) == len(head.horizons) == 2
    goals = goals_of(data, FRAME, data.values, settings("chunk"), False)
    assert ReadoutHead.of(SITE, (1, 2), head.inputs, head.stack, goals).horizons == (1, 2)
    for horizons in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match="one decoder per horizon"):
            ReadoutHead.of(SITE, horizons, head.inputs, head.stack, goals)


def test_a_head_that_was_just_fitted_reads_without_a_graph(tmp_path: Path) -> None:
    head = fit_head(data_of(tmp_path), FRAME, settings("chunk"), SITE)
    head.stack.requires_grad_(True)
    states = np.random.default_rng(1).normal(size=(2, 3, 2, 1, 6)).astype(np.float32)
    assert {horizon: values.shape[0] for horizon, values in head.read(states).items()} == {1: 6, 2: 6}


@pytest.mark.parametrize(
    ("field", "value", "problem"), [("horizons", [], "horizons"), ("goal_spread", 0, "goal_spread")]
)
def test_a_head_that_states_no_horizon_or_no_spread_is_refused(
    tmp_path: Path, field: str, value: object, problem: str
) -> None:
    path = tmp_path / "head.safetensors"
    fit_head(data_of(tmp_path / "store"), FRAME, settings("chunk"), SITE).save(path, None)
    with safe_open(path, "pt") as file:
        stated = json.loads(file.metadata()["probekit"])
    save_file(load_file(path), path, metadata={"probekit": json.dumps({**stated, field: value})})
    with pytest.raises(UserError, match=problem):
        read_head(path, None)


def test_a_head_of_goals_that_hardly_vary_is_kept(tmp_path: Path) -> None:
    """Pictures of nearly one grey: the spread of the goals is far below 1."""
    head = fit_head(data_of(tmp_path / "store"), FRAME, settings("chunk"), SITE)
    narrow = head._replace(space=head.space._replace(spread=0.01), horizons=(1,))
    narrow.save(tmp_path / "head.safetensors", None)
    found = read_head(tmp_path / "head.safetensors", None)
    assert (found.space.spread, found.horizons) == (0.01, (1,))


def test_a_token_head_takes_as_many_rows_a_step_as_so_many_chunks_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four tokens, a step of 32 chunks is one of 128 rows."""
    rng = np.random.default_rng(2)
    frames = counting_frames(rng.uniform(0, 255, (30, 4)))
    store = write_store(tmp_path, rng.normal(size=(30, 4, 1, 4, 6)), frames, grid=(2, 2))
    data, asked = arm_data(store, FRAME, split_prompts([key.prompt_id for key in store.keys])), []

    def fitted(*given: Any) -> Any:
        asked.append(given[-1].batch)
        return fit_decoders(*given)

    monkeypatch.setattr(head_fitting, "fit_decoders", fitted)
    for decoder in ("token", "chunk"):
        fit_head(data, FRAME, settings(decoder), SITE)
    assert asked == [4 * 32, 32]


def test_of_many_sites_the_middle_ones_head_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an even number the later of the two."""
    rng, asked = np.random.default_rng(3), []
    states, frames = rng.normal(size=(30, 4, 1, 1, 6)), counting_frames(rng.uniform(0, 255, (30, 4)))

    def fitted(data: ArmData, target: ProbeTarget, given: ProbeSettings, site: Site) -> ReadoutHead:
        asked.append(site.block)
        return fit_head(data, target, given, site)

    monkeypatch.setattr(head_fitting, "fit_head", fitted)
    for count in (2, 3, 6):
        store = write_store(tmp_path / str(count), states, frames, sites=tuple(Site(i, 3) for i in range(count)))
        keep_head(store, settings("chunk"), FRAME)
    assert asked == [1, 1, 3]


def test_a_head_is_found_by_the_weights_whose_states_it_reads(tmp_path: Path) -> None:
    head = fit_head(data_of(tmp_path / "states"), FRAME, settings("chunk"), SITE)
    for store, weights in (("a", "one"), ("b", "two"), ("c", "two")):
        head.save(head_path(tmp_path / "probe" / store, "frame"), weights)
    assert find_head(tmp_path / "probe", "frame", "two") == head_path(tmp_path / "probe" / "b", "frame")
    assert find_head(tmp_path / "probe", "frame", "one") == head_path(tmp_path / "probe" / "a", "frame")
    assert find_head(tmp_path / "probe", "frame", "three") is None
    assert find_head(tmp_path / "probe", "latent", "one") is None
    assert find_head(tmp_path / "absent", "frame", "one") is None


def test_a_head_without_one_of_its_parts_is_refused_by_the_parts_name(tmp_path: Path) -> None:
    whole = tmp_path / "head.safetensors"
    fit_head(data_of(tmp_path / "store"), FRAME, settings("chunk"), SITE).save(whole, None)
    with safe_open(whole, "pt") as file:
        stated = file.metadata()
    for lost in ("mean", "spread", "goal_mean", "w0", "b2"):
        tensors = {name: tensor for name, tensor in load_file(whole).items() if name != lost}
        save_file(tensors, tmp_path / "short.safetensors", metadata=stated)
        with pytest.raises(UserError, match=f"lacks {lost}"):
            read_head(tmp_path / "short.safetensors", None)


def test_a_kept_head_is_of_the_middle_site_and_fitted_again_only_if_it_would_differ(tmp_path: Path) -> None:
    store = data_of(tmp_path / "store").store
    path = head_path(store.folder, "frame")

    def kept(asked: ProbeSettings) -> int:
        keep_head(store, asked, FRAME)
        return path.stat().st_mtime_ns

    first = kept(settings("chunk"))
    assert read_head(path, store.card.generation.checkpoint_hash).site == store.sites[len(store.sites) // 2]
    assert kept(settings("chunk")) == first
    second = kept(settings("chunk")._replace(horizons=(1,)))
    assert second > first
    assert read_head(path, store.card.generation.checkpoint_hash).horizons == (1,)
    path.unlink()
    assert kept(settings("chunk")._replace(horizons=(1,))) > second
