"""Which arm's states say more of the future, with the paired bootstrap over held-out prompts."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from probekit.probing.probe_experiment import COPY, TRAINED, UNTRAINED
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means

REPLICATES = 10_000
LEVEL = 0.95


class ProbeContrast(NamedTuple):
    """One paired difference.

    Attributes:
        contrast: what is subtracted from what.
    """

    contrast: str
    depth: float
    horizon: int
    metric_id: str
    estimate: DifferenceEstimate


def _prompt_values(table: pd.DataFrame, arm: str, source: str, depth: float, horizon: int, metric: str) -> pd.Series:
    chosen = (table.arm == arm) & (table.source == source) & (table.horizon == horizon) & (table.metric_id == metric)
    if source != COPY:
        chosen &= table.depth == depth
    return table[chosen].set_index("prompt_id").value.sort_index()


def difference_over_prompts(name: str, a: pd.Series, b: pd.Series, seed: int = 0) -> DifferenceEstimate:
    """Paired bootstrap of mean(a) - mean(b) over the prompts that both have a value for."""
    both = pd.concat([a, b], axis=1, join="inner").dropna().to_numpy(dtype=float).T
    return paired_means(name, *both, rng=generator("probe-bootstrap", seed), replicates=REPLICATES, level=LEVEL)


def compare_probes(table: pd.DataFrame, baseline: str, method: str) -> list[ProbeContrast]:
    """Method against baseline, each arm against its controls, and the difference of the arms' gains over the copy.

    Args:
        table: rows of `run_probes`.
        baseline: name of one arm.
        method: name of the other.
    """
    found = []
    keys = table[table.source == TRAINED][["depth", "horizon", "metric_id"]].drop_duplicates()
    for depth, horizon, metric in keys.itertuples(index=False):
        place = (float(depth), int(horizon), str(metric))
        values = {
            (arm, source): _prompt_values(table, arm, source, *place)
            for arm in (baseline, method)
            for source in (TRAINED, UNTRAINED, COPY)
        }
        own = {arm: values[arm, TRAINED] for arm in (baseline, method)}
        pairs = [(f"{method} - {baseline}", own[method], own[baseline])]
        for arm in (baseline, method):
            pairs += [(f"{arm} - {control}", own[arm], values[arm, control]) for control in (COPY, UNTRAINED)]
        gains = {arm: own[arm] - values[arm, COPY] for arm in (baseline, method)}
        pairs.append((f"gain over the copy, {method} - {baseline}", gains[method], gains[baseline]))
        found += [ProbeContrast(name, *place, difference_over_prompts(name, a, b)) for name, a, b in pairs]
    return found


def contrast_table(contrasts: Sequence[ProbeContrast]) -> pd.DataFrame:
    """One row a contrast, with interval and star."""
    rows = [
        {
            "contrast": item.contrast,
            "depth": item.depth,
            "horizon_chunks": item.horizon,
            "metric_id": item.metric_id,
            **{
                field: getattr(item.estimate, field)
                for field in (
                    "a",
                    "b",
                    "difference",
                    "standard_error",
                    "low",
                    "high",
                    "star",
                    "n_prompts",
                    "interval",
                    "instead",
                    "reason",
                )
            },
        }
        for item in contrasts
    ]
    return pd.DataFrame(rows)
