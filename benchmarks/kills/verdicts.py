"""What a folder lost that was killed and finished, beside one that was left in peace."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import torch
from torch.distributed.checkpoint.state_dict_loader import load

from probekit.provenance import sha256_file
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.score_table import read_scores
from trainer.engine.checkpoint import newest_checkpoint
from trainer.engine.log_comparison import read_log
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner

_LEFT: Final = ("**/.tmp-*", "**/*.partial", "**/*.journal.jsonl", "**/*.lock", "**/*.damaged")


def leftovers(folder: Path) -> list[str]:
    """Unfinished files, journals and locks."""
    return [f"left: {path.relative_to(folder)}" for pattern in _LEFT for path in sorted(folder.glob(pattern))]


def of_videos(whole: Path, found: Path) -> list[str]:
    """Videos and manifest."""
    return [*_unequal_files(whole, found, ("videos/*.mp4", "manifest.json")), *leftovers(found)]


def of_scores(whole: Path, found: Path) -> list[str]:
    """Every score, and the videos."""
    return [*of_videos(whole, found), *_unequal_scores(whole, found)]


def of_states(whole: Path, found: Path) -> list[str]:
    """Every shard, byte for byte, and the card of the store."""
    return [*_unequal_files(whole, found, ("*.safetensors",)), *_names(whole, found, "*"), *leftovers(found)]


def of_probes(whole: Path, found: Path) -> list[str]:
    """Values, tables and figures."""
    values = [pd.read_parquet(folder / "probe_values.parquet") for folder in (whole, found)]
    lost = [] if values[0].equals(values[1]) else ["values differ"]
    return [*lost, *_unequal_files(whole, found, ("contrasts.csv", "probes.md")), *_names(whole, found, "*.png")]


def of_training(whole: Path, found: Path) -> list[str]:
    """Checkpoint bit for bit, export, kept exports, videos and scores of evaluations, selection, every step's log."""
    return [
        *_unequal_checkpoints(whole, found),
        *_unequal_files(whole, found, ("export*/**/*.safetensors", "export*/**/causal.json", "selection.json")),
        *_unequal_files(whole, found, ("evaluations/*/videos/*.mp4", "samples/*/videos/*.mp4")),
        *_names(whole, found, "samples/*.png"),
        *_unequal_logs(whole, found),
        *(
            line
            for scored in whole.glob("evaluations/*")
            for line in _unequal_scores(scored, _twin(scored, whole, found))
        ),
        *leftovers(found),
    ]


def of_report(whole: Path, found: Path) -> list[str]:
    """Every file, and the bytes of videos and tables."""
    return [
        *_names(whole, found, "**/*"),
        *_unequal_files(whole, found, ("videos/*", "tables/*.csv")),
        *leftovers(found),
    ]


def of_sweep(whole: Path, found: Path) -> list[str]:
    """The table, and everything of each row."""
    rows = [path.parent for path in whole.glob("*/*/export")]
    return [
        *_unequal_files(whole, found, ("*/table/*.csv", "*/table/sweep.md", "*/*/videos/videos/*.mp4")),
        *(f"{row.name}: {line}" for row in rows for line in of_training(row, _twin(row, whole, found))),
        *(
            f"{row.name}: {line}"
            for row in rows
            for line in _unequal_scores(row / "videos", _twin(row, whole, found) / "videos")
        ),
        *leftovers(found),
    ]


def _twin(path: Path, whole: Path, found: Path) -> Path:
    return found / path.relative_to(whole)


def _files(folder: Path, pattern: str) -> set[Path]:
    return {path.relative_to(folder) for path in folder.glob(pattern) if path.is_file()}


def _names(whole: Path, found: Path, pattern: str) -> Iterator[str]:
    expected, there = _files(whole, pattern), _files(found, pattern)
    yield from (f"lost: {path}" for path in sorted(expected - there))
    yield from (f"too many: {path}" for path in sorted(there - expected))


def _unequal_files(whole: Path, found: Path, patterns: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from _names(whole, found, pattern)
        for path in sorted(_files(whole, pattern) & _files(found, pattern)):
            if sha256_file(whole / path) != sha256_file(found / path):
                yield f"differs: {path}"


def _unequal_scores(whole: Path, found: Path) -> Iterator[str]:
    if not (whole / "scores").is_dir():
        return
    expected, there = read_scores(whole), read_scores(found)
    if not expected.equals(there):
        yield f"scores differ: {len(there)} of {len(expected)} rows"
    if load_video_set(whole).rows != load_video_set(found).rows:
        yield "the manifest differs"


def _unequal_checkpoints(whole: Path, found: Path) -> Iterator[str]:
    expected, there = _state(whole), _state(found)
    if expected.keys() != there.keys():
        yield "the checkpoint holds other tensors"
    names = [name for name in expected.keys() & there.keys() if not torch.equal(expected[name], there[name])]
    if names:
        yield f"{len(names)} tensors of the checkpoint differ, {min(names)} among them"


def _state(run: Path) -> dict[str, torch.Tensor]:
    newest = newest_checkpoint(run / "checkpoints")
    if newest is None:
        return {}
    index = SafeReader(newest.path).read_metadata().state_dict_metadata
    state = {name: torch.empty(about.size, dtype=about.properties.dtype) for name, about in index.items()}
    load(state, storage_reader=SafeReader(newest.path), planner=TensorPlanner(), no_dist=True)
    return {"steps": torch.tensor(newest.steps_done), **state}


def _unequal_logs(whole: Path, found: Path) -> Iterator[str]:
    expected, there = read_log(whole), read_log(found)
    if expected != there:
        yield f"the log differs: {len(there)} of {len(expected)} numbers"
