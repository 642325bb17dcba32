"""What an interval says of a claimed effect: supported, not supported or undecided, and what would decide it.

Effects point the way of the claim: positive is what the claim says. A verdict follows from two questions alone. Is 0
excluded? Is the size that was claimed excluded? Neither number is corrected for anything but the number of effects that
one claim joins.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

Verdict = Literal["supported", "not supported", "undecided"]

LEVEL: Final = 0.95
_NORMAL: Final = NormalDist()


class Effect(NamedTuple):
    """A difference with its interval, in the direction of a claim.

    Attributes:
        value: estimate; positive is what the claim says.
        low: lower end of the interval.
        high: upper end.
        n: prompts behind it.
        claimed: size that was claimed, above 0, in the same unit; None where no number was printed.
    """

    value: float
    low: float
    high: float
    n: int
    claimed: float | None = None

    @property
    def width(self) -> float:
        """Full width of the interval."""
        return self.high - self.low


def turned(effect: Effect) -> Effect:
    """The effect seen from the other side; the claimed size stays."""
    return effect._replace(value=-effect.value, low=-effect.high, high=-effect.low)


def verdict_of(effect: Effect) -> Verdict:
    """What an interval says of one effect.

    Supported: the interval lies above 0, however small the effect. Not supported: it lies below 0, or below the size
    that was claimed without excluding 0. Undecided: everything else.
    """
    if effect.low > 0:
        return "supported"
    if effect.high < 0 or (effect.claimed is not None and effect.high < effect.claimed):
        return "not supported"
    return "undecided"


def widened(effect: Effect, joined: int, level: float = LEVEL) -> Effect:
    """The effect with both sides of its interval stretched for several looks at once (Bonferroni).

    A side grows by the ratio of normal quantiles at 1 - (1 - level) / (2 · joined) and 1 - (1 - level) / 2.

    Args:
        effect: effect with its interval.
        joined: number of effects that are looked at together, 1 or more.
        level: level of the interval.
    """
    tail = (1 - level) / 2
    factor = _NORMAL.inv_cdf(1 - tail / joined) / _NORMAL.inv_cdf(1 - tail)
    low, high = (effect.value + factor * (end - effect.value) for end in (effect.low, effect.high))
    return effect._replace(low=low, high=high)


class Decision(NamedTuple):
    """What would decide a claim that is undecided.

    Attributes:
        prompts: prompts that are needed.
        then: verdict if the estimates stay as they are; None where it does not depend on them.
    """

    prompts: int
    then: Verdict | None


def verdict_of_all(effects: Sequence[Effect]) -> Verdict:
    """What intervals say of a claim that every effect must bear out.

    Supported: each interval lies above 0. That needs no correction, since the weakest effect decides
    (intersection-union test). Not supported: some interval speaks against its effect even when widened for their
    number, since one of many does so by chance. Undecided: everything else.

    Raises:
        ValueError: if there is no effect.
    """
    if not effects:
        raise ValueError("a claim needs an effect")
    if all(effect.low > 0 for effect in effects):
        return "supported"
    return "not supported" if refuting(effects) else "undecided"


def refuting(effects: Sequence[Effect]) -> list[int]:
    """Places of the effects that refute a claim of all of them, each by an interval widened for their number."""
    return [
        place
        for place, effect in enumerate(effects)
        if effect.low <= 0 and verdict_of(widened(effect, len(effects))) == "not supported"
    ]


def what_decides(effects: Sequence[Effect]) -> Decision | None:
    """Prompts with which a claim that is undecided would be decided.

    Widths shrink with the root of the number of prompts. Where a size was claimed, the answer does not depend on what
    will be found: n · (width / claimed)², widened for the number of effects, since an interval narrower than the
    claimed size cannot hold both 0 and that size. Where none was printed, the answer holds if the estimates stay:
    n · (reach / estimate)², where reach is from the estimate to the end on the side of 0. Then one effect against the
    claim decides it, and else the slowest one for it. Counts are rounded up.

    Returns:
        None if an estimate without a claimed size is 0, so that no number would do, or if nothing is open.
    """
    open_ones = [effect for effect in effects if effect.low <= 0]
    against = [_needed(one, len(effects)) for one in open_ones if one.claimed is None and one.value < 0]
    found = against or [_needed(one, len(effects)) for one in open_ones]
    counts = [count for count in found if count is not None]
    if not found or len(counts) < len(found):
        return None
    if against:
        return Decision(min(counts), "not supported")
    return Decision(max(counts), "supported" if all(one.claimed is None for one in open_ones) else None)


def _needed(effect: Effect, joined: int) -> int | None:
    wide = widened(effect, joined)
    if effect.claimed is not None:
        return _more(effect.n, wide.width / effect.claimed)
    if effect.value == 0:
        return None
    reach = effect.value - effect.low if effect.value > 0 else wide.high - effect.value
    return _more(effect.n, reach / abs(effect.value))


def _more(n: int, ratio: float) -> int:
    """The smallest whole number above n · ratio²."""
    return math.floor(n * ratio**2) + 1
