"""Scorers that write down each call, and can be told to fail in the ways in which scorers fail."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from probekit.evaluation.scorer import Score, ScorerSet, ScoringInput, WeightFreeScorer

DIMENSIONS = ("a", "b", "c")


@dataclass(frozen=True)
class Plan:
    """What goes wrong, by '<dimension> <prompt id>'; 'once' in front of a name means in one process only."""

    log: Path
    faults: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[str, ...] = DIMENSIONS
    kill_after: int | None = None
    """Number of calls after which the process that started the work is killed."""

    def calls(self) -> list[str]:
        """Finished calls in order."""
        return self.log.read_text().splitlines() if self.log.is_file() else []


def scorers_of(plan: Plan) -> ScorerSet:
    made = [
        WeightFreeScorer(name, "rgb.1", frozenset({"frames"}), partial(_score, plan, name)) for name in plan.dimensions
    ]
    return ScorerSet(tuple(made), ())


def _score(plan: Plan, dimension: str, video: ScoringInput) -> Score:
    call = f"{dimension} {video.prompt_id}"
    if plan.kill_after is not None and len(plan.calls()) >= plan.kill_after:
        os.kill(int(os.environ["KILL"]), signal.SIGKILL)
    fault = plan.faults.get(call, "")
    if fault.startswith("once "):
        marker = plan.log.with_name(call)
        fault = "" if marker.exists() else fault.removeprefix("once ")
        marker.touch()
    if fault:
        return FAULTS[fault]()
    with plan.log.open("a") as log:
        log.write(f"{call}\n")
    return Score(float(np.mean(video.frames)) / 255 / (1 + plan.dimensions.index(dimension)))


def _killed() -> Score:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _ended() -> Score:
    os._exit(3)


def _defect() -> Score:
    raise TypeError("a defect of the program")


def _refused() -> Score:
    raise ValueError("this video\nis strange")


def _slow() -> Score:
    time.sleep(600)
    raise AssertionError


def _stuck() -> Score:
    """As compiled code that does not come back: no signal is handled."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    return _slow()


def _not_a_number() -> Score:
    return Score(float("nan"))


FAULTS: Mapping[str, Callable[[], Score]] = {
    "killed": _killed,
    "ended": _ended,
    "defect": _defect,
    "refused": _refused,
    "not a number": _not_a_number,
    "slow": _slow,
    "stuck": _stuck,
}
