"""Any change to any file of a model opens, or is refused as a `UserError`; nothing else is raised."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from probekit.errors import UserError
from probekit.models.component_configs import codec_facts
from probekit.models.loading import hash_checkpoint, load_model
from probekit.models.pipeline_folder import count_parameters, is_foreign, refuse_pipeline_code
from probekit.models.transformer_folder import transformer_config
from probekit.models.transformer_source import open_transformer
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.weight_folders import INDEX, original_state, small_wan, write_index, write_shards

EXAMPLES = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
EXTREMES = st.sampled_from([0, -1, 1, 3, 7, 10**9, 10**18, 0.5, 1e300, "", "16", None, [], {}, True])
PARTS = (
    "transformer/config.json", "vae/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json",
    "tokenizer/tokenizer.json", "scheduler/scheduler_config.json", "model_index.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("sound") / "model")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Weight files of each kind, small enough to change in every way."""
    folder = tmp_path_factory.mktemp("files")
    state = original_state(small_wan(ffn_dim=16, text_dim=8, freq_dim=8))
    save_file(state, folder / "a.safetensors")
    torch.save({"generator": state}, folder / "zip.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def judged(way: Callable[[], object]) -> None:
    """Success or a `UserError` in one line; any other error fails the test."""
    said = ""
    try:
        way()
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 2000


def cut(content: bytes, at: float) -> bytes:
    return content[: int(len(content) * at)]


def overwritten(content: bytes, at: float, put: bytes) -> bytes:
    place = int(len(content) * at)
    return content[:place] + put + content[place + len(put) :]


@EXAMPLES
@given(
    name=st.sampled_from(["a.safetensors", "zip.pt", "old.pt"]),
    at=st.one_of(st.floats(0, 1), st.floats(0, 0.02), st.floats(0.98, 1)),
    put=st.binary(max_size=12),
    shorten=st.booleans(),
)
def test_any_damage_to_a_weight_file_is_named(
    tmp_path: Path, sound: dict[str, bytes], name: str, at: float, put: bytes, shorten: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(cut(sound[name], at) + put if shorten else overwritten(sound[name], at, put))
    judged(lambda: open_transformer(str(path)))


@EXAMPLES
@given(content=st.binary(max_size=200), name=st.sampled_from(["x.safetensors", "x.pt", "x.bin"]))
@example(b"\x80\x02.", "x.pt")
@example(b"PK\x03\x04", "x.pt")
@example(b"\xff" * 8 + b"{}", "x.safetensors")
def test_any_bytes_are_weights_or_a_named_mistake(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    judged(lambda: open_transformer(str(tmp_path / name)))


@EXAMPLES
@given(header=st.dictionaries(st.sampled_from(["a", "__metadata__", "patch_embedding.weight"]), JSON, max_size=3))
def test_any_header_of_safetensors_is_read_or_named(tmp_path: Path, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    judged(lambda: open_transformer(str(tmp_path / "x.safetensors")))


@EXAMPLES
@given(
    index=st.one_of(
        JSON,
        st.fixed_dictionaries({"weight_map": st.one_of(JSON, st.dictionaries(st.text(max_size=5), JSON, max_size=3))}),
        st.fixed_dictionaries({"weight_map": st.dictionaries(st.text(max_size=5), st.text(max_size=12), max_size=3)}),
    )
)
def test_any_index_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, index: object) -> None:
    folder = tmp_path_factory.mktemp("index")
    write_index(folder / INDEX, write_shards(folder, original_state(small_wan())))
    (folder / INDEX).write_text(json.dumps(index))
    judged(lambda: open_transformer(str(folder)))


@pytest.mark.long
@EXAMPLES
@given(part=st.sampled_from(PARTS), key=st.integers(0, 200), value=st.one_of(EXTREMES, JSON), remove=st.booleans())
def test_any_value_of_any_configuration_is_taken_or_named(
    tmp_path_factory: pytest.TempPathFactory, model: Path, part: str, key: int, value: object, remove: bool
) -> None:
    folder = copied(model, tmp_path_factory.mktemp("value"))
    document = json.loads((folder / part).read_text())
    keys = sorted(document)
    chosen = keys[key % len(keys)]
    if remove:
        del document[chosen]
    else:
        document[chosen] = value
    (folder / part).write_text(json.dumps(document))
    every_way(folder)


@pytest.mark.long
@EXAMPLES
@given(
    part=st.sampled_from(PARTS),
    content=st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())),
)
@example("transformer/config.json", b"[" * 100_000)
@example("transformer/config.json", b'{"num_layers": ' + b"9" * 5000 + b"}")
@example("vae/config.json", b"\xff\xfe{\x00}\x00")
@example("model_index.json", b"")
def test_any_content_of_any_configuration_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, model: Path, part: str, content: bytes
) -> None:
    folder = copied(model, tmp_path_factory.mktemp("content"))
    (folder / part).write_bytes(content)
    every_way(folder)


def copied(model: Path, root: Path) -> Path:
    """The folder with links to the weights, which stay as they are."""
    folder = root / "model"
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    for weights in model.rglob("*.safetensors"):
        (folder / weights.relative_to(model)).symlink_to(weights)
    return folder


def every_way(folder: Path) -> None:
    for way in (is_foreign, refuse_pipeline_code, codec_facts, transformer_config, hash_checkpoint, count_parameters):
        judged(lambda way=way: way(folder))  # type: ignore[misc]
    judged(lambda: load_model(folder))
    judged(lambda: open_transformer(str(folder)))


@pytest.mark.parametrize("name", ["generator", "model", "state_dict", "critic"])
def test_a_branch_of_odd_things_is_named(tmp_path: Path, name: str) -> None:
    odd: tuple[object, ...] = (
        {}, {"a": 1}, {1: torch.ones(1)}, {"a": torch.ones(1).to_sparse()}, {"a": torch.ones(2, device="meta")},
        {"a": torch.ones(1, dtype=torch.complex64)}, {"a": torch.ones(1, dtype=torch.bool)}, torch.ones(1), [1], None,
        {"blocks.999999999.x": torch.ones(1), "patch_embedding.weight": torch.ones(1, 1, 1, 1, 1)},
    )  # fmt: skip
    for value in odd:
        torch.save({name: value}, tmp_path / "odd.pt")
        with pytest.raises(UserError):
            open_transformer(str(tmp_path / "odd.pt"))


@pytest.mark.parametrize("stated", ["", "many", 0, -1])
def test_a_tokenizer_that_takes_no_tokens_is_named(model: Path, tmp_path: Path, stated: object) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    config = folder / "tokenizer" / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": stated}))
    with pytest.raises(UserError, match=r"tokenizer_config\.json: model_max_length = .* is no number of tokens"):
        load_model(folder)
