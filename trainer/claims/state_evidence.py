"""Evidence from hidden states: probes of future frames, and readouts beside futures."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from probekit.errors import UserError
from probekit.statistics.arrays import compare_means
from probekit.statistics.verdicts import Effect, turned
from probekit.user_files.json_files import read_json_object
from probekit.user_files.tables import read_table
from trainer.claims.found import STALE, Found, Named, check_weights
from trainer.claims.kinds import NearestGap, NearMean, ProbeCells
from trainer.reproduction.places import Places
from trainer.reproduction.results import ProbeContrastRow, arms_contrast, contrasts_of, needed_in, number_in

_RISING: Final = ("psnr", "ssim")
"""Metrics that are better if larger."""
_PROTOCOL: Final = "protocol.json"
_ERROR: Final = "mse"
_FAR: Final = (2, 3)
_FUTURES: Final = ("futures", "probing/futures")

Errors = Mapping[tuple[str, int], Mapping[str, float]]
"""Mean squared error by arm and horizon, then by prompt."""


def probe_cells(kind: ProbeCells, places: Places) -> Found:
    """Both arms' readouts of frames that are still to come, cell by cell.

    Raises:
        UserError: if the contrasts are missing, of other weights, or lack an interval.
    """
    folder = places.out / kind.folder
    check_weights(arms_of(folder), folder)
    file = folder / "contrasts.csv"
    rows = contrasts_of(file)
    between = arms_contrast(rows)
    cells = [row for row in rows if row.contrast == between and row.horizon > 0]
    whole = {(row.site, row.horizon, row.metric) for row in cells}
    if len(whole) < math.prod(len(set(names)) for names in zip(*whole, strict=True)):
        raise UserError(f"{file} lacks some of its cells.", "Probe more prompts.")
    return Found(tuple(_cell(row, file) for row in cells), file, "1 per arm", "in the metric's unit", ".5f")


def _cell(row: ProbeContrastRow, file: Path) -> Named:
    if row.low is None or row.high is None:
        raise UserError(f"{file} has no interval at {row.site}, {row.horizon} chunks ahead.", "Probe more prompts.")
    effect = Effect(row.difference, row.low, row.high, row.prompts)
    name = f"{row.metric} at {row.site}, {row.horizon} ahead"
    return Named(name, effect if row.metric in _RISING else turned(effect))


def arms_of(folder: Path) -> dict[str, str | None]:
    """Hash of each arm's weights, baseline first, as the protocol of a probing folder states it.

    Raises:
        UserError: if there is no protocol, or it names no two arms.
    """
    path = folder / _PROTOCOL
    arms = read_json_object(path, what="protocol of the probes", fix=STALE).get("arms")
    if not isinstance(arms, dict) or len(arms) != 2:
        raise UserError(f"{path} names no two arms.", STALE)
    found: dict[str, str | None] = {}
    for name, card in arms.items():
        generation = card.get("generation") if isinstance(card, dict) else None
        found[str(name)] = generation.get("checkpoint_hash") if isinstance(generation, dict) else None
    return found


def nearest_gap(kind: NearestGap, places: Places) -> Found:
    """Whether the arms differ most one chunk ahead. Raises UserError as `probe_cells`."""
    folder = places.out / kind.folder
    hashes = arms_of(folder)
    check_weights(hashes, folder)
    file = folder / "probe_values.parquet"
    baseline, method = hashes
    gaps = decibel_gaps(_errors(file), baseline, method, file)
    prompts = sorted(set.intersection(*(set(gaps.get(horizon, {})) for horizon in (1, *_FAR))))
    if not prompts:
        raise UserError(f"{file} has no prompt that both arms read 1, 2 and 3 chunks ahead.", STALE)
    near, *far = ([gaps[horizon][prompt] for prompt in prompts] for horizon in (1, *_FAR))
    effects = [
        Named(f"1 and {horizon} ahead:", _compared(near, other, file)) for horizon, other in zip(_FAR, far, strict=True)
    ]
    return Found(tuple(effects), file, "1 per arm", "dB", ".3f")


def _compared(near: Sequence[float], far: Sequence[float], file: Path) -> Effect:
    found = compare_means(near, far)
    if found.difference is None or found.low is None or found.high is None:
        raise UserError(f"{file} gives no interval: {found.reason}.", "Probe more prompts.")
    return Effect(found.difference, found.low, found.high, found.n_prompts)


def decibel_gaps(errors: Errors, baseline: str, method: str, file: Path) -> dict[int, dict[str, float]]:
    """How much better the method's readout is, in decibels of mean squared error, by horizon and prompt.

    Args:
        errors: errors of both arms.
        baseline: name of the arm without foresight.
        method: name of the arm with it.
        file: file of the errors, for messages.

    Raises:
        UserError: if an error is not above 0.
    """
    gaps: dict[int, dict[str, float]] = {}
    for horizon in sorted({horizon for _, horizon in errors}):
        ours, theirs = errors.get((method, horizon), {}), errors.get((baseline, horizon), {})
        for prompt in sorted(set(ours) & set(theirs)):
            if min(ours[prompt], theirs[prompt]) <= 0:
                raise UserError(f"{file} has an error of {prompt} that is not above 0.", STALE)
            gaps.setdefault(horizon, {})[prompt] = 10 * math.log10(theirs[prompt] / ours[prompt])
    return gaps


def _errors(file: Path) -> Errors:
    """Errors of trained states, mean over sites and videos."""
    columns = ("arm", "source", "horizon", "prompt_id", "metric_id", "value")
    table = read_table(file, what="table of probe values", fix=STALE, columns=columns)
    parts: dict[tuple[str, int], dict[str, list[float]]] = {}
    for record in table.records:
        if record.text("source") == "trained" and record.text("metric_id").startswith(f"{_ERROR}:"):
            key = record.text("arm"), int(needed_in(record, "horizon", file))
            parts.setdefault(key, {}).setdefault(record.text("prompt_id"), []).append(needed_in(record, "value", file))
    return {key: {name: float(np.mean(values)) for name, values in own.items()} for key, own in parts.items()}


def near_mean(kind: NearMean, places: Places) -> Found:
    """Readouts of the arm with foresight beside the futures of their states. Raises UserError as `probe_cells`."""
    folder = next(
        (places.out / name for name in _FUTURES if (places.out / name / "futures.csv").is_file()),
        places.out / _FUTURES[0],
    )
    file = folder / "futures.csv"
    if not file.is_file():
        raise UserError(f"{file} is not there.", "Make it first.")
    hashes = arms_of(folder)
    check_weights(hashes, folder)
    return Found(tuple(_nearer(file, list(hashes)[1])), file, "1 per arm", "squared intensity", ".5f")


def _nearer(file: Path, method: str) -> Iterator[Named]:
    columns = ("arm", "horizon", "difference", "low", "high", "n_prompts")
    for record in read_table(file, what="table of futures", fix=STALE, columns=columns).records:
        if record.text("arm") == method:
            value, low, high = (number_in(record, name, file) for name in columns[2:5])
            if value is None or low is None or high is None:
                raise UserError(f"{file}, {record.place}: there is no interval.", "Roll out more states.")
            name = f"{record.text('horizon')} ahead:"
            yield Named(name, Effect(value, low, high, int(needed_in(record, "n_prompts", file))))
