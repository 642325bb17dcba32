"""How near a probe's readout image is to the future frame (paper, future-frame probes: MSE, PSNR, LPIPS)."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.evaluation.reference.frame_arrays import Frames, Resampling
from probekit.evaluation.reference.metrics import ReferenceMetric, compare_frames, comparison_id, reference_metrics


class ReadoutScore(NamedTuple):
    """One metric of one readout against its future frame; `value` is None with a `reason` (identical frames)."""

    metric: str
    metric_id: str
    unit: str
    value: float | None
    reason: str | None


def pixel_readout_metrics() -> tuple[ReferenceMetric, ...]:
    """The weight-free metrics of a readout: mse (intensities 0..1 squared) and psnr (dB).

    A distance on deep features is added with `probekit.evaluation.reference.lpips.lpips_metric`.
    """
    return tuple(metric for metric in reference_metrics() if metric.name in ("mse", "psnr"))


def readout_scores(
    readout: Frames, future: Frames, metrics: Sequence[ReferenceMetric], *, resize: Resampling | None = None
) -> tuple[ReadoutScore, ...]:
    """Score a readout against the future frame.

    A small distance alone is no proof of foresight: frames that hardly move are near each other. Score the copy of the
    current frame beside every readout.

    Args:
        readout: uint8 (H, W, 3), 0..255.
        future: uint8 (H', W', 3), 0..255, the reference.
        metrics: metrics, for example `pixel_readout_metrics()`.
        resize: filter that brings the readout to the future frame's size; None refuses different sizes.

    Raises:
        UserError: not uint8 HWC, or different sizes without `resize`.
    """
    return tuple(_score(readout, future, metric, resize) for metric in metrics)


def _score(readout: Frames, future: Frames, metric: ReferenceMetric, resize: Resampling | None) -> ReadoutScore:
    comparison = compare_frames(metric, future, readout, resize=resize)
    identity = comparison_id(metric, resize)
    return ReadoutScore(metric.name, identity, metric.unit, comparison.value, comparison.reason)
