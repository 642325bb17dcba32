"""The score files of a folder: Parquet files of many writers, and the journals that make them survive a kill.

A row is appended to its writer's journal as soon as it is there, and journals are moved into Parquet files from time to
time. The next process to open the folder, under any name, recovers the rows that only a dead writer's journal holds. A
row that is in two files is kept once by every reader of the table. Damaged lines and files cost themselves, with their
names; everything else stays.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from probekit.atomic_files import is_temporary
from probekit.errors import UserError
from probekit.journal import Entry, Journal, name_damaged_line, read_journal
from probekit.run_folder.score_key import ScoreKey
from probekit.run_folder.score_table import (
    SCORES_FOLDER,
    DamagedScores,
    ScoreRow,
    check_rows,
    read_scores,
    score_rows,
    write_scores,
)
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow
from probekit.run_folder.writers import is_at_work, writer_name, writing

JOURNAL_SUFFIX: Final = ".journal.jsonl"
DAMAGED_SUFFIX: Final = ".damaged"
"""Added to the name of a file that cannot be read, so that nobody reads it and nothing is lost."""

_WORK: Final = "score"
_log = logging.getLogger("probekit")


class Version(NamedTuple):
    """What a score was computed from."""

    video_sha256: str
    scorer_id: str


Versions = Mapping[ScoreKey, Version]


def score_key(row: VideoRow | ScoreRow, dimension: str, clip: int) -> ScoreKey:
    """The key of a video's score."""
    return ScoreKey(row.model, row.training_run, row.suite, row.horizon, row.prompt_id, row.sample, clip, dimension)


class ScoreStore:
    """One writer's access to a score folder; use it as a context manager.

    From the first call on no other process can write the same share of the folder.

    Args:
        out: the score folder.
        shard: the writer's share of the work, which names its files; None for all.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        self._folder = out / SCORES_FOLDER
        self._shard = shard
        self._writer = writer_name(shard)
        self._journal_path = self._folder / f"{self._writer}{JOURNAL_SUFFIX}"
        self._journal = Journal(self._journal_path, synced=True)
        self._rows: list[ScoreRow] = []
        self._number = 0
        self._claim = ExitStack()
        self._claimed = False

    def __enter__(self) -> Self:
        """Claim the share. Raises UserError if another process writes it."""
        self._claim_share()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let others write the share. Rows that were not flushed stay in the journal."""
        self._journal.close()
        self._claim.close()
        self._claimed = False

    def finished(self, wanted: Versions) -> set[ScoreKey]:
        """Keys whose scores are there, from any worker.

        Rows of older versions, and of clips of another clip rule, are removed from the Parquet files; rows that only
        the journal of a dead writer holds get a Parquet file. A Parquet file that cannot be read is set aside.

        Args:
            wanted: versions that the scores should have; videos and dimensions that are not in it are left alone.

        Raises:
            UserError: another process writes this share, or a Parquet file breaks a rule or cannot be written.
        """
        self._claim_share()
        whole = {key._replace(clip=0) for key in wanted}
        done: set[ScoreKey] = set()
        for path in self._parquet_files():
            rows = _rows_of(path)
            current = [row for row in rows if not _outdated(row, wanted, whole)]
            if rows and not current:
                path.unlink(missing_ok=True)
            elif len(current) < len(rows):
                write_scores(path, current)
            done |= {_key_of(row) for row in current}
        return done | self._recovered(done, wanted, whole)

    def _recovered(self, done: set[ScoreKey], wanted: Versions, whole: set[ScoreKey]) -> set[ScoreKey]:
        """Keys that only journals hold. Those of dead writers are moved into a Parquet file."""
        living, dead = dict[ScoreKey, ScoreRow](), dict[ScoreKey, ScoreRow]()
        left = list[Path]()
        for path in sorted(self._folder.glob(f"*{JOURNAL_SUFFIX}")):
            is_left = path == self._journal_path or not is_at_work(
                self._folder, _WORK, path.name.removesuffix(JOURNAL_SUFFIX)
            )
            rows = {_key_of(row): row for row in _journaled(path) if not _outdated(row, wanted, whole)}
            (dead if is_left else living).update(rows)
            left += [path] if is_left else []
        recovered = [row for key, row in dead.items() if key not in done]
        if recovered:
            write_scores(self._free_path(), recovered)
        for path in left:
            path.unlink(missing_ok=True)
        return living.keys() | dead.keys()

    def add(self, row: ScoreRow) -> None:
        """Keep a row: from now on a kill of the process, or a power cut, does not lose it.

        Raises:
            UserError: another process writes this share, or the journal cannot be written.
        """
        self._claim_share()
        self._journal.append(row)
        self._rows.append(row)

    def flush(self) -> None:
        """Move the kept rows from the journal into a Parquet file. Raises UserError where it cannot be written."""
        if self._rows:
            write_scores(self._free_path(), self._rows)
            self._rows = []
            self._journal.remove()

    def _claim_share(self) -> None:
        if not self._claimed:
            self._claim.enter_context(writing(self._folder, _WORK, self._shard))
            self._claimed = True

    def _parquet_files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.parquet") if not is_temporary(path))

    def _free_path(self) -> Path:
        """A file name of this writer that is not taken yet; those before were looked for already."""
        while (path := self._folder / f"{self._writer}-{self._number:04d}.parquet").exists():
            self._number += 1
        return path


def _outdated(row: ScoreRow, wanted: Versions, whole: set[ScoreKey]) -> bool:
    key = _key_of(row)
    return key._replace(clip=0) in whole and wanted.get(key) != (row.video_sha256, row.scorer_id)


def _key_of(row: ScoreRow) -> ScoreKey:
    return score_key(row, row.dimension, row.clip)


def _journaled(path: Path) -> Iterator[ScoreRow]:
    """The rows of a journal that are whole and legal; others are named in a warning."""
    for entry in read_journal(path):
        try:
            yield _row_of(entry, path)
        except UserError as error:
            name_damaged_line(path, entry.number, error.problem)


def _row_of(entry: Entry, path: Path) -> ScoreRow:
    if not isinstance(entry.value, list) or len(entry.value) != len(ScoreRow._fields):
        raise UserError("it is no row of a score table", "Score again.")
    row = ScoreRow(*entry.value)
    check_rows([row], path)
    return row


def _set_aside(path: Path, error: DamagedScores) -> None:
    aside = path.with_name(path.name + DAMAGED_SUFFIX)
    path.replace(aside)
    _log.warning("%s It is now called %s, and its videos are scored again.", error.problem, aside.name)


def _rows_of(path: Path) -> list[ScoreRow]:
    try:
        return score_rows(read_scores(path))
    except UserError as error:
        if not path.exists():
            return []  # another writer has just removed it, since all of it was outdated
        if not isinstance(error, DamagedScores):
            raise
        _set_aside(path, error)
        return []
