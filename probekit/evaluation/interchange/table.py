"""Videos from elsewhere: a table that says which file shows which prompt, by which model."""

import difflib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from probekit.errors import UserError
from probekit.progress import track
from probekit.provenance import sha256_text
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, protocol_card
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet, describe_video, refuse_picture
from probekit.user_files.prompts import same_text
from probekit.user_files.tables import Record, read_table

REQUIRED_COLUMNS = ("file", "prompt_id", "prompt", "horizon", "model")
OPTIONAL_COLUMNS = ("sample", "training_offsets")
IMPORTED_SUITE = "custom"
IMPORTED_RUN = "imported"

_COLUMNS: Final = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
_FIX: Final = "Give a .csv, .tsv, .json, .jsonl or .parquet table of videos."
_SAMPLE: Final = re.compile(r"[0-9]{1,9}")
_SHOWN: Final = 4

Cells = Mapping[str, str]


class VideoTable(NamedTuple):
    """What could be read of a table of videos, and what could not."""

    video_sets: list[VideoSet]
    problems: list[Problem]
    """Files that are missing or damaged; their rows are in no set."""


def video_set_from_csv(path: Path) -> list[VideoSet]:
    """Read a table of videos into one set for each model and horizon.

    Raises:
        UserError: As `read_video_table`, or a video is missing or damaged (all such are named).
    """
    table = read_video_table(path)
    if table.problems:
        named = " ".join(problem for _, problem in table.problems)
        raise UserError(f"{path} lists {len(table.problems)} videos that cannot be read: {named}", "Mend those.")
    return table.video_sets


def read_video_table(path: Path) -> VideoTable:
    """Read a table with the columns file, prompt_id, prompt, horizon, model, and maybe sample, training_offsets.

    Files are relative to the table. Training offsets become part of the model's name: ``Video-Mirai[0,1]``. How the
    videos were generated is unknown; the protocol card says only what all of them share. A line that is not legal, all
    lines that name the same video, and all that give one prompt two names or one name two prompts, become problems; the
    rest is read.

    Args:
        path: CSV, TSV, JSON, JSON lines or Parquet.

    Raises:
        UserError: The table is absent or empty, or a column is missing or unknown.
    """
    table = read_table(path, what="table of videos", fix=_FIX, columns=_COLUMNS)
    _check_columns(path, table.columns)
    if not table.records:
        raise UserError(f"{path} lists no video.", "Add one line for each video.")
    legal, problems = _legal_lines(path, table.records)
    groups: dict[tuple[str, str], list[VideoRow]] = defaultdict(list)
    for cells in track(legal, "reading videos"):
        try:
            row = _row(path.parent, cells)
        except UserError as error:
            problems.append(Problem(path.parent / cells["file"], error.problem))
        else:
            groups[row.model, row.horizon].append(row)
    sets = [imported_set(path.parent, rows) for _, rows in sorted(groups.items())]
    return VideoTable(sets, problems)


class _Line(NamedTuple):
    """A legal line; `group` is its model and horizon."""

    place: str
    cells: Cells
    group: tuple[str, str]
    key: SampleKey


def _legal_lines(path: Path, records: Sequence[Record]) -> tuple[list[Cells], list[Problem]]:
    """The lines that say one thing each, and what is wrong with the others."""
    problems: list[Problem] = []
    lines: list[_Line] = []
    for record in records:
        try:
            cells = _cells(record)
            lines.append(_Line(record.place, cells, (_model_name(cells), cells["horizon"]), _key(cells)))
        except UserError as error:
            place = "" if error.problem.startswith(record.place) else f"{record.place}: "
            problems.append(Problem(path, f"{place}{error.problem} ({error.fix})"))
    refused: set[int] = set()
    for said, numbers in (*_videos_twice(lines), *_prompts_twice(lines)):
        problems.append(Problem(path, said))
        refused |= numbers
    return [line.cells for number, line in enumerate(lines) if number not in refused], problems


Conflict = tuple[str, set[int]]
"""What is wrong, and the indices of the lines that it is wrong with."""


def _videos_twice(lines: Sequence[_Line]) -> Iterator[Conflict]:
    for numbers in _grouped(lines, lambda line: (*line.group, line.key)):
        if len(numbers) > 1:
            (model, horizon), key = lines[numbers[0]].group, lines[numbers[0]].key
            said = f"{_places(lines, numbers)} list {key.prompt_id!r} of {model} at {horizon} twice"
            yield (
                f"{said}, so that neither counts (Tell videos of one prompt apart by a column `sample`.)",
                set(numbers),
            )


def _prompts_twice(lines: Sequence[_Line]) -> Iterator[Conflict]:
    """One text under two identifiers would be two prompts in every interval; two texts under one would be one."""
    for numbers in _grouped(lines, lambda line: (*line.group, same_text(line.cells["prompt"]))):
        names = dict.fromkeys(lines[number].key.prompt_id for number in numbers)
        if len(names) > 1:
            said = f"{_places(lines, numbers)} give one prompt the names {_quoted(names)}, so that it would count twice"
            yield f"{said} (Give it one prompt_id, and tell its videos apart by a column `sample`.)", set(numbers)
    for numbers in _grouped(lines, lambda line: (*line.group, line.key.prompt_id)):
        texts = dict.fromkeys(same_text(lines[number].cells["prompt"]) for number in numbers)
        if len(texts) > 1:
            said = f"{_places(lines, numbers)} give {lines[numbers[0]].key.prompt_id!r} {len(texts)} different prompts"
            yield f"{said} (Give every prompt a prompt_id of its own.)", set(numbers)


def _grouped(lines: Sequence[_Line], of: Callable[[_Line], object]) -> Iterable[list[int]]:
    groups: dict[object, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        groups[of(line)].append(number)
    return groups.values()


def _places(lines: Sequence[_Line], numbers: Sequence[int]) -> str:
    unit = lines[numbers[0]].place.partition(" ")[0]
    shown = [lines[number].place.partition(" ")[2] for number in numbers[:_SHOWN]]
    if len(numbers) > _SHOWN:
        return f"{unit}s {', '.join(shown)} and {len(numbers) - _SHOWN} more"
    return f"{unit}s {' and '.join(shown)}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, list(names)[:_SHOWN]))


def _check_columns(path: Path, present: Sequence[str]) -> None:
    for name in present:
        if name not in _COLUMNS:
            near = difflib.get_close_matches(name, _COLUMNS, n=1, cutoff=0.5)
            fix = f"Did you mean {near[0]!r}?" if near else f"Use the columns {', '.join(_COLUMNS)}."
            raise UserError(f"{path}: unknown column {name!r}.", fix)
    missing = [name for name in REQUIRED_COLUMNS if name not in present]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}.", "Add it.")


def _cells(record: Record) -> Cells:
    """The texts of a line. Raises UserError for an empty or illegal one."""
    cells = {name: record.text(name) for name in _COLUMNS}
    empty = [name for name in REQUIRED_COLUMNS if not cells[name]]
    if empty:
        raise UserError(f"{record.place}: the cell {empty[0]} is empty.", "Fill it.")
    if "\0" in cells["file"]:
        raise UserError(f"{record.place}: the cell file holds a zero character.", "Correct it.")
    if not (_SAMPLE.fullmatch(cells["sample"] or "0")):
        raise UserError(f"{record.place}: sample = {cells['sample']!r} is not a number.", "Count samples from 0.")
    return cells


def _key(cells: Cells) -> SampleKey:
    return SampleKey(IMPORTED_SUITE, cells["prompt_id"], int(cells["sample"] or 0))


def _model_name(cells: Cells) -> str:
    offsets = cells["training_offsets"].split()
    return f"{cells['model']}[{','.join(offsets)}]" if offsets else cells["model"]


def _row(root: Path, cells: Cells) -> VideoRow:
    return describe_import(
        root,
        _relative(root, cells["file"]),
        _key(cells),
        model=_model_name(cells),
        horizon=cells["horizon"],
        prompt=cells["prompt"],
    )


def describe_import(root: Path, path: str, key: SampleKey, *, model: str, horizon: str, prompt: str) -> VideoRow:
    """Row of a video from elsewhere, as `describe_video`.

    Raises:
        UserError: The file is missing or damaged, or has a single frame.
    """
    row = describe_video(root, path, key, model=model, training_run=IMPORTED_RUN, horizon=horizon, prompt=prompt)
    refuse_picture(root / path, row.n_frames)
    return row


def _relative(root: Path, file: str) -> str:
    return Path(os.path.relpath(file, root)).as_posix() if Path(file).is_absolute() else file


def imported_set(root: Path, rows: list[VideoRow]) -> VideoSet:
    """A set of videos from elsewhere; its card says what all of them share, and nothing of how they were made."""
    ordered = sorted(rows, key=VideoRow.key)
    texts = sorted({(row.prompt_id, row.prompt) for row in ordered})
    prompts = PromptsCard(
        file_hash=sha256_text(json.dumps(texts)),
        suite=IMPORTED_SUITE,
        n_prompts=len({row.prompt_id for row in ordered}),
        samples=len({row.sample for row in ordered}),
    )
    shared = {name: _shared(rows, name) for name in ("model", "n_frames", "fps", "height", "width")}
    generation = GenerationCard(frames=shared.pop("n_frames"), **shared)
    return VideoSet(root, tuple(ordered), protocol_card(prompts, generation))


def usual_generation(rows: Sequence[VideoRow]) -> GenerationCard:
    """What most of these videos are, so that a check names the others."""
    usual: dict[str, Any] = {
        name: Counter(row.model_dump(include={name})[name] for row in rows).most_common(1)[0][0]
        for name in ("model", "n_frames", "fps", "height", "width")
    }
    return GenerationCard(frames=usual.pop("n_frames"), **usual)


def _shared(rows: list[VideoRow], name: str) -> Any:
    values = {row.model_dump(include={name})[name] for row in rows}
    return values.pop() if len(values) == 1 else None
