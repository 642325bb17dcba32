"""Significance tables of scored runs, written beside a comparison."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from probekit.choices import Weighting
from probekit.reporting.significance_tables import significance_table
from probekit.statistics.paired_units import PairedSamples
from probekit.statistics.power import noise_floor
from probekit.statistics.score_comparison import ScoredMethod, pairs_of
from probekit.statistics.score_total import score_total
from probekit.statistics.significance_table import SignificanceRow, significance_rows
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun, shared_dimensions


def pairs_of_runs(
    baseline: ScoredRun, method: ScoredRun, weighting: Weighting = "prompt-mean"
) -> dict[str, PairedSamples]:
    """Scores of two runs on the same prompts, the method's first; dimensions that only one has are left out."""
    ours, theirs = (ScoredMethod(run.method, [run.scores]) for run in shared_dimensions([method, baseline]))
    return pairs_of(ours, theirs, constants_of(baseline.suite), weighting)


def write_significance(
    runs: Sequence[ScoredRun],
    out: Path,
    *,
    seed: int,
    margin: float | None,
    repeats: Sequence[ScoredRun] = (),
    weighting: Weighting = "prompt-mean",
) -> list[tuple[str, list[SignificanceRow]]]:
    """Test every method against the first run; writes `significance.csv` and `significance.md`.

    Args:
        runs: the baseline, then methods.
        out: folder of the comparison.
        seed: seed of the permutations.
        margin: margin of the equivalence test in percent.
        repeats: further runs of the baseline that differ by chance alone; with them the noise floor is printed.
        weighting: how videos are weighed into a dimension's mean, as in the comparison.
    """
    baseline, *methods = runs
    constants = constants_of(baseline.suite)
    results = [
        (
            run.method.label(),
            significance_rows(
                pairs_of_runs(baseline, run, weighting), constants, seed=seed, margin=margin, weighting=weighting
            ),
        )
        for run in methods
    ]
    floor = _noise_floors([baseline, *repeats], weighting) if repeats else {}
    significance_table(results, floor).write(out, "significance")
    return results


def _noise_floors(runs: Sequence[ScoredRun], weighting: Weighting) -> dict[str, float]:
    """Standard deviation of a difference that means nothing, by quantity, in the quantity's unit."""
    constants = constants_of(runs[0].suite)
    scores = [score_total(run.scores, constants, weighting).by_name() for run in runs]
    shared = sorted(set.intersection(*(set(one) for one in scores)))
    floors = noise_floor(np.array([[one[name] for name in shared] for one in scores]))
    return dict(zip(shared, map(float, floors), strict=True))
