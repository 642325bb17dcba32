"""Every reader of a user's file reads it or refuses it in one line, whatever became of the file."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from probekit.config import StrictModel, load_config
from probekit.evaluation.interchange.table import read_video_table
from probekit.evaluation.interchange.vbench_names import ExportedFile, ExportRecord, read_export, record_path
from probekit.evaluation.vbench.result_files import read_official_results
from probekit.evaluation.vbench.slow_fast import read_mapping_table
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.probing.published_readouts import read_readout_images
from probekit.reporting.comparison_io import COMPARISON_FILENAME, read_comparison
from probekit.run_folder.manifest import load_video_set, read_manifest
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard, read_protocol, write_protocol
from probekit.run_folder.score_table import read_scores
from probekit.run_folder.video_set import VideoRow
from probekit.suites.prompt_files import read_extended, suite_from_file
from probekit.suites.suite import Prompt
from probekit.workflows.horizon import _features
from tests.helpers.mutations import survives, survives_json
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table
from trainer.data.prompts import read_prompts
from trainer.engine.log_comparison import read_log

PROMPTS = [{"prompt_id": f"p{number}", "prompt": f"a {color} cup, ü"} for number, color in enumerate(("red", "blue"))]
VIDEOS = [
    {"file": f"{name}.mp4", "prompt_id": name, "prompt": f"a {name}", "horizon": "5s", "model": "M", "sample": "0"}
    for name in "ab"
]
READOUTS = [
    {"file": f"{kind}.png", "prompt_id": "p", "prompt": "a cup", "horizon_chunks": "1", "kind": kind}
    for kind in ("future frame", "ours")
]
CAPTIONS = [{"file": "a.mp4", "caption": "a cup"}, {"file": "a.mp4", "caption": "a red cup"}]


def parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer)
    return buffer.getvalue()


def kinds(rows: list[dict[str, str]]) -> dict[str, bytes]:
    frame = pd.DataFrame(rows)
    return {
        "a.csv": frame.to_csv(index=False).encode(),
        "a.tsv": frame.to_csv(index=False, sep="\t").encode(),
        "a.json": json.dumps(rows).encode(),
        "a.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "a.parquet": parquet(rows),
    }


def extended(path: Path) -> object:
    return read_extended(path, [Prompt(row["prompt_id"], row["prompt"]) for row in PROMPTS])


def captions(path: Path) -> object:
    from trainer.data.encode_videos import read_captions

    (path.parent / "a.mp4").touch()
    return read_captions(path, path.parent)


READERS: dict[str, tuple[Callable[[Path], object], list[dict[str, str]]]] = {
    "suite": (lambda path: suite_from_file(path, seconds=5, geometry=SPRITE_GEOMETRY), PROMPTS),
    "training": (read_prompts, PROMPTS),
    "extended": (extended, PROMPTS),
    "videos": (read_video_table, VIDEOS),
    "readouts": (read_readout_images, READOUTS),
    "captions": (captions, CAPTIONS),
}


@pytest.mark.parametrize("kind", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("reader", READERS)
def test_tables_of_every_kind(reader: str, kind: str, tmp_path: Path) -> None:
    read, rows = READERS[reader]
    survives(read, tmp_path / kind, kinds(rows)[kind], examples=25)


@pytest.mark.parametrize("reader", ["suite", "training", "extended"])
def test_lines_of_text(reader: str, tmp_path: Path) -> None:
    survives(READERS[reader][0], tmp_path / "a.txt", "a red cup\nein blauer Krug für später\r\n".encode())


@pytest.mark.parametrize("reader", ["suite", "videos", "readouts", "captions"])
def test_values_of_tables_in_json(reader: str, tmp_path: Path) -> None:
    read, rows = READERS[reader]
    survives_json(read, tmp_path / "a.json", rows, examples=40)


def test_a_folder_of_prompts(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("one\n")
    survives(lambda path: read_prompts(path.parent), tmp_path / "a.csv", kinds(PROMPTS)["a.csv"])


def test_official_results(tmp_path: Path) -> None:
    videos = [{"video_path": f"v/a cup-{i}.mp4", "video_results": 0.5, "frame_results": [0.5]} for i in range(2)]
    counted = [video | {"success_frame_count": 8, "frame_count": 16} for video in videos]
    document = {"color": [0.5, videos], "object_class": [0.5, counted], "dynamic_degree": [0.5, videos]}
    for allowed in (False, True):
        survives_json(
            lambda path, allowed=allowed: read_official_results(path.parent, allow_missing=allowed),
            tmp_path / "m_eval_results.json",
            document,
        )


class Part(StrictModel):
    """A section."""

    rate: float = 1.0
    names: tuple[str, ...] = ()


class Config(StrictModel):
    """A configuration."""

    seed: int = 0
    name: str = "x"
    part: Part = Part()
    paths: dict[str, Path] = {}  # noqa: RUF012 (pydantic copies it)


def test_configurations(tmp_path: Path) -> None:
    document = {"seed": 3, "name": "a b", "part": {"rate": 0.5, "names": ["x", "y"]}, "paths": {"a": "b/c"}}
    survives(lambda path: load_config(path, Config), tmp_path / "a.yaml", yaml.safe_dump(document).encode(), 150)
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    survives(lambda path: load_config(path, Config), tmp_path / "b.yaml", b"extends: base.yaml\npart: {rate: 2}\n", 100)


def test_overrides(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("part: {names: [x]}\n")

    def read(path: Path) -> object:
        override = path.read_bytes().decode("utf-8", "replace")
        return load_config(tmp_path / "a.yaml", Config, [override])

    survives(read, tmp_path / "override", b"part.names.0=y", 150)


def row(name: str) -> dict[str, Any]:
    return VideoRow(
        model="M", training_run="r", suite="custom", horizon="5s", prompt_id=name, sample=0, prompt="a cup",
        path=f"{name}.mp4", n_frames=5, fps=16.0, height=32, width=32, sha256="0" * 64,
    ).model_dump(mode="json")  # fmt: skip


CARD = ProtocolCard(prompts=PromptsCard(file_hash="ab", suite="custom", n_prompts=2, samples=1))


def test_manifests(tmp_path: Path) -> None:
    write_protocol(tmp_path, CARD)
    document = [row("a"), row("b")]
    survives_json(read_manifest, tmp_path / "other.json", document)
    survives_json(lambda path: load_video_set(path.parent), tmp_path / "manifest.json", document)


def test_protocol_cards(tmp_path: Path) -> None:
    survives_json(lambda path: read_protocol(path.parent), tmp_path / "protocol.json", CARD.model_dump(mode="json"))


def test_comparisons(tmp_path: Path) -> None:
    rows = [*score_rows(BASELINE, shift={}), *score_rows("ours", shift={})]
    record = record_of(score_table(tmp_path / "table", rows), ["ours"])
    survives_json(read_comparison, tmp_path / COMPARISON_FILENAME, record.model_dump(mode="json"), examples=30)


def test_records_of_exports(tmp_path: Path) -> None:
    file = ExportedFile(file="out/a-0.mp4", suite="vbench", prompt_id="0000", sample=0, sha256="0" * 64)
    record = ExportRecord(model="M", files=(file,)).model_dump(mode="json")
    survives_json(lambda path: read_export(tmp_path / "out"), record_path(tmp_path / "out"), record)


def test_score_tables(tmp_path: Path) -> None:
    score_table(tmp_path / "table", score_rows(BASELINE, shift={}))
    (written,) = (tmp_path / "table").rglob("*.parquet")
    survives(read_scores, tmp_path / "a.parquet", written.read_bytes(), 100)


def test_mapping_tables(tmp_path: Path) -> None:
    survives(read_mapping_table, tmp_path / "a.yaml", b"0.0: 0.1\n0.5: 0.7\n1.0: 1.0\n", 100)


def test_features(tmp_path: Path) -> None:
    np.save(tmp_path / "written.npy", np.ones((4, 3), np.float32))
    survives(_features, tmp_path / "a.npy", (tmp_path / "written.npy").read_bytes(), 150)


def test_training_logs(tmp_path: Path) -> None:
    survives(read_log, tmp_path / "metrics.jsonl", b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n', 100)
