"""What trainings start from: recipes say what they need, and other recipes make that."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from probekit.choices import Split
from probekit.user_files.yaml_files import read_yaml
from trainer.commands.rates import Estimate, estimate_of, training_estimate
from trainer.commands.steps import Step, clips_are_done, training_is_done
from trainer.commands.training import Training
from trainer.config.causal import TrajectoryConfig
from trainer.config.choices import CLIP_SHARDS
from trainer.config.places import FILE_KEYS, MODEL_KEYS, RECIPES
from trainer.config.recipe import load_recipe
from trainer.engine.checkpoint import newest_checkpoint

RUNS: Final = "runs"
"""Folder of the working folder in which recipes look for each other's runs."""

_LATENTS: Final = "-latents"
_CLIP_SHARDS: Final[Mapping[Split, int]] = {"train": CLIP_SHARDS, "validation": 1}
_CLIPS_PER_SHARD: Final = 250
_SOURCES: Final = tuple(key for key in (*MODEL_KEYS, *FILE_KEYS) if key != "out")
_ENTRY: Final = "initial_model"
_FIX: Final = "Install the package again."


class ChainSettings(NamedTuple):
    """How sources are made.

    Attributes:
        scale: scale whose recipes make them.
        folder: folder of what is made.
        small: overrides of each training that make it a trial.
        few_clips: whether one shard of clips is enough.
        processes: processes that train, one per GPU.
        fresh: whether what the working folder has already is made too, so that a plan is the same everywhere.
    """

    scale: str
    folder: Path = Path(RUNS)
    small: tuple[str, ...] = ()
    few_clips: bool = False
    processes: int = 1
    fresh: bool = False


@cache
def recipes_by_run(scale: str) -> dict[str, Path]:
    """Recipe of each run of a scale, by the name of its run folder."""
    found = {
        path: read_yaml(path, what="recipe", fix=_FIX).get("name") for path in sorted((RECIPES / scale).rglob("*.yaml"))
    }
    return {str(name): path for path, name in found.items() if name}


def shortest_path(recipe: Path) -> Path:
    """The recipe's path from the working folder, where it lies below it."""
    path = Path(os.path.normpath(recipe))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class Chain:
    """Collects the commands of trainings, each once, behind those of what they start from."""

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._seen: set[Path] = set()
        self.steps: list[Step] = []
        self.asks: list[str] = []

    def add(self, trainings: Sequence[Training], what: str) -> None:
        """Add trainings of which each later one starts from the one before, and what they start from.

        Args:
            trainings: stages in order.
            what: what they train, for a reader.
        """
        for number, training in enumerate(trainings):
            self._add(training, what, set() if number == 0 else {_ENTRY})

    def add_sources(self, trainings: Sequence[Training]) -> None:
        """Add what such trainings start from, and not themselves."""
        for number, training in enumerate(trainings):
            self._sources(training, set() if number == 0 else {_ENTRY})

    def _add(self, training: Training, what: str, given: set[str]) -> None:
        if training.folder in self._seen:
            return
        self._seen.add(training.folder)
        placed = training._replace(changes=(*training.changes, *self._sources(training, given)))
        self.steps.append(self._step(placed, what))

    def _sources(self, training: Training, given: set[str]) -> list[str]:
        """Add what a training starts from; returns the changes of its recipe that lead there."""
        sources = load_recipe(training.recipe, training.changes).model_dump(mode="json")
        found = [self._made(key, str(sources[key])) for key in _SOURCES if key not in given and sources.get(key)]
        return [change for change in found if change]

    def _made(self, key: str, value: str) -> str | None:
        """The change of a recipe that leads to where a source is made; None where it is there or is not ours to make.

        Sources that lie whole in the working folder already are taken from there.
        """
        path = Path(value)
        if path.is_absolute() or len(path.parts) < 2 or (not self._settings.fresh and self._is_whole(path)):
            return None
        run = path.parts[1]
        if not self._is_ours(path):
            if key in FILE_KEYS:
                self._ask(f"{value} is to hold the prompts that are trained on, one per line.")
            return None
        target = self._settings.folder / Path(*path.parts[1:])
        if run.endswith(_LATENTS):
            if not self._add_clips(run, target):
                return None
        else:
            self._add_run(run)
        return f"{key}={target}"

    def _is_ours(self, path: Path) -> bool:
        run = path.parts[1]
        return path.parts[0] == RUNS and (run in recipes_by_run(self._settings.scale) or run.endswith(_LATENTS))

    def _is_whole(self, path: Path) -> bool:
        """Whether a source is there; data whose making was cut off is not."""
        if not path.exists() or not self._is_ours(path) or self._settings.scale != "sprite":
            return path.exists()
        if path.parts[1].endswith(_LATENTS):
            return all(step.is_done() for step in self._clips(path))
        made = self._training_of(path.parts[1], path)
        return not isinstance(load_recipe(made.recipe), TrajectoryConfig) or training_is_done(made)

    def _add_run(self, run: str) -> None:
        self._add(self._training_of(run, self._settings.folder / run), run, set())

    def _training_of(self, run: str, folder: Path) -> Training:
        recipe = shortest_path(recipes_by_run(self._settings.scale)[run])
        small = self._settings.small
        if small and isinstance(load_recipe(recipe), TrajectoryConfig):
            small = ("shards=1",)
        return Training(recipe, folder, small)

    def _ask(self, sentence: str) -> None:
        if sentence not in self.asks:
            self.asks.append(sentence)

    def _add_clips(self, run: str, folder: Path) -> bool:
        """Add the commands that make clips; whether there are any."""
        if self._settings.scale != "sprite":
            self._ask(
                f"{RUNS}/{run} is to hold encoded clips: trainer encode-videos VIDEOS --captions CAPTIONS "
                f"--model Wan-AI/Wan2.1-T2V-1.3B-Diffusers --out {RUNS}/{run}"
            )
            return False
        if folder not in self._seen:
            self._seen.add(folder)
            self.steps += self._clips(folder)
        return True

    def _clips(self, folder: Path) -> Iterator[Step]:
        for split, full in _CLIP_SHARDS.items():
            shards = 1 if self._settings.few_clips else full
            words = ("trainer", "encode-sprites", "--out", str(folder), "--shards", str(shards), "--split", split)
            yield Step(
                words,
                f"{split} clips",
                partial(clips_are_done, folder, split, shards),
                estimate_of("sprite", "clip", shards * _CLIPS_PER_SHARD),
            )

    def _step(self, training: Training, what: str) -> Step:
        launcher, *rest = training.module_and_arguments(self._settings.processes)
        program = "trainer" if launcher == "trainer" else "torchrun"
        config = load_recipe(training.recipe, training.changes)
        whole = training_estimate(self._settings.scale, config, self._settings.processes)
        estimate = whole if self._settings.fresh else _remaining(whole, training, config)
        return Step((program, *rest), f"training of {what}", partial(training_is_done, training), estimate)


def _remaining(whole: Estimate, training: Training, config: Any) -> Estimate:
    """The time of the steps that a training still lacks."""
    newest = newest_checkpoint(training.folder / "checkpoints")
    if whole.seconds is None or newest is None or isinstance(config, TrajectoryConfig):
        return whole
    left = 1 - newest.steps_done / config.total_steps
    return whole._replace(seconds=max(0.0, left) * whole.seconds)
