"""Where a run's numbers go: one JSON line per record, TensorBoard, and a service if asked for."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from torch.utils.tensorboard import SummaryWriter

from probekit.atomic_files import write_text
from probekit.errors import UserError
from probekit.journal import Journal, read_journal
from probekit.write_failures import naming_write_failures
from trainer.config.choices import ServiceName

LOG: Final = "metrics.jsonl"
SUPERSEDED: Final = "metrics.superseded.jsonl"
"""Records of steps that were repeated after an interruption."""
BOARD: Final = "tensorboard"


class Service(Protocol):
    """What W&B and trackio share."""

    def init(self, *, project: str, name: str, config: Mapping[str, Any]) -> Any:
        """Begin a run."""
        ...

    def log(self, values: Mapping[str, float], step: int) -> Any:
        """Record values of one step."""
        ...

    def finish(self) -> Any:
        """End the run."""
        ...


def open_service(name: ServiceName) -> Service:
    """The package of a tracking service.

    Raises:
        UserError: if its package is not installed.
    """
    try:
        service: Service = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"--track {name} needs the package {name}.", f"Run `pip install {name}`.") from error
    return service


class Tracker:
    """Appends records to `metrics.jsonl` and to a TensorBoard log in a run folder.

    A resumed run repeats the steps after its checkpoint. Their records of before are moved to
    `metrics.superseded.jsonl`, so that every step is logged once; damaged lines are named and left out.

    Args:
        folder: folder of the run.
        write: whether to write at all; only the main process of a run does.
        service: tracking service that also gets every record.
        config: configuration of the run, for the service.
        first: steps that the run had done when it was resumed.

    Raises:
        UserError: the log cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        write: bool = True,
        service: Service | None = None,
        config: Mapping[str, Any] | None = None,
        first: int = 0,
    ) -> None:
        self._path = folder / LOG
        self._lines: Journal | None = None
        self._board: SummaryWriter | None = None
        self._service = service if write else None
        self._first = first
        self._known: list[Any] = []
        if write:
            self._known = _kept_records(self._path, first)
            self._lines = Journal(self._path, synced=False)
            with naming_write_failures(folder / BOARD):
                folder.mkdir(parents=True, exist_ok=True)
                self._board = SummaryWriter(str(folder / BOARD), purge_step=first + 1 if first else None)
        if self._service is not None:
            self._service.init(project="probekit", name=folder.name, config=config or {})

    def log(self, step: int, **values: float) -> None:
        """Record values of one step. What the step already has, from before the run was resumed, is not repeated.

        Raises:
            UserError: the log cannot be written.
        """
        record = {"step": step, **values}
        if self._lines is None or self._board is None or (step == self._first and record in self._known):
            return
        self._lines.append(record)
        with naming_write_failures(self._path.parent / BOARD):
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._service is not None:
            self._service.log(values, step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines is not None:
            self._lines.close()
        if self._board is not None:
            with naming_write_failures(self._path.parent / BOARD):
                self._board.close()
        if self._service is not None:
            self._service.finish()


def _kept_records(path: Path, first: int) -> list[Any]:
    """Let a log end with step `first`; returns the records of that step."""
    if not path.is_file():
        return []
    records = [entry.value for entry in read_journal(path) if _step_of(entry.value) is not None]
    kept = [record for record in records if record["step"] <= first]
    text = "".join(f"{json.dumps(record)}\n" for record in kept)
    if text.encode() != path.read_bytes():
        superseded = Journal(path.with_name(SUPERSEDED), synced=False)
        for record in records:
            if record["step"] > first:
                superseded.append(record)
        superseded.close()
        write_text(path, text)
    return [record for record in kept if record["step"] == first]


def _step_of(record: Any) -> int | None:
    step = record.get("step") if isinstance(record, dict) else None
    return step if isinstance(step, int) else None
