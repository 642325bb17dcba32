"""Metrics of a video against a reference video: MSE, PSNR, SSIM, and LPIPS from `lpips`.

Every comparison goes through `compare_videos` or `compare_frames`, which accept uint8 RGB only; each metric converts
from there by itself. The metric id is ``name:weights:preprocessing``, plus the resampling filter where one is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import Frames, Resampling, match_size, require_frames

PSNR_CEILING = 150.0
"""Finite PSNR is at most 10 log10(255^2 N) dB for N channel values per frame; 150 dB holds up to N = 1.5e10."""

SSIM_WINDOW = 7


class ReferenceMetric(Protocol):
    """A metric of frames against reference frames of the same size."""

    @property
    def name(self) -> str:
        """Dimension name in the score table."""

    @property
    def metric_id(self) -> str:
        """``name:weights hash or noweights:preprocessing version``."""

    @property
    def unit(self) -> str:
        """Unit of the value."""

    @property
    def value_range(self) -> tuple[float, float]:
        """Bounds of every finite value."""

    def frame_values(self, reference: Frames, sample: Frames) -> NDArray[np.float64]:
        """Value of each frame, float64 (T,); +inf is allowed (PSNR of identical frames)."""


class VideoComparison(NamedTuple):
    """Mean of a metric over frames; `value` is None with a `reason` where the mean is infinite."""

    value: float | None
    reason: str | None
    frame_values: NDArray[np.float64]


@dataclass(frozen=True)
class PixelMetric:
    """A weight-free metric, computed frame by frame."""

    name: str
    metric_id: str
    unit: str
    value_range: tuple[float, float]
    frame_value: Callable[[Frames, Frames], float]

    def frame_values(self, reference: Frames, sample: Frames) -> NDArray[np.float64]:
        """Value of each frame, float64 (T,)."""
        return np.array([self.frame_value(r, s) for r, s in zip(reference, sample, strict=True)], dtype=np.float64)


def compare_videos(
    metric: ReferenceMetric, reference: Frames, sample: Frames, *, resize: Resampling | None = None
) -> VideoComparison:
    """Mean of `metric` over the frames of `sample` against the same frames of `reference`.

    PSNR of identical frames is infinite, which no table can average: then `value` is None and `reason` counts the
    identical frames (MSE stays finite and says the rest).

    Args:
        metric: one of `reference_metrics` or `lpips.lpips_metric`.
        reference: uint8 (T, H, W, 3), 0..255.
        sample: uint8 (T, H', W', 3), 0..255.
        resize: filter that brings the sample to the reference's size; None refuses different sizes.

    Raises:
        UserError: not uint8 THWC, different lengths, or different sizes without `resize`.
    """
    require_frames(reference, "reference")
    require_frames(sample, "sample")
    if len(sample) != len(reference):
        raise UserError(
            f"The sample has {len(sample)} frames, its reference {len(reference)}.",
            "Compare videos with the same number of frames.",
        )
    return _mean_over_frames(metric.frame_values(reference, match_size(sample, reference, resize)))


def compare_frames(
    metric: ReferenceMetric, reference: Frames, sample: Frames, *, resize: Resampling | None = None
) -> VideoComparison:
    """`compare_videos` for single frames uint8 (H, W, 3)."""
    return compare_videos(metric, np.asarray(reference)[None], np.asarray(sample)[None], resize=resize)


def comparison_id(metric: ReferenceMetric, resize: Resampling | None) -> str:
    """Scorer id of a comparison: the metric's id and, where one was asked for, the resampling filter."""
    return metric.metric_id if resize is None else f"{metric.metric_id}+resize-{resize}"


def _mean_over_frames(values: NDArray[np.float64]) -> VideoComparison:
    identical = int(np.isposinf(values).sum())
    if identical:
        return VideoComparison(None, f"identical frames: {identical} of {len(values)}", values)
    return VideoComparison(float(values.mean()), None, values)


def mean_squared_error(reference: Frames, sample: Frames) -> float:
    """Mean squared error of intensities on the scale 0..1, over pixels and channels of one frame (H, W, 3)."""
    difference = reference.astype(np.float64) - sample.astype(np.float64)
    return float(np.mean(np.square(difference))) / 255**2


def peak_signal_noise_ratio(reference: Frames, sample: Frames) -> float:
    """PSNR of one frame in dB, 10 log10(255^2 / MSE over pixels and channels); +inf for identical frames."""
    error = mean_squared_error(reference, sample)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def structural_similarity(reference: Frames, sample: Frames) -> float:
    """SSIM of one frame by scikit-image: uniform 7x7 window, mean over channels, data range 255.

    A frame smaller than the window takes the largest odd window that fits.

    Raises:
        UserError: a side below 3 px, for which no window has a variance.
    """
    from skimage.metrics import structural_similarity as skimage_ssim

    side = min(reference.shape[:2])
    if side < 3:
        raise UserError(f"SSIM needs frames of at least 3x3 px, got {reference.shape[:2]}.", "Use larger frames.")
    window = min(SSIM_WINDOW, side if side % 2 else side - 1)
    ssim = skimage_ssim(reference, sample, win_size=window, channel_axis=-1, data_range=255)  # type: ignore[no-untyped-call]
    return float(ssim)


MSE: Final = PixelMetric("mse", "mse:noweights:rgb8-v1", "intensity^2", (0.0, 1.0), mean_squared_error)


def reference_metrics() -> tuple[PixelMetric, ...]:
    """The weight-free metrics: mse (0..1 intensities squared), psnr (dB), ssim."""
    return (
        MSE,
        PixelMetric("psnr", "psnr:noweights:rgb8-v1", "dB", (0.0, PSNR_CEILING), peak_signal_noise_ratio),
        PixelMetric("ssim", "ssim:noweights:rgb8-uniform7-v1", "1", (-1.0, 1.0), structural_similarity),
    )
