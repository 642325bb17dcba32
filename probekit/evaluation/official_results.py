"""VBench's own result files as score tables: `*_eval_results.json` of one model."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.evaluation.dimension_constants import VBENCH_CONSTANTS
from probekit.evaluation.score_table import ScoreRow

ENDING: Final = "_eval_results.json"
SUITE: Final = "vbench"
_NAME: Final = re.compile(r"(?P<prompt>.+)-(?P<sample>\d+)\.[A-Za-z0-9]+")
_PERCENT_DIMENSIONS: Final = ("imaging_quality",)
"""Dimensions whose single results run to 100 while the score runs to 1."""


def official_files(folder: Path) -> list[Path]:
    """Result files of a folder, sorted; empty if there are none."""
    return sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def read_official_results(folder: Path, model: str | None = None) -> list[ScoreRow]:
    """Read all result files of a folder as rows of one model.

    Args:
        folder: with `*_eval_results.json`; several files may hold different dimensions.
        model: name; by default the folder's.

    Raises:
        UserError: if a file is not in the official layout, two files hold the same dimension, a dimension is unknown,
            or a score is not finite.
    """
    rows: list[ScoreRow] = []
    seen: dict[str, Path] = {}
    files = official_files(folder)
    if not files:
        raise UserError(f"{folder} has no *{ENDING}.", "Give the folder that VBench wrote.")
    for path in files:
        for dimension, results in _read(path).items():
            if dimension in seen:
                raise UserError(f"{path} and {seen[dimension]} both hold {dimension}.", "Keep one of them.")
            seen[dimension] = path
            rows.extend(_rows(path, dimension, results, model or folder.resolve().name))
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}.", "Score those videos again; NaN is no score.") from error
    known = {constant.dimension for constant in VBENCH_CONSTANTS}
    if not isinstance(content, dict) or not set(content) <= known:
        raise UserError(f"{path} is not a VBench result: it does not map dimensions to results.", "Check the file.")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"it holds {name}")


def _rows(path: Path, dimension: str, results: Any, model: str) -> Iterator[ScoreRow]:
    if not (isinstance(results, list) and len(results) == 2 and isinstance(results[1], list)):
        raise UserError(f"{path}: {dimension} is not [score, videos].", "Check the file.")
    scale = 100.0 if dimension in _PERCENT_DIMENSIONS else 1.0
    for entry in results[1]:
        name = Path(str(entry["video_path"])).name
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(f"{path}: {name!r} is not named <prompt>-<i>.mp4.", "Rename the videos as VBench does.")
        value = float(entry["video_results"]) / scale
        yield ScoreRow(
            model=model,
            training_run="official",
            suite=SUITE,
            horizon="5s",
            prompt_id=match["prompt"],
            sample=int(match["sample"]),
            clip=0,
            dimension=dimension,
            value=value,
            numerator=None,
            denominator=None,
            reason=None,
            unit="raw",
            range_low=-1.0,
            range_high=1.0,
            scorer_id=f"vbench-official:{dimension}",
            video_sha256="",
        )
