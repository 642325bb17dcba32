"""Run folders for videos that were made elsewhere."""

import os
import re
from pathlib import Path

from probekit.evaluation.manifest import write_manifest
from probekit.evaluation.protocol_card import write_protocol
from probekit.evaluation.video_set import Problem, VideoSet
from probekit.evaluation.video_table import read_video_table


def import_video_table(table: Path, out: Path) -> tuple[list[Path], list[Problem]]:
    """Make one run folder for each model and horizon of a table of videos; the videos stay where they are.

    Args:
        table: CSV file, see `read_video_table`.
        out: parent of the run folders, which are named `<model>--<horizon>`.

    Returns:
        The run folders, and the videos that could not be read and are in none of them.
    """
    read = read_video_table(table)
    return [_write_run(video_set, out) for video_set in read.video_sets], read.problems


def _write_run(video_set: VideoSet, out: Path) -> Path:
    first = video_set.rows[0]
    model = re.sub(r"[^A-Za-z0-9.,-]+", "-", first.model).strip("-")
    root = out / f"{model}--{first.horizon}"
    root.mkdir(parents=True, exist_ok=True)
    rows = [
        row.model_copy(update={"path": Path(os.path.relpath(video_set.root / row.path, root)).as_posix()})
        for row in video_set.rows
    ]
    write_manifest(root, rows)
    write_protocol(root, video_set.protocol)
    return root
