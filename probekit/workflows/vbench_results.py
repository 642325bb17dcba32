"""Scores out of run folders into VBench's files, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.vbench.result_export import official_layout, write_official_layout
from probekit.evaluation.vbench.result_files import official_card, read_official_results
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import write_protocol
from probekit.run_folder.score_table import SCORES_FOLDER, read_scores, score_rows, write_scores
from probekit.user_files.inside import folder_names

IMPORTED = "official.parquet"


def export_official(run: Path, out: Path, name: str | None = None) -> list[str]:
    """Write a run's scores in VBench's layout.

    Args:
        run: scored run folder.
        out: folder for the two files.
        name: first part of their names; by default the model's.

    Returns:
        What was written, and what the layout cannot hold.

    Raises:
        UserError: as `official_layout` and `write_official_layout`.
    """
    videos = load_video_set(run).rows
    layout = official_layout(score_rows(read_scores(run / SCORES_FOLDER)), videos)
    (readable,) = folder_names([(videos[0].model,)])
    lines = [f"wrote {path}" for path in write_official_layout(layout, out, name or readable)]
    for dimension, found in layout.dimensions.items():
        left_out = f", {found.n_null} without a score left out" if found.n_null else ""
        lines.append(f"{dimension}: {found.score:.6f}, mean of {found.pooled}, {len(found.entries)} videos{left_out}")
    return lines


class ImportedScores(NamedTuple):
    """What an import of official result files did.

    Attributes:
        table: the score table.
        missing: why a dimension of the files has no score in it, by dimension.
    """

    table: Path
    missing: Mapping[str, str]


def import_official(
    folder: Path, out: Path, model: str | None = None, *, allow_missing: bool = False
) -> ImportedScores:
    """Make a score folder from official result files.

    Args:
        folder: folder with `*_eval_results.json` of one model.
        out: new run folder.
        model: name of the model; by default the folder's.
        allow_missing: whether dimensions that are not sound may be left out.

    Raises:
        UserError: if `out` holds scores already, or as `read_official_results`.
    """
    scores = out / SCORES_FOLDER
    if scores.is_dir() and any(scores.iterdir()):
        raise UserError(f"{scores} is not empty.", "Choose a new folder.")
    found = read_official_results(folder, model, allow_missing=allow_missing)
    if not found.rows:
        raise UserError(f"{folder} holds no video's score.", "Give the folder that VBench wrote.")
    path = scores / IMPORTED
    write_scores(path, found.rows)
    write_protocol(out, official_card(found.rows))
    return ImportedScores(path, found.missing())
