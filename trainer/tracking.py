"""Where a run's numbers go: one JSON line a record, and TensorBoard."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter


class Tracker:
    """Appends records to `metrics.jsonl` and to a TensorBoard log in a run folder.

    Args:
        folder: of the run.
        write: off in all but the main process of a run.
    """

    def __init__(self, folder: Path, write: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "metrics.jsonl").open("a", encoding="utf-8") if write else None
        self._board = SummaryWriter(str(folder / "tensorboard")) if write else None

    def log(self, step: int, **values: float) -> None:
        """Record values of one step."""
        if self._lines is None or self._board is None:
            return
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines is not None and self._board is not None:
            self._lines.close()
            self._board.close()
