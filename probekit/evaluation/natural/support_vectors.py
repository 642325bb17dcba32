"""A support vector regression from libsvm's text file, and the ranges of its inputs, read without running code."""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.library_errors import reading

Floats = NDArray[np.float64]

_WANTED: Final = {"svm_type": "epsilon_svr", "kernel_type": "rbf"}
_FIX: Final = "Give the published file."


@dataclass(frozen=True)
class SupportVectorRegression:
    """Epsilon regression with a radial kernel.

    Attributes:
        vectors: (S, F) support vectors, of inputs scaled to -1..1.
        weights: (S,) weight of each.
        gamma: width of the kernel.
        offset: number that is taken off.
        lowest: (F,) inputs that become -1.
        highest: (F,) inputs that become 1.
    """

    vectors: Floats
    weights: Floats
    gamma: float
    offset: float
    lowest: Floats
    highest: Floats

    def predict(self, features: Floats) -> float:
        """Value for features (F,): sum of weight * exp(-gamma |vector - scaled|^2), minus the offset."""
        scaled = -1.0 + 2.0 * (features - self.lowest) / (self.highest - self.lowest)
        kernel = np.exp(-self.gamma * ((self.vectors - scaled) ** 2).sum(axis=1))
        return float(self.weights @ kernel - self.offset)


def read_regression(model: Path, ranges: Path) -> SupportVectorRegression:
    """Read a model and the ranges of its inputs.

    Raises:
        UserError: a file is absent or damaged, or the two do not fit.
    """
    lowest, highest = read_ranges(ranges)
    with reading(f"{model} is no model of libsvm", _FIX):
        head, _, body = model.read_text("ascii").partition("\nSV\n")
        header = dict(line.split(" ", 1) for line in head.splitlines())
        vectors = [_vector(line, len(lowest)) for line in body.splitlines()]
        gamma, offset, count = float(header["gamma"]), float(header["rho"]), int(header["total_sv"])
    for name, value in _WANTED.items():
        if header.get(name) != value:
            raise UserError(f"{model} has {name} = {header.get(name)!r}, not {value!r}.", _FIX)
    if len(vectors) != count:
        raise UserError(f"{model} has {len(vectors)} of its {count} support vectors.", _FIX)
    table = np.array(vectors)
    return SupportVectorRegression(table[:, 1:], table[:, 0], gamma, offset, lowest, highest)


def _vector(line: str, n_features: int) -> list[float]:
    """The weight, then the features by their number from 1; those that a line leaves out are 0."""
    weight, *pairs = line.split()
    features = dict(pair.split(":") for pair in pairs)
    numbered = {int(number): float(value) for number, value in features.items()}
    if not all(1 <= number <= n_features for number in numbered):
        raise ValueError(f"a feature is not one of 1 to {n_features}")
    return [float(weight), *(numbered.get(number, 0.0) for number in range(1, n_features + 1))]


def read_ranges(path: Path) -> tuple[Floats, Floats]:
    """Lowest and highest value of each input, from a pickle of `{"min_": [...], "max_": [...]}`.

    Only its names and numbers are read, as data. Nothing is unpickled, and a file with more in it is refused.

    Raises:
        UserError: it is absent, or holds anything else.
    """
    lists: dict[str, list[float]] = {}
    with reading(f"{path} is damaged", _FIX):
        for name, value in _names_and_numbers(path.read_bytes()):
            if value is None:
                lists[name] = []
            else:
                lists[name].append(value)
    if set(lists) != {"min_", "max_"} or len(lists["min_"]) != len(lists["max_"]) or not lists["min_"]:
        raise UserError(f"{path} has not the two lists min_ and max_.", _FIX)
    lowest, highest = np.array(lists["min_"]), np.array(lists["max_"])
    if not (highest > lowest).all():
        raise UserError(f"{path} has a range that is empty.", _FIX)
    return lowest, highest


_TEXT: Final = {"SHORT_BINUNICODE", "BINUNICODE"}
_STRUCTURE: Final = {
    "PROTO", "FRAME", "EMPTY_DICT", "EMPTY_LIST", "MEMOIZE", "BINPUT", "MARK", "APPEND", "APPENDS", "SETITEM",
    "SETITEMS", "STOP",
}  # fmt: skip


def _names_and_numbers(data: bytes) -> Iterator[tuple[str, float | None]]:
    """Each name with None, then once with each number after it. Raises ValueError for anything else."""
    name = ""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _TEXT:
            name = str(argument)
            yield name, None
        elif opcode.name == "BINFLOAT":
            yield name, float(str(argument))
        elif opcode.name not in _STRUCTURE:
            raise ValueError(f"it holds {opcode.name}, not only names and numbers")
