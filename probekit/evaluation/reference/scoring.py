"""Score videos against reference videos: one row per video and metric, the mean over frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import Frames, Resampling
from probekit.evaluation.reference.metrics import ReferenceMetric, compare_videos, comparison_id
from probekit.evaluation.reference.pairing import ComparedVideo, PairedVideos, VideoPair, pair_folders
from probekit.media.video_files import read_video
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.run_folder.score_table import ScoreRow


class PairScores(NamedTuple):
    """Rows of the score table, null with a reason where a pair could not be compared."""

    rows: tuple[ScoreRow, ...]
    unmatched_references: tuple[Path, ...]
    """References that no video was found for: videos that were perhaps never generated."""


class _Value(NamedTuple):
    value: float | None
    reason: str | None


def score_folder_pairs(
    samples: Path, reference: Path, metrics: Sequence[ReferenceMetric], *, resize: Resampling | None = None
) -> PairScores:
    """Score every video in `samples` against its partner in `reference`; see `score_pairs` and `pair_folders`."""
    return score_pairs(pair_folders(samples, reference), metrics, resize=resize)


def score_pairs(
    paired: PairedVideos, metrics: Sequence[ReferenceMetric], *, resize: Resampling | None = None
) -> PairScores:
    """Score every pair with every metric.

    A missing partner, a file that cannot be decoded, different lengths, or different sizes without `resize` give null
    rows that say so; the other pairs are scored. The scorer id is the metric's id, the resampling filter where one is
    given, and the hash of the reference set, so that scores against different references are never taken for the same.

    Args:
        paired: pairs from `pair_folders` or `pair_videos`.
        metrics: `reference_metrics()` and, where wanted, `lpips_metric(...)`.
        resize: filter that brings a video to its reference's size; None refuses different sizes.
    """
    suffix = f"+reference-{paired.reference_hash}"
    rows = [
        _row(pair.sample, metric, value, comparison_id(metric, resize) + suffix)
        for pair in track(paired.pairs, "comparing with the reference")
        for metric, value in zip(metrics, _values(pair, metrics, resize), strict=True)
    ]
    return PairScores(tuple(rows), tuple(video.path for video in paired.unmatched_references))


def _values(pair: VideoPair, metrics: Sequence[ReferenceMetric], resize: Resampling | None) -> list[_Value]:
    if pair.reference is None:
        return [_Value(None, f"no partner for {pair.sample.match} in the reference set")] * len(metrics)
    try:
        reference, sample = _frames(pair.reference), _frames(pair.sample)
    except UserError as error:
        return [_Value(None, error.problem)] * len(metrics)
    return [_compared(metric, reference, sample, resize) for metric in metrics]


def _frames(video: ComparedVideo) -> Frames:
    frames = read_video(video.path).frames
    if sha256_file(video.path) != video.sha256:
        raise UserError(f"{video.path} changed after its manifest was written.", "Generate or copy the set again.")
    return frames


def _compared(metric: ReferenceMetric, reference: Frames, sample: Frames, resize: Resampling | None) -> _Value:
    try:
        comparison = compare_videos(metric, reference, sample, resize=resize)
    except UserError as error:
        return _Value(None, error.problem)
    return _Value(comparison.value, comparison.reason)


def _row(video: ComparedVideo, metric: ReferenceMetric, value: _Value, scorer_id: str) -> ScoreRow:
    low, high = metric.value_range
    return ScoreRow(
        model=video.model,
        training_run=video.training_run,
        suite=video.suite,
        horizon=video.horizon,
        prompt_id=video.prompt_id,
        sample=video.sample,
        clip=video.clip,
        dimension=metric.name,
        value=value.value,
        numerator=None,
        denominator=None,
        reason=value.reason,
        unit=metric.unit,
        range_low=low,
        range_high=high,
        scorer_id=scorer_id,
        video_sha256=video.sha256,
    )
