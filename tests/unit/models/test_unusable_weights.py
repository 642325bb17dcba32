"""What is no text-to-video Wan is named for what it is, wherever a model is opened; some files only look unusual."""

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from probekit.errors import UserError
from probekit.models.loading import load_model, load_transformer
from probekit.models.saving import complete_model_folder
from probekit.models.transformer_source import open_transformer
from probekit.models.weight_names import to_original
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.weight_folders import POINTER, original_state, safetensors_header, small_wan, two_experts

Write = Callable[[Path, dict[str, Tensor]], object]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return original_state(small_wan())


def lora(path: Path, state: dict[str, Tensor]) -> None:
    names = [f"diffusion_model.blocks.0.self_attn.{part}.lora_{side}.weight" for part in "qkvo" for side in "AB"]
    save_file({name: torch.zeros(4, 4) for name in names}, path)


def scaled(path: Path, state: dict[str, Tensor]) -> None:
    small = {name: value.to(torch.float8_e4m3fn) for name, value in state.items()}
    scales = {f"{name.removesuffix('.weight')}.scale_weight": torch.ones(()) for name in state if "ffn" in name}
    save_file(small | scales | {"scaled_fp8": torch.zeros(2)}, path)


def archive(path: Path, state: dict[str, Tensor]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights/model.safetensors", "")


def expanded(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state | {"head.head.weight": torch.zeros(1).expand(10**6, 10**6)}, path)


def cut(path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, path)
    path.write_bytes(path.read_bytes()[:-100])


UNUSABLE: dict[str, tuple[Write, str]] = {
    "pointer.safetensors": (lambda path, state: path.write_text(POINTER), "Git LFS pointer.*git lfs pull"),
    "pointer.pt": (lambda path, state: path.write_text(POINTER), "Git LFS pointer"),
    "page.pt": (lambda path, state: path.write_text("<!DOCTYPE html><html>403</html>"), "web page in HTML"),
    "page.safetensors": (lambda path, state: path.write_text("\n<HTML><body>Sign in"), "web page in HTML"),
    "answer.safetensors": (lambda path, state: path.write_text("Entry not found"), "message of a failed download"),
    "text.pt": (lambda path, state: path.write_text("see the other folder"), "text that begins 'see the other"),
    "model.gguf": (lambda path, state: path.write_bytes(b"GGUF" + bytes(200)), "GGUF file"),
    "gguf.safetensors": (lambda path, state: path.write_bytes(b"GGUF" + bytes(200)), "GGUF file"),
    "empty.pt": (lambda path, state: path.write_bytes(b""), "is empty"),
    "zeros.safetensors": (lambda path, state: path.write_bytes(bytes(5000)), "nothing but zeros"),
    "weights.zip": (archive, "ZIP archive that torch.save did not write .weights/model.safetensors"),
    "array.pt": (lambda path, state: np.save(path.open("wb"), np.zeros(3)), "NumPy array"),
    "lora.safetensors": (lora, "LoRA or another adapter.*lora_A.*Merge it"),
    "scaled.safetensors": (scaled, "scaled fp8.*scale_weight.*bf16"),
    "integers.pt": (
        lambda path, state: torch.save({name: value.to(torch.int8) for name, value in state.items()}, path),
        "quantised weights",
    ),
    "bnb.safetensors": (
        lambda path, state: save_file(state | {"blocks.0.ffn.0.weight.absmax": torch.ones(3)}, path),
        "quantised weights .*absmax",
    ),
    "text-encoder.safetensors": (
        lambda path, state: save_file({"shared.weight": torch.ones(2, 2), "encoder.block.0.x": torch.ones(1)}, path),
        "a text encoder, not a Wan transformer: .*shared.weight",
    ),
    "vae.safetensors": (
        lambda path, state: save_file({"decoder.conv1.weight": torch.ones(2), "encoder.x": torch.ones(1)}, path),
        "video codec",
    ),
    "prefix.safetensors": (
        lambda path, state: save_file({f"pipe.dit.{name}": value for name, value in state.items()}, path),
        "begins with 'pipe.dit.', a prefix that is not known",
    ),
    "other.pt": (lambda path, state: torch.save({"x": torch.ones(1)}, path), "Wan transformer: x"),
    "notes.pt": (lambda path, state: torch.save({"epoch": 3}, path), "named tensors alone; it holds epoch"),
    "list.pt": (lambda path, state: torch.save([torch.ones(1)], path), "holds a list"),
    "expanded.pt": (expanded, r"head\.head\.weight is no plain tensor of \(1000000, 1000000\)"),
    "cut.safetensors": (cut, "damaged or cut"),
    "header.safetensors": (
        lambda path, state: path.write_bytes(safetensors_header({"a" * 50: {}})[:30]), "ends within its own header"
    ),
    "declared.safetensors": (
        lambda path, state: path.write_bytes(
            safetensors_header({"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}, b"1234")
        ),
        "damaged or cut",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_is_named_for_what_it_is(tmp_path: Path, state: dict[str, Tensor], name: str) -> None:
    write, said = UNUSABLE[name]
    write(tmp_path / name, state)
    with pytest.raises(UserError, match=f"(?s){said}") as caught:
        open_transformer(str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("name", ["pointer.safetensors", "page.safetensors", "zeros.safetensors", "cut.safetensors"])
def test_every_way_into_a_model_folder_says_the_same(tmp_path: Path, state: dict[str, Tensor], name: str) -> None:
    model = write_tiny_model(tmp_path / "model")
    for part, file in (("vae", "diffusion_pytorch_model"), ("transformer", "diffusion_pytorch_model")):
        write, said = UNUSABLE[name]
        write(model / part / f"{file}.safetensors", state)
        with pytest.raises(UserError, match=f"(?s){said}"):
            load_model(model)
    (model / "text_encoder" / "model.safetensors").write_text(POINTER)
    with pytest.raises(UserError, match="Git LFS pointer"):
        load_model(write_again(model))


def write_again(model: Path) -> Path:
    """The folder with sound weights but for the text encoder's."""
    pointer = (model / "text_encoder" / "model.safetensors").read_text()
    write_tiny_model(model)
    (model / "text_encoder" / "model.safetensors").write_text(pointer)
    return model


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "diffusion_model.", "module.", ""])
@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_comfyuis_prefix_and_old_files_are_read(
    tmp_path: Path, state: dict[str, Tensor], prefix: str, layout: str
) -> None:
    wan = small_wan().state_dict()
    named = state if layout == "original" else wan
    save_file({prefix + name: value for name, value in named.items()}, tmp_path / "new.safetensors")
    torch.save({prefix + name: value for name, value in named.items()}, tmp_path / "old.pt", 
               _use_new_zipfile_serialization=False)  # fmt: skip
    (tmp_path / "misnamed.pt").write_bytes((tmp_path / "new.safetensors").read_bytes())
    (tmp_path / "misnamed.safetensors").write_bytes((tmp_path / "old.pt").read_bytes())
    for path in tmp_path.iterdir():
        opened = open_transformer(str(path))
        assert all(torch.equal(opened.file.weights[name], wan[name]) for name in wan)
        assert opened.file.layout == layout


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


@pytest.mark.parametrize("zipped", [True, False])
def test_old_files_run_no_code_either(tmp_path: Path, capsys: pytest.CaptureFixture[str], zipped: bool) -> None:
    torch.save({"a": torch.ones(1), "b": Dangerous()}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"could run code: .*print") as caught:
        open_transformer(str(tmp_path / "x.pt"))
    assert "\x1b" not in str(caught.value)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["diffusers", "original", "index alone"])
def test_half_of_a_model_is_never_taken_for_the_whole(
    tmp_path: Path, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = two_experts(tmp_path / "A14B", layout)
    second = "low_noise_model" if layout == "original" else "transformer_2"
    ways: list[Callable[[], object]] = [lambda: open_transformer(str(folder))]
    if layout != "original":
        ways.append(lambda: load_transformer(folder))
    for way in ways:
        with pytest.raises(UserError, match=f"two experts, .* and {second}"):
            way()
    if layout != "index alone":
        with caplog.at_level(logging.WARNING, "probekit"):
            open_transformer(str(folder / second))
        assert "one of the two experts" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"in_channels": 36, "image_dim": 24, "added_kv_proj_dim": 128}, "36 input channels for 16 .*image_dim 24"),
        ({"in_channels": 36}, "36 input channels for 16"),
        ({"image_dim": 24, "added_kv_proj_dim": 128}, "image_dim 24"),
        ({"pos_embed_seq_len": 514, "image_dim": 24, "added_kv_proj_dim": 128}, "pos_embed_seq_len 514"),
    ],
)
def test_an_image_to_video_model_is_no_student(tmp_path: Path, changes: dict[str, int], said: str) -> None:
    model = small_wan(**changes)
    model.save_pretrained(tmp_path / "I2V" / "transformer")
    with pytest.raises(UserError, match=f"image-to-video or control.*{said}"):
        open_transformer(str(tmp_path / "I2V"))
    with pytest.raises(UserError, match=f"image-to-video or control.*{said}"):
        load_transformer(tmp_path / "I2V")


def test_an_image_to_video_file_is_no_student(tmp_path: Path) -> None:
    state = small_wan(in_channels=36).state_dict()
    save_file({str(to_original(name)): value for name, value in state.items()}, tmp_path / "i2v.safetensors")
    with pytest.raises(UserError, match="36 input channels for 16"):
        open_transformer(str(tmp_path / "i2v.safetensors"))


def test_parts_of_another_model_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    small_wan(in_channels=48, out_channels=48, text_dim=64).save_pretrained(tmp_path / "wide" / "transformer")
    complete_model_folder(tmp_path / "wide", model, 3.0)
    with pytest.raises(UserError, match=r"latents of 48 channels, the codec in .* has 16"):
        load_model(tmp_path / "wide")
    small_wan(text_dim=4096).save_pretrained(tmp_path / "text" / "transformer")
    complete_model_folder(tmp_path / "text", model, 3.0)
    with pytest.raises(UserError, match=r"texts of width 4096, the encoder in .* has 64"):
        load_model(tmp_path / "text")


def test_opened_weights_are_bit_for_bit_those_of_diffusers(tmp_path: Path) -> None:
    """Number formats too: norms, time embedding and tables stay in fp32, as diffusers keeps them."""
    model = write_tiny_model(tmp_path / "model")
    for dtype in (torch.float32, torch.bfloat16):
        ours = load_transformer(model, dtype)
        theirs = WanTransformer3DModel.from_pretrained(model / "transformer", torch_dtype=dtype)
        stated = {key: value for key, value in theirs.config.items() if not key.startswith("_")}
        assert dict(ours.config) == stated | {"patch_size": tuple(stated["patch_size"])}
        for (name, one), (other_name, other) in zip(
            [*ours.named_parameters(), *ours.named_buffers()],
            [*theirs.named_parameters(), *theirs.named_buffers()],
            strict=True,
        ):
            assert name == other_name
            assert one.dtype == other.dtype
            assert torch.equal(one, other)
