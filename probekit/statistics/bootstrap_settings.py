"""Which bootstrap; pydantic, so that a wrong word is named."""

from typing import Final

from pydantic import Field

from probekit.choices import OF_RUNS, IntervalKind, Resampling, Weighting
from probekit.config import StrictModel
from probekit.errors import UserError

MOST_REPLICATES: Final = 1_000_000


class BootstrapSettings(StrictModel):
    """How differences are resampled and their intervals built.

    Attributes:
        resampling: `paper` resamples each dimension's prompts independently (Video-Mirai, appendix E); `joint` moves
            dimensions that share prompts together; `two-level` also resamples the samples within prompts;
            `runs` resamples the training runs of each model and the prompts that they share, dimensions jointly;
            `paired-runs` draws the k-th runs of both models together, which share what chance gave them.
        interval: kind of interval; studentised goes with paper and joint, whose replicates have errors of their own.
            Where the kind does not hold its level, Student's t takes its place by name, see `interval_choice`.
        weighting: how videos are weighed into a dimension's mean, see `evaluation.weighting`: every prompt alike (the
            paper), every scored video alike, or as VBench's official score does. All but the first go with resampling
            of prompts and runs, and not with samples within prompts.
        replicates: how many.
        level: coverage.
    """

    resampling: Resampling = "paper"
    interval: IntervalKind = "percentile"
    weighting: Weighting = "prompt-mean"
    replicates: int = Field(default=10_000, ge=2, le=MOST_REPLICATES)
    level: float = Field(default=0.95, gt=0, lt=1)

    @property
    def of_runs(self) -> bool:
        """Whether models are compared by all of their training runs."""
        return self.resampling in OF_RUNS

    def refuse_contradictions(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            UserError: naming them.
        """
        if self.interval == "studentised" and (self.of_runs or self.resampling == "two-level"):
            raise UserError(
                f"A studentised interval needs an error for each replicate, which {self.resampling} resampling lacks.",
                "Use t, percentile, basic or bca, or paper or joint resampling.",
            )
        if self.weighting != "prompt-mean" and self.resampling == "two-level":
            raise UserError(
                f"Resampling of seeds within prompts has no {self.weighting}.",
                "Use paper, joint, runs or paired-runs resampling.",
            )
