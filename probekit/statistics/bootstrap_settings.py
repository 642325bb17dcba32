"""Which bootstrap; pydantic, so that a wrong word is named."""

from typing import Literal

from pydantic import Field

from probekit.config import StrictModel
from probekit.evaluation.weighting import Weighting
from probekit.statistics.intervals import IntervalKind

Resampling = Literal["paper", "joint", "two-level", "runs"]


class BootstrapSettings(StrictModel):
    """How differences are resampled and their intervals built.

    Attributes:
        resampling: `paper` resamples each dimension's prompts independently (Video-Mirai, appendix E); `joint` moves
            dimensions that share prompts together; `two-level` also resamples the samples within prompts;
            `runs` resamples the training runs of each model and the prompts that they share.
        interval: kind of interval; studentised needs no seeds, so it goes with paper and joint.
        weighting: how videos are weighed into a dimension's mean, see `evaluation.weighting`: every prompt alike (the
            paper), every scored video alike, or as VBench's official score does. All but the first go with paper and
            joint resampling.
        replicates: how many.
        level: coverage.
    """

    resampling: Resampling = "paper"
    interval: IntervalKind = "percentile"
    weighting: Weighting = "prompt-mean"
    replicates: int = Field(default=10_000, ge=2)
    level: float = Field(default=0.95, gt=0, lt=1)
