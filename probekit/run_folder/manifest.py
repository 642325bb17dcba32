"""The manifest of a video set: written by generators (one file per shard), merged and checked by everything after.

A set is the folder ``videos/``, ``protocol.json`` and ``manifest.json``, or one ``manifest.shard-<i>-of-<n>.json`` for
each of n writers. What is not in a manifest does not exist: no step lists folders to find its videos.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from probekit.atomic_files import is_temporary, write_json
from probekit.config_errors import explain
from probekit.errors import UserError
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.user_files.json_files import read_json


def manifest_path(root: Path, shard: Shard | None = None) -> Path:
    """Return the manifest file of a set, or of one worker's share of it."""
    return root / ("manifest.json" if shard is None else f"manifest.shard-{shard.index}-of-{shard.count}.json")


def write_manifest(root: Path, rows: Iterable[VideoRow], shard: Shard | None = None) -> None:
    """Write rows as a JSON list, atomically."""
    write_json(manifest_path(root, shard), [row.model_dump(mode="json") for row in rows])


def read_manifest(path: Path) -> list[VideoRow]:
    """Read one manifest file.

    Raises:
        UserError: The file is not a JSON list of video rows, or two rows of a key differ.
    """
    rows = [_row(document, source) for document, source in _documents(path)]
    seen: dict[tuple[SampleKey, int], VideoRow] = {}
    for row in rows:
        if seen.setdefault((row.key(), row.clip), row) != row:
            raise UserError(f"{path} lists {row.path} twice, differently.", "Delete the wrong one of the two rows.")
    return rows


def readable_rows(path: Path) -> tuple[list[VideoRow], list[UserError]]:
    """The legal rows of a manifest file that may be damaged, and what is wrong with the others.

    Of a file that is no JSON any more, the rows that are whole are read.
    """
    rows, refused = list[VideoRow](), list[UserError]()
    try:
        documents = list(_documents(path))
    except UserError as error:
        refused.append(error)
        documents = list(_whole_documents(path))
    for document, source in documents:
        try:
            rows.append(_row(document, source))
        except UserError as error:
            refused.append(error)
    return rows, refused


def _whole_documents(path: Path) -> Iterator[tuple[Any, str]]:
    """The objects that can still be read in a damaged file, one after the other."""
    text, decoder = path.read_text(encoding="utf-8", errors="replace"), json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield document, f"{path}, at character {start}"
        start = text.find("{", end)


def _documents(path: Path) -> Iterator[tuple[Any, str]]:
    """The rows of a manifest file as they stand there, and where that is."""
    documents = read_json(path, what="manifest", fix="Generate again; finished videos are kept.")
    if not isinstance(documents, list):
        raise UserError(f"{path} is not a list of videos.", "Give a manifest that this toolkit wrote.")
    for number, document in enumerate(documents, start=1):
        yield document, f"{path}, video {number}"


def _row(document: Any, source: str) -> VideoRow:
    try:
        row = VideoRow.model_validate(document)
    except ValidationError as error:
        raise explain(error, VideoRow, source) from error
    try:
        row.key()
    except UserError as error:
        raise UserError(f"{source}: {error.problem}", error.fix) from error
    return row


def load_video_set(root: Path) -> VideoSet:
    """Read the protocol and merge all manifests of a set; rows are sorted by key, equal rows are kept once.

    A row that is not legal, and all rows of a key that do not agree, become problems of the set; the rest stays.

    Raises:
        UserError: There is no manifest or protocol, the protocol cannot be read, no row is legal, or the videos are
            not of one model, training run, suite and horizon.
    """
    paths = manifest_files(root)
    if not paths:
        raise UserError(f"There is no manifest in {root}.", "Give a folder of videos that this toolkit generated.")
    problems: list[Problem] = []
    versions: dict[tuple[SampleKey, int], dict[VideoRow, Path]] = {}
    refused: UserError | None = None
    for path in paths:
        readable, mistakes = readable_rows(path)
        for mistake in mistakes:
            refused = mistake
            problems.append(Problem(path, mistake.problem))
        for row in readable:
            versions.setdefault((row.key(), row.clip), {}).setdefault(row, path)
    problems += [_contradiction(rows) for rows in versions.values() if len(rows) > 1]
    rows = tuple(next(iter(versions[key])) for key in sorted(versions) if len(versions[key]) == 1)
    if not rows and refused is not None:
        raise refused
    _check_one_source(root, rows)
    return VideoSet(root, rows, read_protocol(root), tuple(problems))


def _contradiction(rows: Mapping[VideoRow, Path]) -> Problem:
    first, second = list(rows.items())[:2]
    name = first[0].key().filename()
    where = "twice" if first[1] == second[1] else f"unlike {first[1].name}"
    return Problem(second[1], f"lists {name} {where}, differently, so that no such video counts")


def _check_one_source(root: Path, rows: Iterable[VideoRow]) -> None:
    sources = {(row.model, row.training_run, row.suite, row.horizon) for row in rows}
    for index, name in enumerate(("model", "training run", "suite", "horizon")):
        found = sorted({source[index] for source in sources})
        if len(found) > 1:
            raise UserError(
                f"The manifests in {root} list videos of more than one {name}: {', '.join(map(repr, found))}.",
                "Keep the videos of one model, training run, suite and horizon in a folder.",
            )


def manifest_files(root: Path) -> list[Path]:
    """All manifests of a folder, of however many writers."""
    return sorted(path for path in root.glob("manifest*.json") if not is_temporary(path))
