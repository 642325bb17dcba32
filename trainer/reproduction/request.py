"""What is asked of a target: scale, folder, size, and the machine that it runs on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from probekit.choices import Backend
from probekit.errors import UserError
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from trainer.reproduction.targets import CHUNKWISE, LONG, SHORT


class Size(NamedTuple):
    """How much smaller than the paper's a target is made; None is the scale's own.

    Attributes:
        prompts: number of prompts of each suite.
        samples: videos of each prompt.
        steps: updates of each training, and steps of each probe's decoder at most.
    """

    prompts: int | None = None
    samples: int | None = None
    steps: int | None = None

    def is_small(self) -> bool:
        """Whether anything is reduced."""
        return any(value is not None for value in self)

    def mark(self) -> str | None:
        """What a reader of a small table must see; None for the full size."""
        asked = [f"{value} {name}" for name, value in self._asdict().items() if value is not None]
        return f"SMALL RUN: {', '.join(asked)}. It shows that the chain works and says nothing else." if asked else None

    def of_suite(self) -> list[str]:
        """Options of a command that makes or reads the videos of a suite."""
        options = {"--prompts": self.prompts, "--samples": self.samples}
        return [word for name, value in options.items() if value is not None for word in (name, str(value))]

    def of_training(self) -> tuple[str, ...]:
        """Overrides of a recipe that trains that long; schedules would not fit."""
        if self.steps is None:
            return ()
        lengths = (f"steps={self.steps}", f"checkpoint_every={self.steps}")
        return (*lengths, "optimizer.warmup_steps=0", "optimizer.decay_steps=0")


class Machine(NamedTuple):
    """Where commands run.

    Attributes:
        processes: processes that train, sample or score together, one per GPU.
        device: device that videos are sampled on.
        backend: implementation of VBench's scores.
    """

    processes: int = 1
    device: str = "cpu"
    backend: Backend = "free"


class Scale(NamedTuple):
    """What a scale has.

    Attributes:
        suites: suite by horizon.
        shipped: arms that need no training, by base system: without and with foresight.
        machine: machine that it is meant for.
        comparable: whether its scores are in the paper's unit.
    """

    suites: Mapping[str, str]
    shipped: Mapping[str, tuple[str, str]]
    machine: Machine
    comparable: bool


SCALES: Final[Mapping[str, Scale]] = {
    "sprite": Scale(
        {SHORT: "sprite-5s", LONG: "sprite-30s"},
        {CHUNKWISE: ("sprite-dmd-baseline", "sprite-dmd-foresight")},
        Machine(),
        comparable=False,
    ),
    "wan": Scale({SHORT: "vbench", LONG: "moviegen-30s"}, {}, Machine(8, "cuda", "official"), comparable=True),
}


class Request(NamedTuple):
    """One call of the command.

    Attributes:
        scale: name of the scale.
        out: folder of everything that is made.
        size: size of the runs.
        machine: machine that commands are written for.
        overrides: changes of every row's training, `key=value`.
        suite: suite in place of the scale's; None keeps those.
        fresh: whether what the working folder has already is planned too, so that a plan is the same everywhere.
        drawn: folder of finished tables and figures; None puts them below `out` too.
    """

    scale: str
    out: Path
    size: Size = Size()
    machine: Machine = Machine()
    overrides: tuple[str, ...] = ()
    suite: str | None = None
    fresh: bool = False
    drawn: Path | None = None

    @property
    def facts(self) -> Scale:
        """What the scale has."""
        return scale_named(self.scale)

    def suite_name(self, horizon: str) -> str:
        """Suite of a horizon."""
        return self.suite or self.facts.suites[horizon]

    def suite_of(self, horizon: str) -> Suite:
        """The suite of a horizon at the size that is asked. Raises UserError where it is smaller than that."""
        return load_suite(self.suite_name(horizon)).reduced(self.size.prompts, self.size.samples)


def scale_named(name: str) -> Scale:
    """A scale. Raises UserError naming those that there are."""
    if name not in SCALES:
        raise UserError(f"There is no scale {name!r}.", f"Choose {', '.join(SCALES)}.")
    return SCALES[name]
