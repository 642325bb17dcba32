"""VBench's own result files, `*_eval_results.json` of one model: read as score tables.

Every member of the family writes them: VBench, VBench-Long (scores of clips), VBench-I2V and VBench-2.0 (dimensions of
their own). What is sound is read; what is not is named with its file, dimension and entry.
"""

import logging
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from probekit.choices import ClipRule
from probekit.errors import UserError
from probekit.evaluation.clips import WHOLE
from probekit.evaluation.vbench.official.records import PERCENT
from probekit.evaluation.vbench.result_entries import RELATIVES, clip_of, dimension_called, entry_score, path_of
from probekit.provenance import sha256_text
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard
from probekit.run_folder.score_table import ScoreRow, check_rows
from probekit.suites import vbench
from probekit.suites.dimension_constants import VBENCH
from probekit.user_files.json_files import read_json

LOGGER = logging.getLogger("probekit")

ENDING: Final = "_eval_results.json"
SUITE: Final = vbench.NAME
OFFICIAL_RUN: Final = "official"
"""Stands for the training run: official files name none."""
UNKNOWN_VIDEO: Final = "unknown"
"""Stands for the hash of the video: official files tell its name only."""
NO_VIDEO: Final = "VBench scored no video"

_WHOLE_VIDEOS, _IN_CLIPS = "5s", "long"
_CLIP_RULE: Final[ClipRule] = "vbench-long"
_SHOWN: Final = 3


class OfficialResults(NamedTuple):
    """What the files of a folder hold.

    Attributes:
        rows: scores of the sound dimensions.
        faults: errors of the dimensions that are not sound, by dimension.
        not_scored: dimensions whose list of videos is empty.
    """

    rows: list[ScoreRow]
    faults: dict[str, UserError]
    not_scored: tuple[str, ...]

    def missing(self) -> dict[str, str]:
        """Why a dimension has no score here, by dimension."""
        return dict.fromkeys(self.not_scored, NO_VIDEO) | {name: error.problem for name, error in self.faults.items()}


def official_files(folder: Path) -> list[Path]:
    """Result files of a folder, sorted; empty if there are none."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDING) and path.is_file())


def read_official_results(folder: Path, model: str | None = None, *, allow_missing: bool = False) -> OfficialResults:
    """Read all result files of a folder as scores of one model.

    A prompt's identifier is that of its entry in VBench's list; texts that are not in it stand for themselves. Scores
    that are means over frames get numerators and denominators where the file has them. A score that VBench wrote as NaN
    is null.

    Args:
        folder: folder with `*_eval_results.json`; several files may hold different dimensions.
        model: name of the model; by default the folder's.
        allow_missing: whether dimensions that are not sound are left out.

    Raises:
        UserError: A file is not in the official layout, two files hold the same dimension, a video has two unlike
            scores in one dimension, no dimension is sound, or one is not and none may be left out.
    """
    rows: list[ScoreRow] = []
    faults: dict[str, UserError] = {}
    empty: list[str] = []
    for (dimension, path), results in _dimensions(folder).items():
        try:
            entries = _entries(dimension, results)
            made = list(_rows(dimension, entries, model or folder.resolve().name))
            check_rows([row for row, _ in made], path)
        except UserError as error:
            faults[dimension] = UserError(f"{path}: {dimension}: {error.problem.removeprefix(f'{path}: ')}", error.fix)
            continue
        rows += _once(path, dimension, made)
        empty += [] if entries else [dimension]
        _warn_of_scale(path, dimension, entries)
    if faults and not (rows and allow_missing):
        raise _all_faults(faults)
    if any(row.clip for row in rows):
        rows = [_in_clips(row) for row in rows]
    return OfficialResults(rows, faults, tuple(empty))


def _all_faults(faults: Mapping[str, UserError]) -> UserError:
    """One error that names the first dimensions that are not sound."""
    shown = list(faults.values())[:_SHOWN]
    more = [f"{len(faults) - _SHOWN} more dimensions are not sound."] if len(faults) > _SHOWN else []
    fixes = dict.fromkeys(error.fix for error in shown)
    problem = " ".join([*(error.problem for error in shown), *more])
    return UserError(problem, f"{' '.join(fixes)} Or import the other dimensions: --allow-missing.")


def _dimensions(folder: Path) -> dict[tuple[str, Path], Any]:
    """What the files say of each dimension."""
    found: dict[tuple[str, Path], Any] = {}
    owners: dict[str, Path] = {}
    files = official_files(folder)
    if not files:
        raise UserError(f"{folder} has no *{ENDING}.", "Give the folder that VBench wrote.")
    for path in files:
        content = read_json(path, what="VBench result", fix="Copy the file again.", allow_nan=True)
        if not isinstance(content, dict):
            raise UserError(f"{path} is not a VBench result: it does not map dimensions to results.", "Check the file.")
        for name, results in content.items():
            dimension = dimension_called(name)
            if dimension in owners:
                both = (
                    f"{path} and {owners[dimension]} both hold" if owners[dimension] != path else f"{path} holds twice"
                )
                raise UserError(f"{both} {dimension}.", "Keep one of them.")
            owners[dimension] = path
            found[dimension, path] = results
    return found


def _entries(dimension: str, results: Any) -> list[Any]:
    if dimension not in VBENCH:
        relative = RELATIVES.get(dimension)
        whose = f"is a dimension of {relative}, not of VBench" if relative else "is no dimension of VBench"
        raise UserError(f"it {whose}.", f"Give a file with dimensions of VBench: {', '.join(VBENCH)}.")
    if isinstance(results, int | float):
        raise UserError("it is not [score, videos]: the scores of its videos are missing.", "Give VBench's own file.")
    if not (isinstance(results, list) and len(results) == 2 and isinstance(results[1], list)):
        raise UserError("it is not [score, videos].", "Give the file as VBench wrote it.")
    entries: list[Any] = results[1]
    return entries


def _rows(dimension: str, entries: Sequence[Any], model: str) -> Iterator[tuple[ScoreRow, str]]:
    """Row and path of each entry; a clip's index is in its row, the horizon is not."""
    facts = VBENCH[dimension]
    (low, high), scorer_id = facts.range, f"vbench-official:{dimension}"
    for number, entry in enumerate(entries, start=1):
        try:
            path = path_of(entry)
            named, score = clip_of(path), entry_score(dimension, entry)
        except UserError as error:
            raise UserError(f"entry {number}: {error.problem}", error.fix) from error
        row = ScoreRow(
            model,
            OFFICIAL_RUN,
            SUITE,
            _WHOLE_VIDEOS if named.clip is None else _IN_CLIPS,
            _prompt_id(named.prompt, dimension),
            named.sample,
            named.clip or 0,
            dimension,
            *score,
            facts.unit,
            low,
            high,
            scorer_id,
            UNKNOWN_VIDEO,
        )
        yield row, path


def _once(path: Path, dimension: str, made: Sequence[tuple[ScoreRow, str]]) -> list[ScoreRow]:
    """Each video's one score.

    Raises:
        UserError: A video has two unlike scores.
    """
    first: dict[tuple[str, int, int], tuple[int, ScoreRow]] = {}
    for number, (row, video) in enumerate(made, start=1):
        entry, before = first.setdefault((row.prompt_id, row.sample, row.clip), (number, row))
        if before is not row and before != row:
            raise UserError(
                f"{path}: {dimension}: entries {entry} and {number} are of one video, {video!r}, "
                f"and have the scores {before.value} and {row.value}.",
                "Delete the entry that is wrong; another video needs another name.",
            )
    if len(first) < len(made):
        LOGGER.warning("%s: %s: %d entries stand there twice", path, dimension, len(made) - len(first))
    return [row for _, row in first.values()]


def _in_clips(row: ScoreRow) -> ScoreRow:
    """A row of a folder with clips: VBench-Long scores some dimensions in clips and some whole, under one horizon."""
    return row if row.horizon == _IN_CLIPS else row._replace(horizon=_IN_CLIPS)


def _warn_of_scale(path: Path, dimension: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Entries of imaging quality run to 100; a table that runs to 1 was divided before."""
    values = [entry["video_results"] for entry in entries if entry["video_results"] is not None]
    if dimension == PERCENT and values and max(map(abs, values)) <= 1.0:
        LOGGER.warning(
            "%s: %s: the scores of its videos end at %.3g, where VBench's run to 100: they seem to be divided already",
            path, dimension, max(values),
        )  # fmt: skip


@lru_cache(maxsize=4096)  # the videos of a prompt stand one after another
def _prompt_id(text: str, dimension: str) -> str:
    """The entry of a text: two texts stand for two entries each, which differ in their dimensions."""
    return _entries_by_text().get((unicodedata.normalize("NFC", text), dimension), text)


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
    """The protocol of official result files, as far as they state it: prompts, samples, dimensions and clips."""
    prompts = sorted({row.prompt_id for row in rows})
    return ProtocolCard(
        prompts=PromptsCard(
            file_hash=sha256_text("\n".join(prompts)),
            suite=SUITE,
            n_prompts=len(prompts),
            samples=1 + max(row.sample for row in rows),
        ),
        scorers={row.dimension: row.scorer_id for row in rows},
        clip_rule=_CLIP_RULE if any(row.horizon == _IN_CLIPS for row in rows) else WHOLE,
    )
