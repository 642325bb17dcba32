"""From claims and stored results to verdicts; what is missing or stale says so and gets the command that makes it."""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.statistics.verdicts import Decision, refuting, verdict_of_all, what_decides
from trainer.claims.exact_evidence import counted_cost, measured_cost, same_inference
from trainer.claims.found import Found
from trainer.claims.kinds import (
    CountedCost,
    Kind,
    LongerGains,
    MeasuredCost,
    NearestGap,
    NearMean,
    Pairs,
    ProbeCells,
    SameInference,
    TotalUp,
)
from trainer.claims.registry import CLAIMS, Claim
from trainer.claims.score_evidence import longer_gains, pairs, total_up
from trainer.claims.state_evidence import near_mean, nearest_gap, probe_cells
from trainer.commands.rates import total
from trainer.reproduction.places import Places
from trainer.reproduction.plan import plan_of
from trainer.reproduction.request import Request

NOT_RUN: Final = "not run"
SCALE: Final = "sprite"
_OUT: Final = Path("runs") / "reproduce" / SCALE


class Line(NamedTuple):
    """One claim with its verdict.

    Attributes:
        claim: claim.
        verdict: supported, not supported, undecided, or not run.
        found: what stored results say; None where there are none that count.
        decision: what would decide; None for any other verdict, or where no number of prompts would.
        against: parts of the claim that speak against it, where it has several.
        reason: why nothing was read; empty where something was.
    """

    claim: Claim
    verdict: str
    found: Found | None
    decision: Decision | None = None
    against: tuple[str, ...] = ()
    reason: str = ""


def evidence(kind: Kind, places: Places) -> Found:
    """What stored results say of a claim.

    Raises:
        UserError: if a result is missing, damaged, smaller than declared, or not of what is shipped now.
    """
    match kind:
        case TotalUp():
            return total_up(kind, places)
        case LongerGains():
            return longer_gains(kind, places)
        case ProbeCells():
            return probe_cells(kind, places)
        case NearestGap():
            return nearest_gap(kind, places)
        case NearMean():
            return near_mean(kind, places)
        case Pairs():
            return pairs(kind, places)
        case CountedCost():
            return counted_cost(places)
        case MeasuredCost():
            return measured_cost(places)
        case SameInference():
            return same_inference()


def line_of(claim: Claim, places: Places) -> Line:
    """One claim with its verdict."""
    try:
        found = evidence(claim.kind, places)
    except UserError as error:
        return Line(claim, NOT_RUN, None, reason=error.problem)
    if found.exact is not None:
        verdict = NOT_RUN if isinstance(claim.kind, MeasuredCost) else found.exact[0]
        return Line(claim, verdict, found)
    effects = [named.effect for named in found.effects]
    verdict = verdict_of_all(effects)
    if verdict == "undecided":
        return Line(claim, verdict, found, what_decides(effects))
    parts = refuting(effects) if verdict == "not supported" and len(effects) > 1 else []
    return Line(claim, verdict, found, against=tuple(found.effects[part].name.rstrip(":") for part in parts))


def ledger(results: Path) -> list[Line]:
    """Every claim with its verdict.

    Args:
        results: folder of stored results, such as `reports/sprite`.
    """
    return [line_of(claim, Places(results)) for claim in CLAIMS]


def command_of(claim: Claim) -> str:
    """The command that makes what the claim's test reads."""
    return claim.command if claim.target is None else f"trainer reproduce {claim.target} --scale {SCALE}"


@cache
def time_of(targets: tuple[str, ...]) -> tuple[float, int]:
    """Seconds that targets take from nothing, rows that they share once, and how many commands nobody has timed.

    Args:
        targets: names of targets.
    """
    plan = plan_of(targets, Request(SCALE, _OUT, fresh=True))
    return total([step.estimate for step in plan.steps])
