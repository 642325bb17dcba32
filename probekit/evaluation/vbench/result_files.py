"""VBench's own result files, `*_eval_results.json` of one model: read as score tables, and written from them."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.vbench.official.records import score_of
from probekit.provenance import sha256_text
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard
from probekit.run_folder.score_table import ScoreRow
from probekit.suites import vbench
from probekit.suites.dimension_constants import VBENCH

ENDING: Final = "_eval_results.json"
SUITE: Final = vbench.NAME
UNKNOWN_VIDEO: Final = "unknown"
"""Stands for the hash of the video: official files tell its name only."""

OFFICIAL_RUN: Final = "official"
"""Stands for the training run: official files do not tell it."""

_NAME: Final = re.compile(r"(?P<prompt>.+)-(?P<sample>\d+)\.[A-Za-z0-9]+")


def official_files(folder: Path) -> list[Path]:
    """Result files of a folder, sorted; empty if there are none."""
    return sorted(folder.glob(f"*{ENDING}")) if folder.is_dir() else []


def read_official_results(folder: Path, model: str | None = None) -> list[ScoreRow]:
    """Read all result files of a folder as rows of one model.

    A prompt's identifier is that of its entry in VBench's list; texts that are not in it stand for themselves. Scores
    that are means over frames get numerators and denominators where the file has them.

    Args:
        folder: with `*_eval_results.json`; several files may hold different dimensions.
        model: name; by default the folder's.

    Raises:
        UserError: if a file is not in the official layout, two files hold the same dimension, a dimension is unknown,
            or a score is not finite or not what its formula can give.
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
    if not isinstance(content, dict) or not set(content) <= set(VBENCH):
        raise UserError(f"{path} is not a VBench result: it does not map dimensions to results.", "Check the file.")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"it holds {name}")


def _rows(path: Path, dimension: str, results: Any, model: str) -> Iterator[ScoreRow]:
    if not (isinstance(results, list) and len(results) == 2 and isinstance(results[1], list)):
        raise UserError(f"{path}: {dimension} is not [score, videos].", "Check the file.")
    facts = VBENCH[dimension]
    low, high = facts.range
    scorer = f"vbench-official:{dimension}"
    for entry in results[1]:
        video = str(entry["video_path"])
        named = _name_of(video)
        if named is None:
            name = Path(video).name
            raise UserError(f"{path}: {name!r} is not named <prompt>-<i>.mp4.", "Rename the videos as VBench does.")
        try:
            score = score_of(dimension, entry)
        except UserError as error:
            raise UserError(f"{path}: {Path(video).name}: {error.problem}", error.fix) from error
        yield ScoreRow(
            model=model,
            training_run=OFFICIAL_RUN,
            suite=SUITE,
            horizon="5s",
            prompt_id=_prompt_id(named.prompt, dimension),
            sample=named.sample,
            clip=0,
            dimension=dimension,
            value=score.value,
            numerator=score.numerator,
            denominator=score.denominator,
            reason=score.reason,
            unit=facts.unit,
            range_low=low,
            range_high=high,
            scorer_id=scorer,
            video_sha256=UNKNOWN_VIDEO,
        )


class _Named(NamedTuple):
    prompt: str
    sample: int


@lru_cache(maxsize=8192)  # a video stands in the results of several dimensions
def _name_of(video: str) -> _Named | None:
    """The prompt, in one form of its accents, and the sample that a video's name tells; None if it tells none."""
    match = _NAME.fullmatch(Path(video).name)
    return _Named(unicodedata.normalize("NFC", match["prompt"]), int(match["sample"])) if match else None


def _prompt_id(text: str, dimension: str) -> str:
    """The entry of a text: two texts stand for two entries each, which differ in their dimensions."""
    return _entries_by_text().get((text, dimension), text)


@cache
def _entries_by_text() -> Mapping[tuple[str, str], str]:
    try:
        entries = vbench.vbench_entries()
    except UserError:  # without VBench's list a text stands for itself
        return MappingProxyType({})
    return MappingProxyType(
        {
            (unicodedata.normalize("NFC", entry.text), dimension): entry.prompt_id
            for entry in entries
            for dimension in entry.dimensions
        }
    )


def official_card(rows: Sequence[ScoreRow]) -> ProtocolCard:
    """The protocol of official result files, as far as they state it: prompts, samples and dimensions."""
    prompts = sorted({row.prompt_id for row in rows})
    return ProtocolCard(
        prompts=PromptsCard(
            file_hash=sha256_text("\n".join(prompts)),
            suite=SUITE,
            n_prompts=len(prompts),
            samples=1 + max(row.sample for row in rows),
        ),
        scorers={row.dimension: row.scorer_id for row in rows},
    )
