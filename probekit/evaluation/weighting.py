"""How the videos of a dimension are weighed into its mean: three named forms, one implementation.

    prompt-mean     mean over prompts of the mean of each prompt's videos (Video-Mirai, appendix E): the default
    video-mean      mean over all scored videos
    frame-weighted  VBench's official score on one GPU: in dimensions that it pools by frames, the sum of all videos'
                    numerators over the sum of their denominators; in the others the mean over videos

They agree where every prompt has equally many scored videos of equally many counted frames.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Weighting

Floats = NDArray[np.float64]


class PromptSums(NamedTuple):
    """Each prompt's part of a dimension's mean, which is the sum of numerators over the sum of denominators.

    Attributes:
        numerator: one per prompt.
        denominator: one per prompt; 0 where it has no scored video.
    """

    numerator: Floats
    denominator: Floats

    def mean(self) -> float | None:
        """The dimension's mean; None without a scored video."""
        total = self.denominator.sum()
        return float(self.numerator.sum() / total) if total > 0 else None


def prompt_sums(values: Floats, weighting: Weighting, denominators: Floats | None = None) -> PromptSums:
    """Sum videos within prompts.

    Args:
        values: (..., prompts, samples), NaN where a video is absent or not scored.
        weighting: the form.
        denominators: denominators of the same shape, positive: what each value was divided by; only `frame-weighted`
            reads it, and without it every video counts once.

    Returns:
        Sums of shape (..., prompts).
    """
    scored = np.isfinite(values)
    counted = denominators if weighting == "frame-weighted" and denominators is not None else np.ones_like(values)
    weights = np.where(scored, counted, 0.0)
    sums, totals = (np.where(scored, values, 0.0) * weights).sum(axis=-1), weights.sum(axis=-1)
    if weighting != "prompt-mean":
        return PromptSums(sums, totals)
    has = totals > 0
    return PromptSums(np.divide(sums, totals, out=np.zeros_like(sums), where=has), has.astype(np.float64))
