"""Commands of a plan: as one could type them, whether they are done, and how long they take."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from probekit.choices import Split
from probekit.errors import UserError
from probekit.reporting.comparison_io import read_comparison
from probekit.suites.suite import Suite
from trainer.commands.rates import UNKNOWN, Estimate
from trainer.commands.training import Training
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.data.latent_clips import shard_path
from trainer.data.trajectories import trajectory_path

_EXPORTED: Final = "export/model_index.json"


class Step(NamedTuple):
    """One command.

    Attributes:
        words: words of the command line.
        what: what it makes.
        is_done: tells whether it is there already.
        estimate: how long it takes from nothing.
    """

    words: tuple[str, ...]
    what: str
    is_done: Callable[[], bool]
    estimate: Estimate = UNKNOWN


class Plan(NamedTuple):
    """Commands in their order, and what no command can make.

    Attributes:
        steps: commands.
        asks: sentences about what the user has to give first.
    """

    steps: tuple[Step, ...]
    asks: tuple[str, ...] = ()


def training_is_done(training: Training) -> bool:
    """Whether a stage has trained all steps of its recipe, or has solved all of its trajectories."""
    recipe = load_recipe(training.recipe, training.changes)
    if isinstance(recipe, TrajectoryConfig):
        return all(trajectory_path(training.folder, number).is_file() for number in range(recipe.shards))
    return training.is_finished() and (training.folder / _EXPORTED).is_file()


def clips_are_done(folder: Path, split: Split, shards: int) -> bool:
    """Whether all shards of a split are there."""
    return all(shard_path(folder, split, number).is_file() for number in range(shards))


def comparison_is_done(folder: Path, suite: Suite, models: int) -> bool:
    """Whether a comparison of as many models on this suite is stored."""
    try:
        record = read_comparison(folder)
    except UserError:
        return False
    asked = (suite.name, len(suite.prompts), suite.samples)
    cards = [card.prompts for card in record.protocols.values()]
    return len(cards) == models and all((card.suite, card.n_prompts, card.samples) == asked for card in cards)
