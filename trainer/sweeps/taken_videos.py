"""Videos and scores of a run that several tables share: made once, and taken over under each table's name."""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.atomic_files import atomic_folder
from probekit.run_folder.manifest import load_video_set, manifest_files, write_manifest
from probekit.run_folder.protocol_card import ProtocolCard, write_protocol
from probekit.run_folder.score_table import (
    SCORES_FOLDER,
    ScoreRow,
    has_scores,
    read_scores,
    score_rows,
    write_scores,
)
from probekit.run_folder.video_set import VideoRow, VideoSet
from probekit.suites.registry import planned_dimensions
from probekit.suites.suite import Suite
from trainer.commands.training import TAKEN
from trainer.sweeps.reuse import runs_with, taken_from

LOGGER = logging.getLogger("trainer")

_VIDEOS = "videos*"
_SCORES = "all-0000.parquet"


def take_videos(run: Path, videos: Path, suite: Suite, shelf: Path) -> bool:
    """Take a suite's videos and scores from a run with the same weights; whether there were any.

    A run's weights are those of another one if it was taken from it, or both were taken from a third. Videos are linked
    where the disk can, since no command changes one; rows get the run's own name.

    Args:
        run: run folder of a trained row.
        videos: run folder of its videos; one that holds some is left alone.
        suite: what is wanted; the other run may have more of it.
        shelf: folder of all sweeps.

    Raises:
        UserError: if files of the other run are damaged.
    """
    if manifest_files(videos):
        return False
    for source in _of_same_weights(run, shelf):
        found = load_video_set(source)
        if (rows := _wanted(found, suite)) and (scores := _scores_of(found, rows)):
            _take(found, rows, scores, videos, suite, run.name)
            LOGGER.info("%s: taken from %s, which has the same weights", videos, source)
            return True
    return False


def _of_same_weights(run: Path, shelf: Path) -> Iterator[Path]:
    """Folders with videos of the run that this one was taken from, and of the others that were."""
    origin = _origin(run)
    for other in (origin, *(twin for twin in runs_with(TAKEN, shelf) if _origin(twin) == origin)):
        if other.resolve() != run.resolve():
            yield from (folder for folder in sorted(other.glob(_VIDEOS)) if manifest_files(folder))


def _origin(run: Path) -> Path:
    return (taken_from(run) or run).resolve()


def _wanted(found: VideoSet, suite: Suite) -> list[VideoRow]:
    """The set's rows of a suite; none if one is not there, or was made or is scored by another text."""
    size = {"file_hash", "n_prompts", "samples"}
    if suite.card().model_dump(exclude=size) != found.protocol.prompts.model_dump(exclude=size):
        return []
    keys, texts = set(suite.keys()), suite.generation_texts()
    rows = [row for row in found.rows if row.key() in keys]
    whole = {row.key() for row in rows} == keys and all(row.prompt == texts[row.prompt_id] for row in rows)
    return rows if whole else []


def _scores_of(found: VideoSet, rows: Sequence[VideoRow]) -> list[ScoreRow]:
    """Scores of videos; none if a dimension that was scored lacks one of them, as while they are being scored."""
    if not has_scores(found.root):
        return []
    keys = {(row.prompt_id, row.sample) for row in rows}
    table = score_rows(read_scores(found.root / SCORES_FOLDER))
    scores = [score for score in table if (score.prompt_id, score.sample) in keys]
    there = {(score.prompt_id, score.sample, score.dimension, score.video_sha256) for score in scores}
    for row in rows:
        planned = planned_dimensions(row.suite, row.prompt_id)
        dimensions = [name for name in found.protocol.scorers if planned is None or name in planned]
        if any((row.prompt_id, row.sample, name, row.sha256) not in there for name in dimensions):
            return []
    return scores


def _take(
    found: VideoSet, rows: Sequence[VideoRow], scores: Sequence[ScoreRow], videos: Path, suite: Suite, model: str
) -> None:
    with atomic_folder(videos) as unfinished:
        for row in rows:
            _link(found.root / row.path, unfinished / row.path)
        write_scores(unfinished / SCORES_FOLDER / _SCORES, [score._replace(model=model) for score in scores])
        write_protocol(unfinished, _card(found.protocol, suite, model))
        write_manifest(unfinished, [row.model_copy(update={"model": model}) for row in rows])


def _card(card: ProtocolCard, suite: Suite, model: str) -> ProtocolCard:
    """The other run's card with the size of this suite; software and command stay those that made the videos."""
    generation = card.generation.model_copy(update={"model": model})
    return card.model_copy(update={"generation": generation, "prompts": suite.card()})


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
