"""Evidence without chance: operations that are counted, and exports that are compared file by file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.weight_sets import chosen_set
from probekit.tensor_files import TensorFacts, tensor_facts
from probekit.user_files.text import read_text
from trainer.claims.found import STALE, Found
from trainer.claims.paper_numbers import paper_overhead
from trainer.reproduction.places import Places
from trainer.reproduction.request import SCALES
from trainer.reproduction.targets import CHUNKWISE

_BENCHMARK: Final = Path("benchmarks") / "cost.md"
_COUNTED: Final = re.compile(r"^\| overhead \| ([\d.]+) %[^|]*\| ([\d.]+) %", re.MULTILINE)
_CYCLE: Final = re.compile(r"^\| cycle \| ([\d.]+) s \| ([\d.]+) s \|", re.MULTILINE)
_NEAR: Final = 1.0
"""Points within which a count agrees with the paper's."""
_ABOUT: Final = ("README.md", "model_card.json")
"""Files of an export that tell of it and run nothing."""


def counted_cost(places: Places) -> Found:
    """Operations that foresight adds at Wan's size, in percent, by both accountings.

    Raises:
        UserError: if the stored table is missing, or has no such line.
    """
    file, text = _benchmark(places)
    found = _COUNTED.search(text)
    if found is None:
        raise UserError(f"{file} has no line of the overhead by both accountings.", STALE)
    ours, executed = map(float, found.groups())
    agrees = abs(ours - paper_overhead()) < _NEAR
    words = f"+{ours:g} % by the paper's accounting, +{executed:g} % as executed"
    return Found((), file, "none: a count", exact=("supported" if agrees else "not supported", words))


def measured_cost(places: Places) -> Found:
    """What was measured, at the sprite size, and decides nothing of Wan's. Raises UserError as `counted_cost`."""
    file, text = _benchmark(places)
    found = _CYCLE.search(text)
    if found is None:
        raise UserError(f"{file} has no line of a measured cycle.", STALE)
    without, with_it = map(float, found.groups())
    words = f"sprite size: {without:g} s without, {with_it:g} s with ({100 * (with_it / without - 1):+.1f} %)"
    return Found((), file, "none", exact=("undecided", words))


def _benchmark(places: Places) -> tuple[Path, str]:
    file = places.out.parent / _BENCHMARK
    if not file.is_file():
        raise UserError(f"{file} is not there.", STALE)
    return file, read_text(file, what="table of costs", fix=STALE)


def same_inference() -> Found:
    """The shipped arms, compared file by file.

    Raises:
        UserError: if an export is damaged.
    """
    baseline, method = (SHIPPED_MODELS / name for name in SCALES["sprite"].shipped[CHUNKWISE])
    facts = parameters(baseline)
    count = sum(_size(one) for one in facts.values())
    differences = list(unlike(baseline, method))
    words = (
        f"they differ: {'; '.join(differences)}"
        if differences
        else f"the same: {len(facts)} tensors of {count:,} parameters, and every file of configuration"
    )
    return Found(
        (), method.relative_to(SHIPPED_MODELS.parents[2]), "1 per arm",
        exact=("not supported" if differences else "supported", words),
    )  # fmt: skip


def unlike(baseline: Path, method: Path) -> Iterator[str]:
    """What differs between two exports in anything but the values of the transformer's weights.

    Args:
        baseline: model folder.
        method: the other one.

    Raises:
        UserError: if a folder has no weights, or damaged ones.
    """
    ours, theirs = parameters(method), parameters(baseline)
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            yield f"parameter {name}"
    for name in sorted(_files(baseline) ^ _files(method)):
        yield f"{name} is in one alone"
    for name in sorted(_files(baseline) & _files(method)):
        if (baseline / name).read_bytes() != (method / name).read_bytes():
            yield f"content of {name}"


def parameters(folder: Path) -> dict[str, TensorFacts]:
    """Shape and number format of every parameter of an export's transformer."""
    found: dict[str, TensorFacts] = {}
    for file in chosen_set(folder / "transformer").files:
        found |= tensor_facts(file)
    return found


def _files(folder: Path) -> set[str]:
    """Files that run: all but descriptions and the transformer's weights."""
    weights = {file.relative_to(folder).as_posix() for file in chosen_set(folder / "transformer").files}
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return names - weights - set(_ABOUT)


def _size(one: TensorFacts) -> int:
    size = 1
    for length in one.shape:
        size *= length
    return size
