"""VBench-Long's slow-fast consistency of a run's videos, by the networks of the fast backend."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from probekit.atomic_files import write_csv, write_json
from probekit.errors import UserError
from probekit.evaluation.clips import clip_spans
from probekit.evaluation.scorer import NotRun, ScoringInput
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.reading import VideoReading
from probekit.evaluation.vbench.fast.scorers import fast_scorers
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.slow_fast import MappingTable, read_mapping_table, slow_fast_video
from probekit.media.video_files import read_video
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.video_set import Problem, VideoRow
from probekit.suites.dimension_constants import VBENCH
from probekit.user_files.json_files import read_json

_log = logging.getLogger("probekit")

TABLE_FILES: Final[Mapping[str, str]] = {
    name: row.mapping_table for name, row in VBENCH.items() if row.mapping_table is not None
}
"""File names of vbench2_beta_long/configs in VBench's repository."""
RECORD: Final = "slow_fast.json"
TABLE: Final = "slow_fast.csv"


class Fusion(NamedTuple):
    """How the two terms are fused; (1, 0) is the official default, (0.5, 0.5) its `--dev_flag`.

    Attributes:
        tables: folder of the files of `TABLE_FILES`; needed unless `w_clip2clip` is 0.
        w_inclip: weight of the mean over clips.
        w_clip2clip: weight of the mapped score from clip to clip.
    """

    tables: Path | None = None
    w_inclip: float = 1.0
    w_clip2clip: float = 0.0


class SlowFastRow(NamedTuple):
    """One video in one dimension; see `SlowFastScore` for the scores."""

    prompt_id: str
    sample: int
    dimension: str
    clips: int
    inclip: float
    clip2clip: float | None
    mapped: float | None
    fused: float
    video_sha256: str
    scorer_id: str


class SlowFastRun(NamedTuple):
    """What a run has now: rows, videos that could not be read, dimensions without weights."""

    rows: tuple[SlowFastRow, ...]
    problems: tuple[Problem, ...]
    not_run: tuple[NotRun, ...]


def slow_fast_run(run: Path, out: Path, fusion: Fusion, settings: FastSettings) -> SlowFastRun:
    """Score every video of a run that has no row yet, and write `slow_fast.json` and `slow_fast.csv`.

    The first frames of clips are read by the same network as the clips, as VBench-Long does without `--dev_flag`.

    Args:
        run: run folder.
        out: folder for the results; rows of unchanged videos, weights and settings are kept.
        fusion: weights and mapping tables.
        settings: settings of the networks.

    Raises:
        UserError: if a mapping table is missing, or `out` holds another file of that name.
    """
    if fusion.tables is None and fusion.w_clip2clip:
        raise UserError("Fusion needs VBench-Long's two mapping tables.", "Give --tables, or the weights 1,0.")
    video_set = load_video_set(run)
    available = fast_scorers(settings)
    tables = {dimension: _table(dimension, fusion) for dimension in TABLE_FILES}
    ids = {name: _id(name, scorer_id, fusion) for name, scorer_id in available.ids().items() if name in TABLE_FILES}
    rows, problems = _known(out, video_set.rows, ids), list[Problem]()
    networks = NetworkSet(settings)
    for row in track(video_set.rows, "scoring clips"):
        missing = {name: ids[name] for name in ids if (row.prompt_id, row.sample, name) not in rows}
        if not missing:
            continue
        try:
            new = list(_score(video_set.root / row.path, row, missing, networks, tables, fusion))
        except UserError as error:
            problems.append(Problem(video_set.root / row.path, error.problem))
            continue
        rows |= {(each.prompt_id, each.sample, each.dimension): each for each in new}
        write_json(out / RECORD, [each._asdict() for each in rows.values()])
    ordered = tuple(rows[key] for key in sorted(rows))
    write_csv(out / TABLE, pd.DataFrame(ordered, columns=SlowFastRow._fields))
    lacking = tuple(each for each in available.not_run if each.dimension in TABLE_FILES)
    return SlowFastRun(ordered, tuple(problems), lacking)


def _table(dimension: str, fusion: Fusion) -> MappingTable | None:
    return None if fusion.tables is None else read_mapping_table(fusion.tables / TABLE_FILES[dimension])


def _id(dimension: str, scorer_id: str, fusion: Fusion) -> str:
    table = "" if fusion.tables is None else f",{sha256_file(fusion.tables / TABLE_FILES[dimension])[:8]}"
    return f"{scorer_id}+slow-fast={fusion.w_inclip:g},{fusion.w_clip2clip:g}{table}"


_Rows = dict[tuple[str, int, str], SlowFastRow]


def _recorded(path: Path) -> list[SlowFastRow]:
    """The rows of a record. One that is no JSON any more is set aside, and its videos are scored again."""
    try:
        documents = read_json(path, what="record of slow-fast scores", fix="Score again.")
    except UserError as error:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        _log.warning("%s It is now called %s, and its videos are scored again.", error.problem, aside.name)
        return []
    try:
        return [SlowFastRow(**document) for document in documents]
    except TypeError as error:
        raise UserError(f"{path} is no record of slow-fast scores: {error}.", "Choose another --out.") from error


def _known(out: Path, videos: tuple[VideoRow, ...], ids: Mapping[str, str]) -> _Rows:
    """Rows of an earlier run that would be the same today."""
    path = out / RECORD
    rows = _recorded(path) if path.is_file() else []
    hashes = {(video.prompt_id, video.sample): video.sha256 for video in videos}
    return {
        (row.prompt_id, row.sample, row.dimension): row
        for row in rows
        if hashes.get((row.prompt_id, row.sample)) == row.video_sha256 and ids.get(row.dimension) == row.scorer_id
    }


def _score(
    path: Path,
    row: VideoRow,
    ids: Mapping[str, str],
    networks: NetworkSet,
    tables: Mapping[str, MappingTable | None],
    fusion: Fusion,
) -> Iterator[SlowFastRow]:
    frames = read_video(path, expect_frames=row.n_frames).frames
    reading = VideoReading(ScoringInput(frames, row.fps, row.prompt), networks, frozenset(ids))
    spans = clip_spans(row.n_frames, row.fps, "vbench-long")
    for dimension in sorted(ids):
        score = slow_fast_video(
            reading.of_frames(dimension).numpy(),
            spans,
            table=tables[dimension],
            w_inclip=fusion.w_inclip,
            w_clip2clip=fusion.w_clip2clip,
        )
        yield SlowFastRow(row.prompt_id, row.sample, dimension, len(spans), *score, row.sha256, ids[dimension])
