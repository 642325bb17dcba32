"""Trainings of a row and of what it starts from: recipes say what they need, and other recipes make that."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from probekit.choices import Split
from probekit.user_files.yaml_files import read_yaml
from trainer.config.causal import TrajectoryConfig
from trainer.config.choices import CLIP_SHARDS
from trainer.config.places import FILE_KEYS, MODEL_KEYS, RECIPES
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SWEEPS, SweepConfig, SweepRow
from trainer.engine.checkpoint import newest_checkpoint
from trainer.reproduction.places import Places
from trainer.reproduction.rates import Estimate, estimate_of, training_estimate
from trainer.reproduction.request import Request
from trainer.reproduction.steps import Step, clips_are_done, training_is_done
from trainer.reproduction.targets import SYSTEMS
from trainer.sweep_runs import RowRun, Training, trainings_of

_WORK: Final = "runs"
_LATENTS: Final = "-latents"
_CLIP_SHARDS: Final[Mapping[Split, int]] = {"train": CLIP_SHARDS, "validation": 1}
_CLIPS_PER_SHARD: Final = 250
_SOURCES: Final = tuple(key for key in (*MODEL_KEYS, *FILE_KEYS) if key != "out")
_ENTRY: Final = "initial_model"
_FIX: Final = "Install the package again."


class Row(NamedTuple):
    """A row whose training other tables may share.

    Attributes:
        name: name of its run folder and of its model, from its recipes and what they change.
        label: text in the table.
        trainings: stages in order.
    """

    name: str
    label: str
    trainings: tuple[Training, ...]

    @property
    def export(self) -> Path:
        """Model folder that the last stage writes."""
        return self.trainings[-1].folder / "export"


def rows_of(sweep: SweepConfig, request: Request) -> list[Row]:
    """The rows of a sweep, each in a folder that its recipes name."""
    return [_row(row, sweep.set, request) for row in sweep.rows]


def arms_of(system: str, request: Request) -> list[Row]:
    """The rows of a base system: without and with foresight."""
    folder = Path("..") / request.scale / SYSTEMS[system]
    names = {"dmd_baseline": "without foresight", "dmd_foresight": "with foresight"}
    rows = [SweepRow(name="arm", label=label, recipe=folder / f"{name}.yaml") for name, label in names.items()]
    return [_row(row, (), request) for row in rows]


def _row(row: SweepRow, shared: Sequence[str], request: Request) -> Row:
    name = row_name(row, shared)
    named = row.model_copy(update={"name": name})
    changes = (*shared, *request.size.of_training(), *request.overrides)
    trainings = trainings_of(RowRun(named, 0, 1), SWEEPS, Places(request.out).rows, changes)
    return Row(name, row.label, tuple(one._replace(recipe=_shortest(one.recipe)) for one in trainings))


def row_name(row: SweepRow, shared: Sequence[str] = ()) -> str:
    """A name that says which recipes a row trains and what it changes in them."""
    stages = [" ".join((_recipe_name(stage.recipe), *stage.set)) for stage in row.stages]
    return re.sub(r"[^A-Za-z0-9.]+", "-", " then ".join((*stages, *shared))).strip("-")


def _recipe_name(recipe: Path) -> str:
    """Its path below the scale's folder, without suffix."""
    inside = Path(os.path.normpath(SWEEPS / recipe)).relative_to(RECIPES).with_suffix("")
    return " ".join(inside.parts[1:])


def _shortest(recipe: Path) -> Path:
    """The recipe's path from the working folder, where it lies below it."""
    path = Path(os.path.normpath(recipe))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@cache
def recipes_by_run(scale: str) -> dict[str, Path]:
    """Recipe of each run of a scale, by the name of its run folder."""
    found = {
        path: read_yaml(path, what="recipe", fix=_FIX).get("name") for path in sorted((RECIPES / scale).rglob("*.yaml"))
    }
    return {str(name): path for path, name in found.items() if name}


class Chain:
    """Collects the commands of trainings, each once, behind those of what they start from."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._places = Places(request.out)
        self._seen: set[Path] = set()
        self.steps: list[Step] = []
        self.asks: list[str] = []

    def add(self, row: Row) -> None:
        """Add the trainings of a row."""
        for number, training in enumerate(row.trainings):
            self._add(training, f"row {row.label}", set() if number == 0 else {_ENTRY})

    def _add(self, training: Training, what: str, given: set[str]) -> None:
        if training.folder in self._seen:
            return
        self._seen.add(training.folder)
        sources = self._document(training)
        found = [self._made(key, str(sources[key])) for key in _SOURCES if key not in given and sources.get(key)]
        placed = training._replace(changes=(*training.changes, *(change for change in found if change)))
        self.steps.append(self._step(placed, what))

    def _document(self, training: Training) -> dict[str, Any]:
        return load_recipe(training.recipe, training.changes).model_dump(mode="json")

    def _made(self, key: str, value: str) -> str | None:
        """The change of a recipe that leads to where a source is made; None where it is there or is not ours to make.

        Sources that lie in the working folder already are taken from there.
        """
        path = Path(value)
        if (path.exists() and not self._request.fresh) or path.is_absolute() or len(path.parts) < 2:
            return None
        run = path.parts[1]
        if path.parts[0] != _WORK or not (run in recipes_by_run(self._request.scale) or run.endswith(_LATENTS)):
            if key in FILE_KEYS:
                self._ask(f"{value} is to hold the prompts that are trained on, one per line.")
            return None
        target = self._places.chain / Path(*path.parts[1:])
        if run.endswith(_LATENTS):
            if not self._add_clips(run, target):
                return None
        else:
            self._add_run(run)
        return f"{key}={target}"

    def _add_run(self, run: str) -> None:
        recipe = _shortest(recipes_by_run(self._request.scale)[run])
        small, folder = self._request.size.of_training(), self._places.chain / run
        if small and isinstance(load_recipe(recipe), TrajectoryConfig):
            small = ("shards=1",)
        self._add(Training(recipe, folder, small), run, set())

    def _ask(self, sentence: str) -> None:
        if sentence not in self.asks:
            self.asks.append(sentence)

    def _add_clips(self, run: str, folder: Path) -> bool:
        """Add the commands that make clips; whether there are any."""
        if self._request.scale != "sprite":
            self._ask(
                f"{_WORK}/{run} is to hold encoded clips: trainer encode-videos VIDEOS --captions CAPTIONS "
                f"--model Wan-AI/Wan2.1-T2V-1.3B-Diffusers --out {_WORK}/{run}"
            )
            return False
        if folder not in self._seen:
            self._seen.add(folder)
            self.steps += self._clips(folder)
        return True

    def _clips(self, folder: Path) -> Iterator[Step]:
        for split, full in _CLIP_SHARDS.items():
            shards = 1 if self._request.size.is_small() else full
            words = ("trainer", "encode-sprites", "--out", str(folder), "--shards", str(shards), "--split", split)
            yield Step(
                words,
                f"{split} clips",
                partial(clips_are_done, folder, split, shards),
                estimate_of("sprite", "clip", shards * _CLIPS_PER_SHARD),
            )

    def _step(self, training: Training, what: str) -> Step:
        launcher, *rest = training.module_and_arguments(self._request.machine.processes)
        program = "trainer" if launcher == "trainer" else "torchrun"
        config = load_recipe(training.recipe, training.changes)
        whole = training_estimate(self._request.scale, config, self._request.machine.processes)
        estimate = whole if self._request.fresh else _remaining(whole, training, config)
        return Step((program, *rest), f"training of {what}", partial(training_is_done, training), estimate)


def _remaining(whole: Estimate, training: Training, config: Any) -> Estimate:
    """The time of the steps that a training still lacks."""
    newest = newest_checkpoint(training.folder / "checkpoints")
    if whole.seconds is None or newest is None or isinstance(config, TrajectoryConfig):
        return whole
    left = 1 - newest.steps_done / config.total_steps
    return whole._replace(seconds=max(0.0, left) * whole.seconds)
