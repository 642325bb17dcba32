"""From what was read of a run to numbers: each quantity prompt by prompt, or batch by batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from probekit.probing.alignment import CKA, NEIGHBOURS
from probekit.probing.gradient_agreement import whole_batch_cosines
from probekit.probing.gradient_store import read_gradients
from probekit.probing.probe_settings import COPY, TRAINED, UNTRAINED
from probekit.workflows.permanence import VALUES as PERMANENCE_VALUES
from probekit.workflows.probe import MAIN_METRIC
from trainer.sweeps.readings import Reading

Better = Literal["lower", "higher", ""]


class Quantity(NamedTuple):
    """Something that is read from a run.

    Attributes:
        name: name for readers.
        better: which values say that a state knows more, or that more lasts; empty where neither does.
    """

    name: str
    better: Better


Values = Mapping[Quantity, Mapping[str, float]]
"""By quantity: the value of each prompt, or of each batch."""

_ALIGNMENT: Final = {CKA: "CKA with the encoder", NEIGHBOURS: "neighbours shared with the encoder"}
_UNSTATED: Final = "tone"
"""The attribute that no caption states."""


def values_of(readings: Sequence[Reading]) -> Values:
    """All quantities of a run, in the order of the table; parts that are not done have none."""
    found: dict[Quantity, Mapping[str, float]] = {}
    for reading in readings:
        if reading.part in _READERS and reading.is_done():
            found |= dict(_READERS[reading.part](reading.folder))
    return found


def _ahead(chunks: int) -> str:
    return f"{chunks} {'chunk' if chunks == 1 else 'chunks'} ahead"


def _probes(folder: Path) -> Iterator[tuple[Quantity, Mapping[str, float]]]:
    """Error of the frame that is read, alone and beyond two controls, which have no foresight to give."""
    table = pd.read_parquet(folder / "probe_values.parquet")
    table = table[table.metric_id == MAIN_METRIC["picture"]]
    means = table.groupby(["source", "horizon", "prompt_id"]).value.mean()
    for control, beyond in ((None, ""), (UNTRAINED, " beyond an untrained network"), (COPY, " beyond a copy")):
        for horizon in sorted(table.horizon.unique()):
            own = means.loc[TRAINED, horizon]
            values = own if control is None else own - means.loc[control, horizon]
            yield Quantity(f"error of the frame {_ahead(horizon)}{beyond}", "lower"), values.to_dict()


def _alignment(folder: Path) -> Iterator[tuple[Quantity, Mapping[str, float]]]:
    table = pd.read_parquet(folder / "alignment_values.parquet")
    table = table[table.source == TRAINED]
    for metric, name in _ALIGNMENT.items():
        for offset in sorted(table.offset.unique()):
            own = table[(table.metric_id == metric) & (table.offset == offset)]
            values = dict(zip(own.prompt_id, own.value, strict=True))
            yield Quantity(f"{name} {_ahead(offset)}", "higher"), values


def _gradients(folder: Path) -> Iterator[tuple[Quantity, Mapping[str, float]]]:
    cosines = whole_batch_cosines(read_gradients(folder)[0])
    known = {str(batch): float(value) for batch, value in enumerate(cosines) if np.isfinite(value)}
    yield Quantity("cosine of foresight's and the score's gradient", ""), known


def _permanence(folder: Path) -> Iterator[tuple[Quantity, Mapping[str, float]]]:
    table = pd.read_parquet(folder / PERMANENCE_VALUES)
    for occluded, where in ((True, "out of"), (False, "in")):
        own = table[(table.attribute == _UNSTATED) & (table.occluded == occluded)]
        yield (
            Quantity(f"share that keeps its {_UNSTATED} {where} view", "higher"),
            dict(zip(own.prompt_id, own.share, strict=True)),
        )


_READERS: Final[Mapping[str, Callable[[Path], Iterator[tuple[Quantity, Mapping[str, float]]]]]] = {
    "probes": _probes,
    "alignment": _alignment,
    "gradients": _gradients,
    "permanence": _permanence,
}
