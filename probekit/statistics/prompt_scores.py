"""What a score table is made of here: methods, and how much of what was planned is scored.

A prompt's score is the mean of its videos (Video-Mirai, appendix E). Dimensions that are ratios (a numerator and a
denominator beside the value) take part with the value of each video, so a prompt weighs the same whatever its
denominators; what VBench's official frame-weighted form needs beyond that is in `evaluation.weighting`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol


class ScoreTable(Protocol):
    """What is used of a score table: a pandas DataFrame or a dict of columns will do."""

    def __contains__(self, column: Any, /) -> bool:
        """Whether the column exists."""

    def __getitem__(self, column: Any, /) -> Iterable[Any]:
        """The column's values in row order."""


class Method(NamedTuple):
    """One trained model of the table; `training_run` None = the only one that the model has."""

    model: str
    training_run: str | None = None

    def label(self) -> str:
        """Name for messages and tables."""
        return self.model if self.training_run is None else f"{self.model} ({self.training_run})"
