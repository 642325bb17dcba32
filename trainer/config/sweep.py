"""A table of the paper as a sweep: which recipe each row trains, what it changes, and what the rows are scored on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from probekit.config import StrictModel, load_config
from probekit.errors import UserError
from trainer.config.places import placed_override
from trainer.config.readings import SweepReadings

SWEEPS: Final = Path(__file__).parents[1] / "recipes" / "sweeps"

OWN_SWEEPS: Final = SWEEPS / "own"
"""Questions on which the paper has no table."""

FORESIGHT: Final = "foresight"
"""The sweep that trains both arms several times."""

SCALE: Final = "{scale}"
"""Stands in a recipe's path for the folder of a scale, e.g. `../{scale}/dmd_foresight.yaml`."""


Seeds = Annotated[int, Field(gt=0, le=100)]


class PaperScores(StrictModel):
    """What the paper reports for a row (Wan size, VBench, percent)."""

    quality: float
    semantic: float
    total: float


class SweepStage(StrictModel):
    """A recipe and what is changed in it.

    Attributes:
        recipe: path relative to the sweep file.
        set: overrides of this recipe alone, e.g. `foresight.weight=0.1`.
    """

    recipe: Path
    set: tuple[str, ...] = ()


def _stage(value: Any) -> Any:
    return {"recipe": value} if isinstance(value, str | Path) else value


class SweepRow(SweepStage):
    """One row of a table.

    Attributes:
        name: name of the row's run folder and model.
        label: text in the table.
        then: later stages, each of which starts from the export of the one before; a path alone is a stage too.
        paper: the paper's numbers, where they are known.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")
    label: str
    then: tuple[Annotated[SweepStage, BeforeValidator(_stage)], ...] = ()
    paper: PaperScores | None = None

    @property
    def stages(self) -> tuple[SweepStage, ...]:
        """Stages in the order of their training."""
        return (SweepStage(recipe=self.recipe, set=self.set), *self.then)


class SweepSuite(StrictModel):
    """What runs are scored on.

    Attributes:
        suite: suite whose videos are scored.
        prompts: number of the suite's prompts.
        samples: videos per prompt.
    """

    suite: str = "sprite-5s"
    prompts: int = Field(default=100, gt=0)
    samples: int = Field(default=1, gt=0)


class SweepScale(SweepSuite):
    """What a sweep is scored on, and what every stage of every row changes.

    Attributes:
        more_suites: further suites; each has a table of its own.
        set: overrides of every recipe, e.g. `steps=1000`.
        seeds: training runs of each row. With several, intervals are over training runs and prompts.
        more_seeds: training runs of rows that have another number, by name.
        readings: what is read from runs beside their scores; None for nothing.
    """

    more_suites: tuple[SweepSuite, ...] = ()
    set: tuple[str, ...] = ()
    seeds: Seeds = 1
    more_seeds: dict[str, Seeds] = Field(default_factory=dict)
    readings: SweepReadings | None = None

    @property
    def suites(self) -> tuple[SweepSuite, ...]:
        """Every suite, that of the main table first."""
        return (SweepSuite(suite=self.suite, prompts=self.prompts, samples=self.samples), *self.more_suites)

    @model_validator(mode="after")
    def _check_suites(self) -> Self:
        """Each suite has a table of its own."""
        names = [scored.suite for scored in self.suites]
        if len(set(names)) < len(names):
            raise ValueError("name every suite once")
        return self


class SweepConfig(SweepScale):
    """A table.

    Attributes:
        title: what the rows vary.
        source: table of the paper.
        rows: rows; the first is what the others are compared with.
        scales: what a scale has instead of the sweep's own suite, prompts, samples and set.
    """

    title: str
    source: str
    rows: tuple[SweepRow, ...] = Field(min_length=2)
    scales: dict[str, SweepScale] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Each row has a run folder of its own, also on disks that ignore case."""
        names = [row.name.casefold() for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("give every row a name of its own, in any letter case")
        for block in list[SweepScale]([self, *self.scales.values()]):
            for name in block.more_seeds:
                if name.casefold() not in names:
                    raise ValueError(f"more_seeds names {name!r}, which is no row")
        return self

    def at(self, scale: str) -> "SweepConfig":
        """The sweep of one scale: its block applied, its folder in the paths of recipes.

        Raises:
            UserError: if the sweep names scales, and this is none of them.
        """
        if self.scales and scale not in self.scales:
            raise UserError(f"{self.title!r} has no scale {scale!r}.", f"Choose {', '.join(self.scales)}.")
        block = self.scales.get(scale)
        own = {key: getattr(block, key) for key in block.model_fields_set} if block else {}
        return self.model_copy(update=own | {"rows": tuple(_row_at(row, scale) for row in self.rows), "scales": {}})

    def with_seeds(self, seeds: int | None) -> "SweepConfig":
        """The sweep with this number of training runs of every row; None leaves its own numbers."""
        if seeds is None:
            return self
        return self.model_copy(update={"seeds": seeds, "more_seeds": {}})


def _row_at(row: SweepRow, scale: str) -> SweepRow:
    then = tuple(stage.model_copy(update={"recipe": _path_at(stage.recipe, scale)}) for stage in row.then)
    return row.model_copy(update={"recipe": _path_at(row.recipe, scale), "then": then})


def _path_at(recipe: Path, scale: str) -> Path:
    return Path(str(recipe).replace(SCALE, scale))


S = TypeVar("S", SweepStage, SweepRow, SweepConfig)


def load_sweep(path: Path, scale: str = "sprite") -> SweepConfig:
    """Read a sweep file for one scale.

    Raises:
        UserError: if a key or value is not allowed, or the sweep has no such scale.
    """
    return _placed(load_config(path, SweepConfig).at(scale), path.parent)


def _placed(sweep: SweepConfig, folder: Path) -> SweepConfig:
    """The sweep with the paths in its overrides settled."""
    rows = tuple(
        _settled(row, folder).model_copy(update={"then": tuple(_settled(stage, folder) for stage in row.then)})
        for row in sweep.rows
    )
    return _settled(sweep, folder).model_copy(update={"rows": rows})


def _settled(part: S, folder: Path) -> S:
    return part.model_copy(update={"set": tuple(placed_override(change, folder) for change in part.set)})


ALL: Final = "all"
_ORDER: Final = (
    FORESIGHT, "table01", "table11", "table14", "table04", "table02", "table03", "figure05", "table12", "table13",
    "table10", "self-forcing", "rivals", "ceiling",
)  # fmt: skip
"""Every shipped sweep; those that decide most are trained first."""


def find_sweeps(names: Sequence[str]) -> list[Path]:
    """The files of sweeps, each once, by name as in `find_sweep`; `all` means every shipped one.

    Raises:
        UserError: naming the sweeps that exist.
    """
    return list(dict.fromkeys(find_sweep(one) for name in names for one in (_ORDER if name == ALL else (name,))))


def find_sweep(name: str) -> Path:
    """The file of a shipped sweep, or the given file.

    Raises:
        UserError: naming the sweeps that exist.
    """
    for path in (SWEEPS / f"{name}.yaml", OWN_SWEEPS / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    known = (path.stem for folder in (SWEEPS, OWN_SWEEPS) for path in sorted(folder.glob("*.yaml")))
    raise UserError(f"There is no sweep {name!r}.", f"Choose {', '.join(known)}.")
