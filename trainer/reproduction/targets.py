"""The tables and figures of the paper: what each needs, how it is drawn, and what of the paper's stands beside it.

The one registry. Commands, plans, drawings and the documentation are made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from probekit.errors import UserError

CHUNKWISE: Final = "chunkwise"
SYSTEMS: Final[Mapping[str, str]] = {"self-forcing": "self_forcing", "framewise": "framewise", CHUNKWISE: "."}
"""Base systems, in the paper's order, and the folder of each one's recipes within a scale's."""
SHORT: Final = "5s"
LONG: Final = "30s"


@dataclass(frozen=True)
class Rows:
    """Every row of a sweep, trained, sampled, scored and compared with the first.

    Attributes:
        table: name of the sweep.
    """

    table: str


@dataclass(frozen=True)
class Arms:
    """A base system with and without foresight, sampled, scored and compared.

    Attributes:
        system: name of the base system.
        horizon: length class of the videos.
        measured: whether their speed is measured too.
    """

    system: str = CHUNKWISE
    horizon: str = SHORT
    measured: bool = False


@dataclass(frozen=True)
class Drop:
    """What both arms lose from the short to the long horizon."""

    system: str = CHUNKWISE


@dataclass(frozen=True)
class Probes:
    """Future frames read from both arms' states, at three depths and three horizons."""


@dataclass(frozen=True)
class Futures:
    """Futures of held-out states beside what is read from these states."""


@dataclass(frozen=True)
class Cost:
    """Operations and seconds of a training cycle with and without foresight."""


Need = Rows | Arms | Drop | Probes | Futures | Cost


@dataclass(frozen=True)
class Target:
    """One table or figure.

    Attributes:
        title: what it shows.
        source: place in the paper.
        needs: results that it is drawn from.
        drawing: name of its drawer, a key of `drawing.DRAWERS`.
        paper: number of the printed table beside it; None where the numbers stand in the sweep, or are not printed.
        alone: whether every need is enough by itself; the others are then shown as not run.
        remarks: what the paper says twice or leaves out.
    """

    title: str
    source: str
    needs: tuple[Need, ...]
    drawing: str
    paper: int | None = None
    alone: bool = False
    remarks: tuple[str, ...] = ()

    def named(self) -> str:
        """Title with its place, for headings."""
        return f"{self.title} ({self.source})"


_FRAMEWISE: Final = (
    "The paper's table 5 gives frame-wise + Video-Mirai 84.59 / 79.66 / 83.60, its table 10 84.21 / 79.41 / 83.25."
)
_NO_NUMBERS: Final = "The values of this figure are not printed in the text that we have, so none stand beside ours."
_BOTH: Final = (Arms(), Arms(horizon=LONG))


def _sweep(table: str, title: str, *remarks: str) -> Target:
    return Target(title, f"table {int(table.removeprefix('table'))}", (Rows(table),), "rows", remarks=remarks)


TARGETS: Final[Mapping[str, Target]] = {
    "table01": _sweep("table01", "Offsets of the foresight target"),
    "table02": _sweep("table02", "Architecture of the predictor"),
    "table03": _sweep(
        "table03", "Relative depth of generator and encoder layers",
        "The paper's text on this ablation points to its table 4; the numbers are those of table 3.",
    ),
    "table04": _sweep("table04", "Foresight encoder"),
    "table05": Target(
        "Systems side by side", "table 5", tuple(Arms(system, measured=True) for system in SYSTEMS), "systems",
        paper=5, alone=True, remarks=(_FRAMEWISE,),
    ),
    "table06": Target(
        "Consistency of short and long videos", "table 6",
        tuple(need for system in SYSTEMS for need in (Arms(system), Arms(system, LONG), Drop(system))), "horizons",
        paper=6, alone=True,
    ),
    "table07": Target(
        "Seconds of a training cycle", "table 7", (Cost(),), "cost", paper=7,
        remarks=("The seconds of the paper's table 7 are lost in the text that we have; its overhead is printed.",),
    ),
    "table08": Target("Dimensions of Quality", "table 8", _BOTH, "dimensions", paper=8, alone=True),
    "table09": Target(
        "Dimensions of Semantic", "table 9", _BOTH, "dimensions", paper=9, alone=True,
        remarks=("At 30 s the paper prints 24.93 and 25.03 both as temporal style and as overall consistency.",),
    ),
    "table10": _sweep("table10", "Offsets, frame by frame", _FRAMEWISE),
    "table11": _sweep("table11", "Weight of the foresight loss"),
    "table12": _sweep("table12", "Fusion of targets in stage 2"),
    "table13": _sweep("table13", "Foresight encoder in stage 2"),
    "table14": _sweep(
        "table14", "Stage of the foresight loss",
        "The paper calls its Totals of stage 2 and of stage 3 identical gains: both are 84.62.",
    ),
    "table15": Target(
        "Significance of the three aggregates", "table 15", (Arms(),), "significance",
        remarks=(
            "The numbers of the paper's table 15 are lost in the text that we have; it says that all intervals "
            "exclude 0.",
        ),
    ),
    "figure01": Target("Future frames read from a state", "figure 1", (Futures(),), "readouts", remarks=(_NO_NUMBERS,)),
    "figure02": Target("Short videos side by side", "figure 2", (Arms(),), "videos", remarks=(_NO_NUMBERS,)),
    "figure05": Target(
        "Foresight loss, and readout by depth and horizon", "figure 5", (Rows("figure05"), Probes()), "losses",
        alone=True, remarks=(_NO_NUMBERS,),
    ),
    "figure06": Target("Futures of one state", "figure 6", (Futures(),), "futures", remarks=(_NO_NUMBERS,)),
    "figure07": Target(
        "Long videos side by side", "figure 7", (Arms(horizon=LONG),), "videos", remarks=(_NO_NUMBERS,)
    ),
    "figure10": Target(
        "More videos side by side", "figure 10", _BOTH, "videos", alone=True, remarks=(_NO_NUMBERS,)
    ),
    "appendixF": Target(
        "Readout error by depth and horizon", "appendix F", (Probes(),), "probes", remarks=(_NO_NUMBERS,)
    ),
    "cost": Target(
        "Cost of foresight", "appendix B and table 7", (Cost(),), "cost", paper=7,
        remarks=("The seconds of the paper's table 7 are lost in the text that we have; its overhead is printed.",),
    ),
}  # fmt: skip


def target_named(name: str) -> Target:
    """A target of the registry.

    Raises:
        UserError: naming the targets that there are.
    """
    if name not in TARGETS:
        raise UserError(f"There is no target {name!r}.", f"Choose {', '.join(TARGETS)}.")
    return TARGETS[name]
