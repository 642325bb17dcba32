"""One scored run's dimension means with their coverage, and Quality, Semantic and Total where nothing is missing."""

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.reporting.total_table import DimensionTotal, RunTotal
from probekit.statistics.coverage import Videos, coverage
from probekit.statistics.score_total import score_total
from probekit.suites.dimension_constants import DimensionConstant
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun
from probekit.workflows.video_plan import planned_videos


def total_of_run(run: ScoredRun, weighting: Weighting) -> RunTotal:
    """Aggregate one run; a dimension without a single score is missing, and so is what needs it.

    Raises:
        UserError: if a score is one that its dimension cannot have, or the table is damaged.
    """
    constants = constants_of(run.suite)
    unknown = sorted(run.scores.keys() - {constant.dimension for constant in constants})
    if unknown:
        raise UserError(
            f"{run.root} has scores of {unknown[0]!r}, which is no dimension of {run.suite}.", "Remove them."
        )
    total = score_total(run.scores, constants, weighting)
    planned = planned_videos(run.root, run.suite, run.scores)
    rows = tuple(
        _dimension(constant, total.means[constant.dimension], run, planned.get(constant.dimension, {}))
        for constant in constants
    )
    return RunTotal(weighting, rows, total.aggregate)


def _dimension(constant: DimensionConstant, mean: float | None, run: ScoredRun, planned: Videos) -> DimensionTotal:
    scores = run.scores.get(constant.dimension)
    counted = coverage(constant.dimension, run.method.label(), scores, planned)
    reason = None if mean is not None else "not scored" if scores is None else "no video has a score"
    return DimensionTotal(constant, mean, counted.n_scored, counted.n_planned, reason)
