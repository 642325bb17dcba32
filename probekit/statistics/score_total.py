"""Dimension means of one method, and Quality, Semantic and Total: the one way from scores to these numbers."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.evaluation.aggregation import COMPOSITES, Aggregate, aggregate, check_known, check_possible
from probekit.statistics.prompt_scores import Method, ScoreTable
from probekit.statistics.score_arrays import MethodScores, read_columns
from probekit.suites.dimension_constants import DimensionConstant


class ScoreTotal(NamedTuple):
    """What a method's scores come to.

    Attributes:
        weighting: how videos were weighed.
        means: raw mean of each dimension of the suite; None where no video has a score.
        aggregate: Quality, Semantic and Total in percent; None where a dimension is missing.
    """

    weighting: Weighting
    means: dict[str, float | None]
    aggregate: Aggregate

    def by_name(self) -> dict[str, float]:
        """Every mean and composite that exists."""
        composites = {name: getattr(self.aggregate, name) for name in COMPOSITES}
        return {name: value for name, value in (self.means | composites).items() if value is not None}


def score_total(
    scores: MethodScores, constants: Sequence[DimensionConstant], weighting: Weighting = "prompt-mean"
) -> ScoreTotal:
    """Aggregate one method's scores.

    Args:
        scores: scores of its dimensions, see `score_arrays`.
        constants: the suite's dimensions.
        weighting: how videos are weighed into a dimension's mean.

    Raises:
        UserError: a dimension is unknown, or a score is one that its formula cannot give.
    """
    check_known(scores, constants)
    for constant in constants:
        for extreme in (scores[constant.dimension].extremes or ()) if constant.dimension in scores else ():
            check_possible({constant.dimension: extreme}, [constant])
    means = {
        c.dimension: scores[c.dimension].mean(weighting, c.pooling) if c.dimension in scores else None
        for c in constants
    }
    return ScoreTotal(weighting, means, aggregate(means, constants))


def total_of_table(
    table: ScoreTable, constants: Sequence[DimensionConstant], weighting: Weighting = "prompt-mean"
) -> ScoreTotal:
    """`score_total` of a score table of one training run.

    Raises:
        UserError: as `score_total`, or the table holds several runs.
    """
    columns = read_columns(table)
    only = {name: columns.found(name) for name in ("model", "training_run", "suite", "horizon")}
    for name, found in only.items():
        if len(found) > 1:
            raise UserError(f"The score table holds several values of {name}: {', '.join(found)}.", "Give one run.")
    methods = [Method(model, run) for model in only["model"] for run in only["training_run"]]
    return score_total(columns.of_method(methods[0]) if methods else {}, constants, weighting)
