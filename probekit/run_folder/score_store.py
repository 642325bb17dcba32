"""The score files of a folder: Parquet files of many writers, and the journals that make them survive a kill.

A row is appended to its writer's journal as soon as it is there, and journals are moved into Parquet files from time to
time. Whoever opens the folder next, under whatever name, takes over what only a journal holds; a row that thereby
stands in two files is kept once by every reader of the table.
"""

import json
import operator
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from probekit.atomic_files import is_temporary
from probekit.errors import UserError
from probekit.run_folder.score_key import ScoreKey
from probekit.run_folder.score_table import SCORES_FOLDER, ScoreRow, read_scores, score_rows, write_scores
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow

JOURNAL_SUFFIX = ".journal.jsonl"


class Version(NamedTuple):
    """What a score was computed from."""

    video_sha256: str
    scorer_id: str


Versions = Mapping[ScoreKey, Version]


def score_key(row: VideoRow | ScoreRow, dimension: str, clip: int) -> ScoreKey:
    """The key of a video's score."""
    return ScoreKey(row.model, row.training_run, row.suite, row.horizon, row.prompt_id, row.sample, clip, dimension)


class ScoreStore:
    """One writer's access to a score folder.

    Args:
        out: the score folder.
        shard: the writer's share of the work, which names its files; None for all.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        self._folder = out / SCORES_FOLDER
        self._writer = "all" if shard is None else f"shard-{shard.index}-of-{shard.count}"
        self._journal_path = self._folder / f"{self._writer}{JOURNAL_SUFFIX}"
        self._journal: IO[bytes] | None = None
        self._rows: list[ScoreRow] = []

    def finished(self, wanted: Versions) -> set[ScoreKey]:
        """Keys whose scores are there, whoever wrote them.

        Rows of older versions, and of clips of another clip rule, are removed from the Parquet files; rows that only a
        journal holds get a Parquet file.

        Args:
            wanted: versions that the scores should have; videos and dimensions that are not in it are left alone.

        Raises:
            UserError: if a Parquet file is damaged or cannot be written.
        """
        whole = {key._replace(clip=0) for key in wanted}
        done: set[ScoreKey] = set()
        for path in self._parquet_files():
            rows = _rows_of(path)
            current = [row for row in rows if not _outdated(row, wanted, whole)]
            if not current:
                path.unlink(missing_ok=True)
            elif len(current) < len(rows):
                write_scores(path, current)
            done |= {_key_of(row) for row in current}
        journaled = {_key_of(row): row for row in self._journaled() if not _outdated(row, wanted, whole)}
        recovered = [row for key, row in journaled.items() if key not in done]
        if recovered:
            write_scores(self._free_path(), recovered)
        self._journal_path.unlink(missing_ok=True)
        return done | journaled.keys()

    def add(self, row: ScoreRow) -> None:
        """Keep a row: from now on a kill of the process does not lose it."""
        if self._journal is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._journal = self._journal_path.open("ab")
        self._journal.write(json.dumps(row, default=operator.methodcaller("item")).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._rows.append(row)

    def flush(self) -> None:
        """Move the kept rows from the journal into a Parquet file. Raises UserError where it cannot be written."""
        if self._rows:
            write_scores(self._free_path(), self._rows)
            self._rows = []
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            self._journal_path.unlink(missing_ok=True)

    def _parquet_files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.parquet") if not is_temporary(path))

    def _journaled(self) -> Iterator[ScoreRow]:
        for path in sorted(self._folder.glob(f"*{JOURNAL_SUFFIX}")):
            for line in _lines_of(path):
                if line.endswith(b"\n"):  # the last line of a killed writer may be half
                    yield ScoreRow(*json.loads(line))

    def _free_path(self) -> Path:
        """A file name of this writer that is not taken yet."""
        number = 0
        while (path := self._folder / f"{self._writer}-{number:04d}.parquet").exists():
            number += 1
        return path


def _outdated(row: ScoreRow, wanted: Versions, whole: set[ScoreKey]) -> bool:
    key = _key_of(row)
    return key._replace(clip=0) in whole and wanted.get(key) != (row.video_sha256, row.scorer_id)


def _key_of(row: ScoreRow) -> ScoreKey:
    return score_key(row, row.dimension, row.clip)


def _lines_of(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:  # its writer has just moved it into a Parquet file
        return []


def _rows_of(path: Path) -> list[ScoreRow]:
    try:
        return score_rows(read_scores(path))
    except UserError:
        if path.exists():
            raise
        return []  # another writer has just removed it, since all of it was outdated
