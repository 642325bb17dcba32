"""How near readouts are to what came, video by video."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.reference.lpips import lpips_metric
from probekit.evaluation.reference.metrics import MSE, ReferenceMetric, reference_metrics
from probekit.probing.targets import ProbeTarget, pixels_of

LPIPS_SIDE: Final = 64
PSNR_ID: Final = "psnr:noweights:of-the-videos-mean-mse-v1"
SQUARED_ERROR_ID: Final = "squared-error:noweights:v1"
ACCURACY_ID: Final = "accuracy:noweights:v1"

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class VideoValue(NamedTuple):
    """One metric of one video, the mean over its chunks; `value` is None where the metric has none."""

    video: int
    metric_id: str
    value: float | None


class ReadoutJudge:
    """Judges readouts of any target.

    Args:
        target: what was read.
        size: rows and columns of a frame in pixels, for pictures.
        perceptual: whether to compute SSIM, and LPIPS on a random backbone over frames enlarged to 64 x 64 at least.
    """

    def __init__(self, target: ProbeTarget, size: tuple[int, int], perceptual: bool = True) -> None:
        self._target = target
        self._size = size
        self._perceptual = perceptual and target.kind == "picture"
        self._lpips: ReferenceMetric | None = lpips_metric("random") if self._perceptual else None

    @property
    def lpips_id(self) -> str:
        """Metric id that says backbone and enlargement."""
        return f"{self._lpips.metric_id}:nearest-to-{LPIPS_SIDE}" if self._lpips else ""

    def judge(self, readouts: Floats, truth: Floats, videos: Ints) -> Iterator[VideoValue]:
        """Judge the rows whose truth is known.

        Args:
            readouts: (R, P) values, or log-odds (R, classes).
            truth: (R, P) with NaN where it is not known.
            videos: (R,) the video of each row.
        """
        known = np.isfinite(truth).all(axis=1)
        read, came, rows = readouts[known], truth[known], videos[known]
        if not len(rows):
            return
        if self._target.kind == "picture":
            yield from self._pictures(pixels_of(read, *self._size), pixels_of(came, *self._size), rows)
        elif self._target.kind == "vector":
            yield from _means(SQUARED_ERROR_ID, np.square(read - came).mean(axis=1), rows)
        else:
            yield from _means(ACCURACY_ID, read.argmax(axis=1) == came[:, 0], rows)

    def _pictures(self, read: NDArray[np.uint8], came: NDArray[np.uint8], videos: Ints) -> Iterator[VideoValue]:
        for video, metric, value in _means(MSE.metric_id, MSE.frame_values(came, read), videos):
            yield VideoValue(video, metric, value)
            yield VideoValue(video, PSNR_ID, None if not value else -10 * float(np.log10(value)))
        if self._lpips is not None:
            ssim = next(metric for metric in reference_metrics() if metric.name == "ssim")
            yield from _means(ssim.metric_id, ssim.frame_values(came, read), videos)
            yield from _means(self.lpips_id, self._lpips.frame_values(_enlarged(came), _enlarged(read)), videos)


def _means(metric: str, values: NDArray[np.generic], videos: Ints) -> Iterator[VideoValue]:
    for video in np.unique(videos):
        yield VideoValue(int(video), metric, float(values[videos == video].mean(dtype=np.float64)))


def _enlarged(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = max(1, LPIPS_SIDE // frames.shape[1])
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)
