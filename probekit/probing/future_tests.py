"""What futures say over prompts: is a readout nearer to their mean than one of them is? Torch-free."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from probekit.probing.world_calibration import FieldShares, reliability
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.exchange import ExchangeTest, exchange_test
from probekit.statistics.paired_means import paired_means

EDGES: Final = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
"""Ranges of probability in which the generator's futures are held against the world's."""
_MEANS: Final = (
    "readout_to_mean", "sample_to_mean", "readout_to_sample", "sample_to_sample", "energy_of_readout",
    "energy_of_sample", "energy_of_mean",
)  # fmt: skip


class FutureTest(NamedTuple):
    """One arm at one horizon.

    Attributes:
        arm: name of the arm.
        horizon: chunks ahead.
        futures: continuations per state.
        means: mean over prompts of each distance, by name.
        test: the futures' mean distance from the mean of all other items, minus the readout's; positive where the
            readout is nearer to the mean of futures than a single future is.
        variation: total variation between places of the futures and of the world, mean over known states.
        variation_by_chance: what as many draws of the world itself have.
        known: states whose world is known.
    """

    arm: str
    horizon: int
    futures: int
    means: dict[str, float]
    test: ExchangeTest
    variation: float | None
    variation_by_chance: float | None
    known: int


def future_tests(values: pd.DataFrame, seed: int = 0) -> list[FutureTest]:
    """Test every arm and horizon over prompts; `values` are rows with the columns of `future_experiment`."""
    found = []
    for arm, horizon, group in _groups(values):
        places = np.stack([np.asarray(one, dtype=float) for one in group.places])
        test = exchange_test(f"{arm} +{horizon}", places, rng=generator("futures", seed))
        world = group.dropna(subset=["variation"])
        found.append(
            FutureTest(
                arm,
                horizon,
                int(group.futures.iloc[0]),
                {name: float(group[name].mean()) for name in _MEANS},
                test,
                float(world.variation.mean()) if len(world) else None,
                float(world.variation_by_chance.mean()) if len(world) else None,
                len(world),
            )
        )
    return found


def _groups(values: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    for arm in values.arm.unique():
        own = values[values.arm == arm]
        for horizon in own.horizon.unique():
            yield str(arm), int(horizon), own[own.horizon == horizon]


class ArmContrast(NamedTuple):
    """One distance of two arms on the same prompts: the method's minus the baseline's."""

    quantity: str
    horizon: int
    estimate: DifferenceEstimate


def arm_contrasts(values: pd.DataFrame, baseline: str, method: str, seed: int = 0) -> list[ArmContrast]:
    """Squared distance of the readout from the mean of futures, and of a future from it: method - baseline."""
    found = []
    for horizon in values.horizon.unique():
        own = values[values.horizon == horizon].set_index("prompt_id")
        for quantity in ("readout_to_mean", "sample_to_mean"):
            both = pd.concat([own[own.arm == arm][quantity] for arm in (method, baseline)], axis=1, join="inner")
            a, b = both.to_numpy(dtype=float).T
            name = f"{method} - {baseline}, {quantity}"
            found.append(ArmContrast(quantity, int(horizon), paired_means(name, a, b, rng=generator("arms", seed))))
    return found


def reliability_rows(values: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """By arm, horizon and range of the world's probability: its mean, the share of futures with its interval, counts.

    Args:
        values: rows with the columns of `future_experiment`.
        seed: seed of the resampling of states.
    """
    rows = []
    for arm, horizon, group in _groups(values.dropna(subset=["variation"])):
        shares = [
            FieldShares(np.asarray(world, dtype=float), np.asarray(own, dtype=float), count)
            for world, own, count in zip(group.world, group.shares, group.futures, strict=True)
        ]
        for one in reliability(shares, EDGES):
            zeros = np.zeros_like(one.by_state)
            found = paired_means("share", one.by_state, zeros, rng=generator("reliability", seed))
            rows.append((arm, horizon, one.world, one.futures, one.places, found.low, found.high, len(shares)))
    return pd.DataFrame(rows, columns=["arm", "horizon", "world", "futures", "places", "low", "high", "prompts"])
