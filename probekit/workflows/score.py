"""Scoring run folders and tables of videos."""

from pathlib import Path
from typing import Final

from probekit.atomic_files import write_json, write_text
from probekit.choices import Backbone, Backend, ClipRule, ScoringSuite
from probekit.errors import UserError
from probekit.evaluation.clips import WHOLE, ClipRow, clip_table
from probekit.evaluation.reference.lpips import lpips_metric
from probekit.evaluation.reference.metrics import ReferenceMetric, reference_metrics
from probekit.evaluation.reference.scoring import score_folder_pairs
from probekit.evaluation.scoring.absent_videos import write_absent_scores
from probekit.evaluation.scoring.runner import ScoringSummary, score_video_set
from probekit.evaluation.scoring.time_limit import SECONDS_PER_SCORE
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.reporting.table import Table, fields
from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.score_table import write_scores
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoSet
from probekit.user_files.tables import is_table_name
from probekit.workflows.import_videos import import_any, import_for_suite

REFERENCE_SCORES = "reference_scores.parquet"
REFERENCE_PROTOCOL = "reference_protocol.json"
"""The card of those scores: the run's, with the metrics and the hash of the reference set as scorers."""
CLIP_TABLE = "clips.csv"
DEFAULT_BACKEND: Final[Backend] = "free"


def runs_to_score(target: Path, out: Path | None, suite: ScoringSuite | None = None) -> tuple[list[Path], list[str]]:
    """The run folders that a target stands for, and what could not be read of it.

    Args:
        target: a run folder, or a table or folder of videos from elsewhere.
        out: parent of the run folders that a table or folder of videos makes.
        suite: suite to score by in place of the run's own; its scores get a run folder of their own in `out`.

    Raises:
        UserError: if videos from elsewhere, or of another suite, come without `out`; or other run folders with it.
    """
    if target.is_dir() and manifest_files(target):
        if suite is not None and (video_set := load_video_set(target)).rows[0].suite != suite:
            if out is None:
                raise UserError(f"{target} is a run of another suite than {suite}.", "Give --out for its new scores.")
            return [import_for_suite(video_set, suite, out)], []
        if out is not None:
            raise UserError(f"{target} is a run folder; its scores are written into it.", "Leave out --out.")
        return [target], []
    if not (is_table_name(target) and target.is_file()) and not target.is_dir():
        raise UserError(
            f"There is no folder or table of videos {target}.", "Give a run folder, a folder or a table of videos."
        )
    if out is None:
        raise UserError(f"{target} has no manifest, and no folder for scores.", "Give --out to import its videos.")
    runs, problems = import_any([target], out, suite=suite)
    return runs, [f"{problem.path}: {problem.problem}" for problem in problems]


def score_run(
    run: Path,
    shard: Shard | None = None,
    clips: ClipRule = WHOLE,
    *,
    backend: Backend = DEFAULT_BACKEND,
    workers: int | None = None,
    settings: FastSettings | None = None,
    seconds: float | None = SECONDS_PER_SCORE,
) -> ScoringSummary:
    """Score the videos of a run folder that have no scores yet, into the folder itself.

    Args:
        run: run folder.
        shard: this worker's share.
        clips: what of a video is scored together.
        backend: which implementation scores VBench's dimensions.
        workers: processes that share the videos and survive a crash; None scores in this process.
        settings: settings of the fast backend.
        seconds: time that one score of one video may take before it is given up and reported; None is for ever.

    Raises:
        UserError: as `score_video_set`.
    """
    video_set = load_video_set(run)
    summary = score_video_set(
        video_set,
        run,
        shard=shard,
        backend=backend,
        workers=workers,
        clips=clips,
        settings=settings,
        seconds=seconds,
    )
    _describe_clips(video_set, run / CLIP_TABLE, clips)
    write_absent_scores(video_set, run)
    return summary._replace(failures=(*video_set.problems, *summary.failures))


def _describe_clips(video_set: VideoSet, path: Path, rule: ClipRule) -> None:
    """Say beside the scores which frames each clip has; whole videos need no table."""
    if rule == WHOLE:
        path.unlink(missing_ok=True)
    else:
        videos = [(row.key().filename(), row.n_frames, row.fps) for row in video_set.rows]
        write_text(path, Table(fields(ClipRow._fields), clip_table(videos, rule)).csv())


def score_against_reference(run: Path, reference: Path, lpips: Backbone | None) -> Path:
    """Score a run's videos against those of the same key, or file name, in another folder; returns the table's path.

    Raises:
        UserError: if the weights of LPIPS are missing.
    """
    metrics: list[ReferenceMetric] = list(reference_metrics())
    if lpips is not None:
        metrics.append(lpips_metric(lpips))
    scores = score_folder_pairs(run, reference, metrics)
    path = run / REFERENCE_SCORES
    write_scores(path, scores.rows)
    card = read_protocol(run).model_copy(update={"scorers": {row.dimension: row.scorer_id for row in scores.rows}})
    write_json(run / REFERENCE_PROTOCOL, card.model_dump(mode="json"))
    return path
