"""Kinds of claims: what is held against what. Each kind has one reader of results and one of the paper's numbers."""

from dataclasses import dataclass

from trainer.reproduction.targets import CHUNKWISE, SYSTEMS


@dataclass(frozen=True)
class TotalUp:
    """Foresight raises the Total of short videos, in each of some base systems."""

    systems: tuple[str, ...] = (CHUNKWISE,)


@dataclass(frozen=True)
class LongerGains:
    """What foresight adds to long videos is more than what it adds to short ones, in each dimension of table 6."""


@dataclass(frozen=True)
class ProbeCells:
    """Future frames are read better from states with foresight, at each site and horizon and by each metric.

    Attributes:
        folder: folder of the probes, below that of the results.
    """

    folder: str


@dataclass(frozen=True)
class NearestGap:
    """The gap between both arms' readouts is largest one chunk ahead.

    Attributes:
        folder: folder of the probes, below that of the results.
    """

    folder: str


@dataclass(frozen=True)
class NearMean:
    """A readout is nearer to the mean of a state's futures than a future is."""


@dataclass(frozen=True)
class Pairs:
    """Rows of a sweep whose Total is above that of another, in each of some pairs.

    Attributes:
        table: name of the sweep.
        pairs: names of a row and of the one below it.
    """

    table: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CountedCost:
    """Operations that foresight adds to a cycle at the paper's size, by the paper's accounting."""


@dataclass(frozen=True)
class MeasuredCost:
    """Seconds that foresight adds to a cycle at the paper's size."""


@dataclass(frozen=True)
class SameInference:
    """What is run after training has the same parameters and the same computation in both arms."""


Kind = TotalUp | LongerGains | ProbeCells | NearestGap | NearMean | Pairs | CountedCost | MeasuredCost | SameInference


def others() -> tuple[str, ...]:
    """Base systems but the default one."""
    return tuple(system for system in SYSTEMS if system != CHUNKWISE)


def best_of(table: str, best: str, *rest: str) -> Pairs:
    """One row of a sweep above each of some others."""
    return Pairs(table, tuple((best, other) for other in rest))
