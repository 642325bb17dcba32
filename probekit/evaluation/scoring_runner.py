"""Scores a video set: resumable by video and scorer, shardable, one broken video costs one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import is_temporary
from probekit.errors import UserError
from probekit.evaluation.generation_runner import claim_folder
from probekit.evaluation.manifest import Shard
from probekit.evaluation.protocol_card import read_protocol, write_protocol
from probekit.evaluation.score_table import SCORES_FOLDER, ScoreRow, read_scores, write_scores
from probekit.evaluation.scorers import NotRun, Scorer, ScorerSet, ScoringInput, scorers_for
from probekit.evaluation.video_set import Problem, VideoRow, VideoSet
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.video_files import read_video

VIDEOS_PER_FILE = 25


class ScoringSummary(NamedTuple):
    """What a run of the scorers did.

    Attributes:
        n_scored: videos of this shard that have all their scores now, new ones and those of earlier runs.
        failures: videos that could not be scored, and why; they have no rows.
        not_run: dimensions that this toolkit cannot score.
    """

    n_scored: int
    failures: tuple[Problem, ...]
    not_run: tuple[NotRun, ...]


class _ScoreKey(NamedTuple):
    """One video and dimension of a score table."""

    model: str
    training_run: str
    suite: str
    horizon: str
    prompt_id: str
    sample: int
    clip: int
    dimension: str


class _Version(NamedTuple):
    """What a score was computed from."""

    video_sha256: str
    scorer_id: str


_Versions = dict[_ScoreKey, _Version]


def score_video_set(
    video_set: VideoSet, out: Path, shard: Shard | None = None, *, videos_per_file: int = VIDEOS_PER_FILE
) -> ScoringSummary:
    """Score the videos of a set that have no scores yet, or older ones, in the score folder `out`.

    Rows go to `out/scores` in Parquet files of `videos_per_file` videos, each written atomically, so an interruption
    loses at most that many; `out/protocol.json` gets the scorers. The merged table does not depend on how the work was
    shared or interrupted. Rows of a video that was made again, or of another version of a scorer, are replaced; rows of
    other dimensions are left alone.

    Args:
        video_set: what to score.
        out: score folder, often the folder of the set itself.
        shard: this worker's share; None scores all.
        videos_per_file: videos of each Parquet file.

    Raises:
        UserError: if `out` belongs to another set, holds damaged scores, or cannot be written.
    """
    suite = scorers_for(video_set.protocol.prompts.suite)
    _describe(video_set, suite, out)
    wanted = {key: version for row in video_set.rows for key, version in _versions(row, suite.scorers).items()}
    done = _finished(out, wanted)
    rows = video_set.rows if shard is None else video_set.rows[shard.index :: shard.count]
    missing = [row for row in rows if not _versions(row, suite.scorers).keys() <= done]
    failures: list[Problem] = []
    files = _free_files(out, shard)
    batch: list[ScoreRow] = []
    try:
        for number, row in enumerate(track(missing, "scoring videos"), start=1):
            batch += _score(video_set.root, row, suite.scorers, failures)
            if number % videos_per_file == 0 and batch:
                write_scores(next(files), batch)
                batch = []
    finally:  # also when interrupted: what was scored is kept
        if batch:
            write_scores(next(files), batch)
    return ScoringSummary(len(rows) - len(failures), tuple(failures), suite.not_run)


def _describe(video_set: VideoSet, suite: ScorerSet, out: Path) -> None:
    claim_folder(out, video_set.protocol)
    card = read_protocol(out)
    write_protocol(out, card.model_copy(update={"scorers": {**card.scorers, **suite.ids()}}))


def _key(row: VideoRow | ScoreRow, dimension: str) -> _ScoreKey:
    return _ScoreKey(
        row.model, row.training_run, row.suite, row.horizon, row.prompt_id, row.sample, row.clip, dimension
    )


def _versions(row: VideoRow, scorers: tuple[Scorer, ...]) -> _Versions:
    """What the scores of a video must have been computed from."""
    return {_key(row, scorer.dimension): _Version(row.sha256, scorer.scorer_id) for scorer in scorers}


def _finished(out: Path, wanted: _Versions) -> set[_ScoreKey]:
    """Keys whose scores are there. Rows of older versions are removed from their files."""
    done: set[_ScoreKey] = set()
    for path in _score_files(out):
        rows = [ScoreRow(*values) for values in _records(path)]
        current = [row for row in rows if not _outdated(row, wanted)]
        if not current:
            path.unlink(missing_ok=True)
        elif len(current) < len(rows):
            write_scores(path, current)
        done |= {_key(row, row.dimension) for row in current}
    return done


def _outdated(row: ScoreRow, wanted: _Versions) -> bool:
    version = wanted.get(_key(row, row.dimension))
    return version is not None and version != (row.video_sha256, row.scorer_id)


def _score_files(out: Path) -> list[Path]:
    return sorted(path for path in (out / SCORES_FOLDER).glob("*.parquet") if not is_temporary(path))


def _records(path: Path) -> Iterator[tuple[Any, ...]]:
    table = read_scores(path)
    return table.astype(object).where(table.notna(), None).itertuples(index=False, name=None)


def _free_files(out: Path, shard: Shard | None) -> Iterator[Path]:
    """File names of this worker that are not taken yet."""
    worker = "all" if shard is None else f"shard-{shard.index}-of-{shard.count}"
    number = 0
    while True:
        path = out / SCORES_FOLDER / f"{worker}-{number:04d}.parquet"
        if not path.exists():
            yield path
        number += 1


def _score(root: Path, row: VideoRow, scorers: tuple[Scorer, ...], failures: list[Problem]) -> list[ScoreRow]:
    """All rows of one video; none, and a failure, if it is not what the manifest says or does not fit the suite."""
    try:
        video = _open(root / row.path, row)
        return [_score_row(row, scorer, video) for scorer in scorers]
    except UserError as error:
        failures.append(Problem(root / row.path, error.problem))
        return []


def _open(path: Path, row: VideoRow) -> ScoringInput:
    clip = read_video(path, expect_frames=row.n_frames)
    if sha256_file(path) != row.sha256:
        raise UserError(f"{path} changed after its manifest was written.", "generate or copy the set again.")
    return ScoringInput(clip.frames, clip.fps, row.prompt, row.prompt_id, path)


def _score_row(row: VideoRow, scorer: Scorer, video: ScoringInput) -> ScoreRow:
    score = scorer.score(video)
    low, high = scorer.range
    return ScoreRow(
        **_key(row, scorer.dimension)._asdict(),
        **score._asdict(),
        unit=scorer.unit,
        range_low=low,
        range_high=high,
        scorer_id=scorer.scorer_id,
        video_sha256=row.sha256,
    )
