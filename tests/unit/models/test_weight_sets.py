"""Several sets of weights in one place: the one that diffusers opens is read everywhere, or the choice is asked for."""

import json
import logging
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.loading import hash_checkpoint, load_transformer
from probekit.models.pipeline_folder import count_parameters, hash_denoisers
from probekit.models.transformer_source import open_transformer
from probekit.models.weight_files import read_weight_file
from probekit.models.weight_sets import chosen_set, hash_set, weight_sets
from probekit.provenance import sha256_text
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.weight_folders import (
    INDEX,
    STANDARD,
    marked,
    original_state,
    small_wan,
    write_index,
    write_shards,
)

NAME = "proj_out.weight"
OTHERS = ("ema.safetensors", "diffusion_pytorch_model.fp16.safetensors", "model.safetensors", "old.pt")


def probekit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


@pytest.fixture(scope="module")
def wan() -> WanTransformer3DModel:
    return small_wan()


def mark_of(folder: Path) -> float:
    """The number that fills the weights which are read from a folder."""
    return float(read_weight_file(folder).weights[NAME].flatten()[0])


@settings(max_examples=25)
@given(
    standard=st.sampled_from([(), (STANDARD,), (INDEX,), ("diffusion_pytorch_model.bin",), (STANDARD, INDEX)]),
    others=st.sets(st.sampled_from(OTHERS), max_size=3),
)
def test_what_is_read_is_what_diffusers_opens_or_the_choice_is_refused(
    tmp_path_factory: pytest.TempPathFactory, wan: WanTransformer3DModel, standard: tuple[str, ...], others: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("sets")
    wan.save_config(folder)
    for mark, name in enumerate([*standard, *sorted(others)], start=1):
        state = marked(wan.state_dict(), mark)
        if name == INDEX:
            write_index(folder / INDEX, write_shards(folder, state))
        elif name.endswith(".safetensors"):
            save_file(state, folder / name)
        else:
            torch.save(state, folder / name)
    if standard:
        opened = WanTransformer3DModel.from_pretrained(folder)
        assert mark_of(folder) == opened.proj_out.weight.flatten()[0].item()
        assert set(chosen_set(folder).unread) == {*standard, *others} - {chosen_set(folder).name}
    elif len(others) == 1:
        assert mark_of(folder) == 1.0
    else:
        with pytest.raises(UserError) as caught:
            chosen_set(folder)
        assert all(name in str(caught.value) for name in others)


def test_one_choice_for_sampling_inspecting_converting_and_hashing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = write_tiny_model(tmp_path / "model")
    plain, parameters = hash_checkpoint(model), count_parameters(model)
    own = load_transformer(model).state_dict()
    save_file(marked(own, 7.0), model / "transformer" / "ema.safetensors")
    with caplog.at_level(logging.WARNING, "probekit"):
        loaded = load_transformer(model).state_dict()
    assert "ema.safetensors (--weights)" in caplog.text
    assert all(torch.equal(loaded[name], own[name]) for name in own)
    assert hash_checkpoint(model) == hash_denoisers(model) == plain
    assert count_parameters(model) == parameters
    inspected = probekit("weights", "inspect", model).output
    assert f"files        {STANDARD}" in inspected
    assert "not ema.safetensors (--weights)" in inspected
    told = probekit("weights", "convert", model, tmp_path / "plain")
    assert "not ema.safetensors (--weights)" in told.output
    assert hash_checkpoint(tmp_path / "plain") == plain
    assert probekit("weights", "convert", model, tmp_path / "ema", "--weights", "ema.safetensors").exit_code == 0
    assert float(load_transformer(tmp_path / "ema").proj_out.bias[0]) == 7.0
    origin = json.loads((tmp_path / "ema" / "provenance.json").read_text())
    assert list(origin["source"]) == ["ema.safetensors"]


def test_the_hash_of_one_file_is_as_it_always_was(tmp_path: Path) -> None:
    """Cards of earlier runs stay comparable: SHA-256 over the files' SHA-256."""
    import hashlib

    (tmp_path / STANDARD).write_bytes(b"weights")
    assert hash_set(chosen_set(tmp_path)) == hashlib.sha256(bytes.fromhex(sha256_text("weights"))).hexdigest()


def test_converting_into_a_folder_leaves_no_other_weights_there(tmp_path: Path, wan: WanTransformer3DModel) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    wan.save_pretrained(source / "transformer")
    (out / "transformer").mkdir(parents=True)
    write_index(out / "transformer" / INDEX, write_shards(out / "transformer", marked(wan.state_dict(), 9.0)))
    assert probekit("weights", "convert", source, out).exit_code == 0
    assert [found.name for found in weight_sets(out / "transformer")] == [STANDARD]


def test_shards_are_read_whole_or_refused(tmp_path: Path, wan: WanTransformer3DModel) -> None:
    shards = write_shards(tmp_path, wan.state_dict())
    assert read_weight_file(tmp_path).weights.keys() == wan.state_dict().keys()  # without an index, but complete
    write_index(tmp_path / INDEX, shards)
    shards[1].rename(tmp_path / "elsewhere")
    for index in (True, False):
        if not index:
            (tmp_path / INDEX).unlink()
        with pytest.raises(UserError, match="lacks diffusion_pytorch_model-00002-of-00002"):
            read_weight_file(tmp_path)


def test_an_index_of_other_shards_is_refused(tmp_path: Path, wan: WanTransformer3DModel) -> None:
    shards = write_shards(tmp_path, wan.state_dict())
    write_index(tmp_path / INDEX, shards)
    index = json.loads((tmp_path / INDEX).read_text())
    del index["weight_map"][NAME]
    index["weight_map"]["blocks.9.norm2.bias"] = shards[0].name
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"not the index of its shards: blocks\.9\.norm2\.bias, proj_out\.weight"):
        read_weight_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"weight_map": {}}', '{"weight_map": {"a": "../b.safetensors"}}', '{"weight_map": {"a": 3}}',
     '{"weight_map": {"a": "config.json"}}', "", "version https://git-lfs.github.com/spec/v1\n"],
)  # fmt: skip
def test_a_damaged_index_is_named(tmp_path: Path, wan: WanTransformer3DModel, text: str) -> None:
    write_shards(tmp_path, wan.state_dict())
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(UserError, match=r"index\.json"):
        read_weight_file(tmp_path)


def test_models_of_one_file_are_told_apart(tmp_path: Path, wan: WanTransformer3DModel) -> None:
    """As nested dictionaries, or flat in a safetensors file; what is not read is said."""
    state = original_state(wan)
    save_file(
        {f"generator.model.{name}": value for name, value in state.items()}
        | {f"generator_ema.model.{name}": value + 1 for name, value in state.items()},
        tmp_path / "both.safetensors",
    )
    torch.save({"state_dict": state, "epoch": 3, "optimizer": {"state": {}}}, tmp_path / "lightning.pt")
    torch.save({"a": state, "b": state}, tmp_path / "unknown.pt")
    both = open_transformer(str(tmp_path / "both.safetensors"))
    assert (both.file.branch, both.file.branches) == ("generator", ("generator", "generator_ema"))
    assert "not generator_ema (--branch)" in both.file.left_out[0]
    averaged = open_transformer(str(tmp_path / "both.safetensors"), "generator_ema").file.weights[NAME]
    assert torch.equal(averaged, wan.state_dict()[NAME] + 1)
    assert open_transformer(str(tmp_path / "lightning.pt")).file.branch == "state_dict"
    with pytest.raises(UserError, match="branches a, b"):
        open_transformer(str(tmp_path / "unknown.pt"))


def test_an_option_that_has_nothing_to_choose_is_refused(tmp_path: Path, wan: WanTransformer3DModel) -> None:
    wan.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=f"has: {STANDARD}"):
        open_transformer(str(tmp_path), weights="ema.safetensors")
    with pytest.raises(UserError, match="one file"):
        open_transformer(str(tmp_path / STANDARD), weights=STANDARD)
