"""Training checkpoints: one folder each (DCP), complete or absent; any number of processes reads what others wrote."""

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

from probekit.atomic_files import put_in_place, write_json
from probekit.errors import UserError
from probekit.library_errors import reading, said
from probekit.user_files.json_files import read_json_object
from probekit.write_failures import FREE_SPACE, naming_write_failures, write_failure
from trainer.distributed.world import World
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner
from trainer.engine.state import TrainingState

_NAME: Final = re.compile(r"step-(\d{7})")
_PARTIAL: Final = ".partial"
_ABOUT: Final = "checkpoint.json"
_RNG: Final = "rng.rank-"
_DELETE: Final = "Delete it to resume from an older one."
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
    with reading(f"The checkpoint {paths[-1]} cannot be read", _DELETE):
        about = read_json_object(paths[-1] / _ABOUT, fix=_DELETE)
        return CheckpointFacts(paths[-1], int(about["steps_done"]), str(about["config"]))


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
    problem = f"The checkpoint {facts.path} cannot be read"
    try:
        with reading(problem, _DELETE), _alone_on_purpose():
            reader = SafeReader(facts.path)
            if own_rng in reader.read_metadata().state_dict_metadata:
                tensors[own_rng] = rng
            load(tensors, storage_reader=reader, planner=TensorPlanner(), no_dist=not distributed.is_initialized())
    except CheckpointException as error:  # no `Exception`
        raise UserError(f"{problem}: {said(error)}.", _DELETE) from error
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


class CheckpointWriter:
    """Writes the checkpoints of a run.

    A checkpoint is written under another name and renamed when all processes have finished, so an interruption leaves
    the ones before as they are. Unfinished ones of earlier processes are removed.

    Args:
        folder: folder of the checkpoints.
        world: processes of the run.
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
        if world.main:
            for left in folder.glob(f"*{_PARTIAL}"):
                shutil.rmtree(left, ignore_errors=True)

    def save(self, steps_done: int, state: TrainingState, config: str) -> None:
        """Begin a checkpoint; every process calls this.

        Raises:
            UserError: it cannot be written; the ones before stay.
        """
        self.finish()
        path = self._folder / f"step-{steps_done:07d}"
        with _removed_if_unfinished(path):
            self._begin(path, steps_done, state, config)
        if not self._asynchronous:
            self.finish()

    def _begin(self, path: Path, steps_done: int, state: TrainingState, config: str) -> None:
        partial = _partial(path)
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

    def finish(self) -> None:
        """Wait for the checkpoint that is being written and give it its name; every process calls this.

        Raises:
            UserError: it cannot be written; the ones before stay.
        """
        if self._pending is None:
            return
        (future, path), self._pending = self._pending, None
        with _removed_if_unfinished(path):
            if future is not None:
                future.result()
            self._world.wait()
            if self._world.main:
                put_in_place(_partial(path), path)
        if self._world.main:
            for old in checkpoint_paths(self._folder)[: -self._keep]:
                shutil.rmtree(old, ignore_errors=True)  # the next checkpoint tries again
        self._world.wait()


def _partial(path: Path) -> Path:
    """Name of a checkpoint while it is written."""
    return path.with_name(path.name + _PARTIAL)


@contextmanager
def _removed_if_unfinished(path: Path) -> Iterator[None]:
    """A block that writes a checkpoint; after an error nothing of it is left to fill the disk.

    Raises:
        UserError: in place of an error which says that it cannot be written.
    """
    try:
        with naming_write_failures(path):
            yield
    except CheckpointException as error:
        shutil.rmtree(_partial(path), ignore_errors=True)
        reasons = (write_failure(failure) for failure, _ in error.failures.values())
        reason = next((reason for reason in reasons if reason), None)
        if reason is None:
            raise
        raise UserError(f"Cannot write {path}: {reason}.", FREE_SPACE) from error
    except UserError:
        shutil.rmtree(_partial(path), ignore_errors=True)
        raise
