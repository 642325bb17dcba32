"""Training checkpoints: one folder each (DCP), complete or absent; any number of processes reads what others wrote."""

import pickle
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save, save

from probekit.atomic_files import write_json
from probekit.errors import UserError
from probekit.user_files.json_files import read_json
from trainer.distributed.world import World
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner
from trainer.engine.state import TrainingState

_NAME: Final = re.compile(r"step-(\d{7})")
_ABOUT: Final = "checkpoint.json"
_RNG: Final = "rng.rank-"
_FLAT: Final = StateDictOptions(flatten_optimizer_state_dict=True)


class CheckpointFacts(NamedTuple):
    """Steps already done and the configuration that made a checkpoint."""

    path: Path
    steps_done: int
    config: str


def checkpoint_paths(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name))


def newest_checkpoint(folder: Path) -> CheckpointFacts | None:
    """The newest checkpoint of a run; None if it has none.

    Raises:
        UserError: if its description cannot be read.
    """
    paths = checkpoint_paths(folder)
    if not paths:
        return None
    try:
        about = read_json(paths[-1] / _ABOUT, fix="Delete it to resume from an older one.")
        return CheckpointFacts(paths[-1], int(about["steps_done"]), str(about["config"]))
    except (UserError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(paths[-1], error) from error


def state_tensors(state: TrainingState) -> dict[str, Any]:
    """Every tensor of a state under one flat name; optimizers that have not stepped yet get their first, zero state."""
    tensors: dict[str, Any] = {f"counters.{name}": tensor for name, tensor in state.counters.items()}
    for name, model in state.models.items():
        tensors |= {f"models.{name}.{key}": tensor for key, tensor in model.state_dict().items()}
    for name, (model, optimizer) in state.optimizers.items():
        flat: Mapping[str, Any] = get_optimizer_state_dict(model, optimizer, options=_FLAT)
        tensors |= {f"optimizers.{name}.{key}": value for key, value in flat.items() if isinstance(value, Tensor)}
    return tensors


def load_checkpoint(facts: CheckpointFacts, state: TrainingState) -> None:
    """Read a checkpoint into a state, in place; hyperparameters of optimizers stay as the recipe says.

    Raises:
        UserError: if it cannot be read, or does not hold this state.
    """
    flat = {
        name: get_optimizer_state_dict(model, optimizer, options=_FLAT)
        for name, (model, optimizer) in state.optimizers.items()
    }
    tensors = state_tensors(state)
    rng = torch.empty_like(torch.get_rng_state())
    own_rng = f"{_RNG}{distributed.get_rank() if distributed.is_initialized() else 0}"
    try:
        reader = SafeReader(facts.path)
        if own_rng in reader.read_metadata().state_dict_metadata:
            tensors[own_rng] = rng
        with _alone_on_purpose():
            load(tensors, storage_reader=reader, planner=TensorPlanner(), no_dist=not distributed.is_initialized())
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, CheckpointException) as error:
        raise _unreadable(facts.path, error) from error
    if own_rng in tensors:
        torch.set_rng_state(rng)
    for name, (model, optimizer) in state.optimizers.items():
        prefix = f"optimizers.{name}."
        loaded = {key: tensors.get(prefix + key, value) for key, value in flat[name].items()}
        set_optimizer_state_dict(model, optimizer, loaded, options=_FLAT)


@contextmanager
def _alone_on_purpose() -> Iterator[None]:
    """DCP warns of every use by a single process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _unreadable(path: Path, error: BaseException) -> UserError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(f"The checkpoint {path} cannot be read: {first_line}.", "Delete it to resume from an older one.")


class CheckpointWriter:
    """Writes the checkpoints of a run.

    A checkpoint is written under another name and renamed when all processes have finished, so an interruption leaves
    the ones before as they are.

    Args:
        folder: of the checkpoints.
        world: of the run.
        keep: how many of the newest stay.
        asynchronous: return once the state has been copied; the files are completed by the next `save` or by `finish`.
    """

    def __init__(self, folder: Path, world: World, keep: int, asynchronous: bool) -> None:
        self._folder = folder
        self._world = world
        self._keep = keep
        self._asynchronous = asynchronous
        self._group = distributed.new_group(backend="gloo") if world.shared else None
        self._pending: tuple[Future[Any] | None, Path] | None = None

    def save(self, steps_done: int, state: TrainingState, config: str) -> None:
        """Begin a checkpoint; every process calls this."""
        self.finish()
        path = self._folder / f"step-{steps_done:07d}"
        partial = path.with_name(f"{path.name}.partial")
        if self._world.main:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self._world.wait()
        tensors = state_tensors(state) | {f"{_RNG}{self._world.rank}": torch.get_rng_state()}
        writer = FileSystemWriter(partial)
        if self._asynchronous:
            with _alone_on_purpose():
                future = async_save(tensors, storage_writer=writer, process_group=self._group)
            assert isinstance(future, Future)
            self._pending = (future, path)
        else:
            with _alone_on_purpose():
                save(tensors, storage_writer=writer, process_group=self._group, no_dist=self._group is None)
            self._pending = (None, path)
        if self._world.main:
            write_json(partial / _ABOUT, {"steps_done": steps_done, "config": config})
        if not self._asynchronous:
            self.finish()

    def finish(self) -> None:
        """Wait for the checkpoint that is being written and give it its name; every process calls this."""
        if self._pending is None:
            return
        (future, path), self._pending = self._pending, None
        if future is not None:
            future.result()
        self._world.wait()
        if self._world.main:
            shutil.rmtree(path, ignore_errors=True)
            path.with_name(f"{path.name}.partial").rename(path)
            for old in checkpoint_paths(self._folder)[: -self._keep]:
                shutil.rmtree(old)
        self._world.wait()
