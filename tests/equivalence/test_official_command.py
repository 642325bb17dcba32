"""`score --backend official` and `export-results` against the package's own `VBench.evaluate` on the same videos."""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.evaluation.vbench.official.repairs import official_module
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import VideoRow, describe_video, video_path
from tests.helpers.official_weights import write_clip, write_clip_video

DIMENSIONS = ("temporal_flickering", "background_consistency")
LENGTHS = {"a cat": 3, "a dog in the snow": 9, "two birds": 5}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PROBEKIT_VBENCH_ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    write_clip()
    return tmp_path


def write_run(root: Path) -> list[VideoRow]:
    """A run of a suite of its own, whose videos differ in length."""
    rows = []
    for number, (prompt, length) in enumerate(LENGTHS.items()):
        key = SampleKey("custom", f"{number:04d}", 0)
        write_clip_video(root / video_path(key), length)
        rows.append(
            describe_video(
                root, video_path(key), key, model="ours", training_run="r0", horizon="5s", prompt=prompt
            )
        )  # fmt: skip
    write_manifest(root, rows)
    card = ProtocolCard(
        prompts=PromptsCard(file_hash="ab", suite="custom", n_prompts=len(rows), samples=1),
        generation=GenerationCard(model="ours", seed=0, frames=9, fps=8.0, height=48, width=64),
    )
    write_protocol(root, card)
    return rows


def official_files(root: Path, rows: list[VideoRow], out: Path) -> tuple[dict[str, Any], list[Any]]:
    """The two files that the package writes for the same videos under its own names."""
    videos = out / "named"
    videos.mkdir(parents=True)
    for row in rows:
        os.link(root / row.path, videos / f"{row.prompt}-{row.sample}.mp4")
    for dimension in DIMENSIONS:
        official_module(dimension)
    vbench = import_module("vbench").VBench(torch.device("cpu"), None, str(out))
    vbench.evaluate(str(videos), "theirs", dimension_list=list(DIMENSIONS), local=True, mode="custom_input")
    results, info = (out / f"theirs_{name}.json" for name in ("eval_results", "full_info"))
    return json.loads(results.read_text()), json.loads(info.read_text())


def test_result_files_are_those_of_the_package(tmp_path: Path) -> None:
    rows = write_run(tmp_path / "run")
    results, info = official_files(tmp_path / "run", rows, tmp_path / "theirs")
    for arguments in (
        ["score", str(tmp_path / "run"), "--backend", "official"],
        ["vbench", "export-results", str(tmp_path / "run"), "--out", str(tmp_path / "ours"), "--name", "ours"],
    ):
        outcome = CliRunner().invoke(app, arguments)
        assert outcome.exit_code == 0, outcome.output
    ours = json.loads((tmp_path / "ours" / "ours_eval_results.json").read_text())
    assert set(ours) == set(results) == set(DIMENSIONS)
    for dimension in DIMENSIONS:
        assert ours[dimension][0] == pytest.approx(results[dimension][0], abs=1e-12)
        theirs = {Path(entry.pop("video_path")).name: entry for entry in results[dimension][1]}
        mine = {entry.pop("video_path"): entry for entry in ours[dimension][1]}
        assert mine.keys() == theirs.keys()
        for name, entry in theirs.items():
            assert mine[name] == pytest.approx(entry, abs=1e-12)
    listed = json.loads((tmp_path / "ours" / "ours_full_info.json").read_text())
    as_theirs = {entry["prompt_en"]: [Path(path).name for path in entry["video_list"]] for entry in info}
    assert {entry["prompt_en"]: entry["video_list"] for entry in listed} == as_theirs
