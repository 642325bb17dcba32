"""From a recipe to a running stage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import torch

from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig, TrajectoryConfig
from trainer.config.choices import ServiceName
from trainer.config.recipe import BidirectionalConfig, DmdConfig, StageConfig, load_recipe
from trainer.distributed.world import SINGLE, World, joined_world
from trainer.engine.checkpoint import checkpoint_paths
from trainer.engine.loop import Ending, Stage, run
from trainer.engine.tracking import open_service
from trainer.planning.refusals import refuse_absent, refuse_unworkable
from trainer.plugins import auxiliary_of
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage
from trainer.stages.bidirectional import BidirectionalStage
from trainer.stages.causal_ode import CausalOdeStage
from trainer.stages.consistency import ConsistencyStage
from trainer.stages.ode_trajectories import make_trajectories

LOCK: Final = ".training.lock"


def train_from_recipe(
    recipe: Path,
    out: Path | None,
    overrides: Sequence[str],
    allow_change: bool = False,
    resume: bool = True,
    track_with: ServiceName | None = None,
) -> Ending:
    """Read a recipe, build its stage and train, on all processes that torchrun started.

    Raises:
        UserError: before anything is loaded, if the recipe cannot run or names what is not there, if another training
            writes the run folder, or with `resume` off, if it holds checkpoints.
    """
    config = load_recipe(recipe, overrides)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if isinstance(config, TrajectoryConfig):
        with joined_world() as world:
            refuse_unworkable(config, world.size)
            refuse_absent(config)
            placed = config if out is None else config.model_copy(update={"out": out})
            make_trajectories(placed, range(config.shards)[world.rank :: world.size], world)
        return Ending.COMPLETE
    folder = out or Path("runs") / config.name
    if not resume and checkpoint_paths(folder / "checkpoints"):
        raise UserError(f"{folder} holds a run already.", "Choose another --out, delete the folder, or use --resume.")
    service = open_service(track_with) if track_with else None
    with joined_world() as world, _sole_training(folder, world):
        refuse_unworkable(config, world.size)
        refuse_absent(config)
        stage = build_stage(config, world)
        return run(stage, config, folder, allow_change=allow_change, world=world, service=service)


@contextmanager
def _sole_training(folder: Path, world: World) -> Iterator[None]:
    """Be the only training in a run folder; the main process holds the lock for all."""
    with sole_writer(folder / LOCK, folder) if world.main else nullcontext():
        yield


def build_stage(config: StageConfig, world: World = SINGLE) -> Stage:
    """The stage that a configuration describes."""
    match config:
        case BidirectionalConfig():
            return BidirectionalStage(config, world)
        case AutoregressiveConfig():
            return AutoregressiveStage(config, world)
        case CausalOdeConfig():
            return CausalOdeStage(config, auxiliary_of(config), world)
        case ConsistencyConfig():
            return ConsistencyStage(config, world)
        case DmdConfig():
            return AsymmetricDmdStage(config, auxiliary_of(config), world)
