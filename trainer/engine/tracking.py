"""Where a run's numbers go: one JSON line a record, TensorBoard, and a service if asked for."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from torch.utils.tensorboard import SummaryWriter

from probekit.errors import UserError

SERVICES: Final = ("wandb", "trackio")


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


def open_service(name: str) -> Service:
    """The package of a tracking service.

    Raises:
        UserError: if there is no such service, or its package is not installed.
    """
    if name not in SERVICES:
        raise UserError(f"There is no tracking service {name!r}.", f"Choose {' or '.join(SERVICES)}.")
    try:
        service: Service = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"--track {name} needs the package {name}.", f"Run `pip install {name}`.") from error
    return service


class Tracker:
    """Appends records to `metrics.jsonl` and to a TensorBoard log in a run folder.

    Args:
        folder: of the run.
        write: off in all but the main process of a run.
        service: also gets every record.
        config: of the run, for the service.
    """

    def __init__(
        self, folder: Path, write: bool = True, service: Service | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "metrics.jsonl").open("a", encoding="utf-8") if write else None
        self._board = SummaryWriter(str(folder / "tensorboard")) if write else None
        self._service = service if write else None
        if self._service is not None:
            self._service.init(project="probekit", name=folder.name, config=config or {})

    def log(self, step: int, **values: float) -> None:
        """Record values of one step."""
        if self._lines is None or self._board is None:
            return
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        if self._service is not None:
            self._service.log(values, step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines is not None and self._board is not None:
            self._lines.close()
            self._board.close()
        if self._service is not None:
            self._service.finish()
