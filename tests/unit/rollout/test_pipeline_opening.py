"""A pipeline's folder: what it is comes before what it weighs, and no code of it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline, LTXPipeline, WanPipeline

from probekit.errors import UserError
from probekit.rollout import pipeline_opening
from probekit.rollout.pipeline_opening import open_pipeline, pipeline_kind, wan_stride
from tests.helpers.pipeline_folders import write_pipeline


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {name: write_pipeline(root / name, name) for name in ("WanPipeline", "LTXPipeline")}


def named(folder: Path, name: str) -> Path:
    """A folder that has nothing but the name of its pipeline."""
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name}))
    return folder


def test_a_folders_kind_is_the_class_that_it_names_and_needs_no_weights(tmp_path: Path) -> None:
    assert pipeline_kind(named(tmp_path / "wan", "WanPipeline")) is WanPipeline
    assert pipeline_kind(named(tmp_path / "ltx", "LTXPipeline")) is LTXPipeline


@pytest.mark.parametrize("name", ["NoSuchPipeline", "WanTransformer3DModel", "DiffusionPipeline", "__version__"])
def test_what_is_no_pipeline_of_diffusers_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """A class that is none, a class of models, the base of all, and what is no class at all."""
    with pytest.raises(UserError, match=f"names the pipeline {name}, which diffusers"):
        pipeline_kind(named(tmp_path / "folder", name))


def test_a_folder_without_an_index_is_no_pipeline_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="names the pipeline DiffusionPipeline, which"):
        pipeline_kind(tmp_path)


def test_the_stride_of_wans_codec_is_known_without_its_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    assert wan_stride(folders["WanPipeline"]) == 8
    assert wan_stride(folders["LTXPipeline"]) is None
    assert wan_stride(tmp_path) is None


def open_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> tuple[dict[str, Any], list[str]]:
    """How diffusers is asked to open a folder, and what happened before."""
    asked: dict[str, Any] = {}
    before: list[str] = []

    def pretrained(place: Path, **options: Any) -> None:
        asked.update(options, place=place)

    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", pretrained)
    monkeypatch.setattr(pipeline_opening, "disable_progress_bar", lambda: before.append("no bar"))
    monkeypatch.setattr(pipeline_opening.sys.stderr, "isatty", lambda: terminal, raising=False)
    open_pipeline(folder, torch.bfloat16)
    return asked, before


@pytest.mark.parametrize(("terminal", "expected"), [(True, []), (False, ["no bar"])])
def test_a_folder_is_opened_from_this_disk_as_safetensors_without_its_code_and_with_a_bar_on_a_terminal_alone(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, terminal: bool, expected: list[str]
) -> None:
    asked, before = open_recorded(folders["WanPipeline"], monkeypatch, terminal=terminal)
    assert asked == {
        "place": folders["WanPipeline"], "torch_dtype": torch.bfloat16, "use_safetensors": True,
        "local_files_only": True, "trust_remote_code": False,
    }  # fmt: skip
    assert before == expected


def test_a_denoiser_whose_weights_are_none_is_named_before_diffusers_sees_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pipeline(tmp_path / "wan", "WanPipeline")
    (weights,) = (folder / "transformer").glob("*.safetensors")
    weights.write_bytes(b"no weights at all")
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=weights.name):
        open_pipeline(folder, torch.float32)
