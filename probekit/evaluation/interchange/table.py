"""Videos from elsewhere: a CSV table that says which file shows which prompt, by which model."""

import csv
import difflib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from probekit.errors import UserError
from probekit.progress import track
from probekit.provenance import sha256_text
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, protocol_card
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet, describe_video, refuse_picture

REQUIRED_COLUMNS = ("file", "prompt_id", "prompt", "horizon", "model")
OPTIONAL_COLUMNS = ("sample", "training_offsets")
IMPORTED_SUITE = "custom"
IMPORTED_RUN = "imported"

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
        raise UserError(f"{path} lists {len(table.problems)} videos that cannot be read: {named}", "mend those.")
    return table.video_sets


def read_video_table(path: Path) -> VideoTable:
    """Read a CSV file with the columns file, prompt_id, prompt, horizon, model, and maybe sample, training_offsets.

    Files are relative to the table. Training offsets become part of the model's name: ``Video-Mirai[0,1]``. How the
    videos were generated is unknown; the protocol card says only what all of them share. A line that is not legal, and
    all lines that name the same video, become problems; the rest is read.

    Raises:
        UserError: The table is absent or empty, or a column is missing or unknown.
    """
    lines = _read_lines(path)
    legal, problems = _legal_lines(path, lines)
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


def _read_lines(path: Path) -> list[tuple[int, Cells]]:
    if not path.is_file():
        raise UserError(f"There is no table {path}.", "give a CSV file.")
    # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            _check_columns(path, reader.fieldnames or ())
            lines: list[tuple[int, Cells]] = [(reader.line_num, cells) for cells in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not a CSV table in UTF-8: {error}.", "mend that line.") from error
    if not lines:
        raise UserError(f"{path} lists no video.", "add one line for each video.")
    return lines


def _legal_lines(path: Path, lines: Sequence[tuple[int, Cells]]) -> tuple[list[Cells], list[Problem]]:
    """The lines that say one thing each, and what is wrong with the others."""
    problems: list[Problem] = []
    owners: dict[tuple[str, str, SampleKey], list[tuple[int, Cells]]] = defaultdict(list)
    for number, cells in lines:
        try:
            _check_cells(f"line {number}", cells)
            identity = (_model_name(cells), cells["horizon"], _key(cells))
        except UserError as error:
            problems.append(Problem(path, f"{error.problem} ({error.fix})"))
        else:
            owners[identity].append((number, cells))
    for (model, horizon, key), claims in owners.items():
        if len(claims) > 1:
            where = " and ".join(str(number) for number, _ in claims)
            said = f"lines {where} list {key.prompt_id!r} of {model} at {horizon} twice, so that neither counts"
            problems.append(Problem(path, f"{said} (tell videos of one prompt apart by a column `sample`)"))
    return [claims[0][1] for claims in owners.values() if len(claims) == 1], problems


def _check_columns(path: Path, present: Sequence[str]) -> None:
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
    for name in present:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]!r}?" if near else f"use the columns {', '.join(known)}."
            raise UserError(f"{path}: unknown column {name!r}.", fix)
    missing = [name for name in REQUIRED_COLUMNS if name not in present]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}.", "add it.")


def _check_cells(line: str, cells: Mapping[Any, Any]) -> None:
    if None in cells or None in cells.values():
        raise UserError(f"{line} has more or fewer cells than columns.", "put texts with commas into double quotes.")
    empty = [name for name in REQUIRED_COLUMNS if not cells[name].strip()]
    if empty:
        raise UserError(f"{line}: the cell {empty[0]} is empty.", "fill it.")
    if not (cells.get("sample") or "0").isdecimal():
        raise UserError(f"{line}: sample = {cells['sample']!r} is not a number.", "count samples from 0.")


def _key(cells: Cells) -> SampleKey:
    return SampleKey(IMPORTED_SUITE, cells["prompt_id"], int(cells.get("sample") or 0))


def _model_name(cells: Cells) -> str:
    offsets = (cells.get("training_offsets") or "").split()
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
