"""Stored results of targets: comparisons, drops, probes, costs; what is missing is named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.reporting.comparison_io import read_comparison
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.user_files.tables import Record, read_table
from trainer.planning.cost_report import CostRecord
from trainer.reproduction.places import Places
from trainer.reproduction.targets import Arms, Cost, Drop, Need, Probes, Rows, Target

BETWEEN_ARMS: Final = " - "
_AGAIN: Final = "Make it again."


class ProbeContrastRow(NamedTuple):
    """One contrast of a stored `contrasts.csv`.

    Attributes:
        contrast: what is subtracted from what.
        site: name of the site, or its relative depth in tables of earlier versions.
        horizon: chunks ahead.
        metric: name of the metric, without what it was computed with.
        a: mean of the first.
        b: mean of the second.
        difference: a - b as stored, which has digits that the rounded means no longer have.
        low: lower end of the interval of the difference; None without one.
        high: upper end.
        prompts: held-out prompts.
    """

    contrast: str
    site: str
    horizon: int
    metric: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    prompts: int


class DropRowStored(NamedTuple):
    """One row of a stored `drop.csv`, in the unit of the file."""

    what: str
    name: str
    drop: float | None
    low: float | None
    high: float | None
    prompts: int
    unit: str

    def is_between(self) -> bool:
        """Whether it is a difference of two models' drops."""
        return self.what.count("drop of ") > 1


def missing_of(target: Target, places: Places) -> list[Path]:
    """Files of a target's needs that are not there."""
    return [places.file(need) for need in target.needs if not places.file(need).is_file()]


def there(target: Target, places: Places) -> tuple[Need, ...]:
    """The needs whose results are stored.

    Raises:
        UserError: naming what is missing, if the target cannot be drawn without it.
    """
    found = tuple(need for need in target.needs if places.file(need).is_file())
    if found if target.alone else len(found) == len(target.needs):
        return found
    names = ", ".join(map(str, missing_of(target, places)))
    raise UserError(
        f"{target.named()} cannot be drawn: {names} is not there.", "Leave out --from-results, or give another --out."
    )


def comparison_of(need: Rows | Arms, places: Places) -> ComparisonRecord:
    """The comparison of a need. Raises UserError where there is none."""
    return read_comparison(places.result(need))


def cost_of(places: Places) -> CostRecord:
    """The stored cost of a cycle. Raises UserError where there is none."""
    return read_json_model(places.file(Cost()), CostRecord, "Run `trainer cost RECIPE --out FOLDER` again.")


def probe_contrasts(places: Places) -> list[ProbeContrastRow]:
    """The stored contrasts of the probes. Raises UserError as `contrasts_of`."""
    return contrasts_of(places.file(Probes()))


def contrasts_of(path: Path) -> list[ProbeContrastRow]:
    """The contrasts of a file that `probekit probe` wrote; those that have no value are left out.

    Raises:
        UserError: there is none, or a row is not legal.
    """
    table = read_table(path, what="table of contrasts", fix=_AGAIN, columns=("contrast", "site", "depth"))
    site = table.column(("site", "depth"))
    return [
        ProbeContrastRow(
            record.text("contrast"), record.text(site), int(needed_in(record, "horizon_chunks", path)),
            record.text("metric_id").partition(":")[0], needed_in(record, "a", path), needed_in(record, "b", path),
            needed_in(record, "difference", path), number_in(record, "low", path), number_in(record, "high", path),
            int(needed_in(record, "n_prompts", path)),
        )
        for record in table.records
        if record.text("a") and record.text("b")
    ]  # fmt: skip


def drops_of(need: Drop, places: Places) -> list[DropRowStored]:
    """The stored drops of both arms and their differences. Raises UserError where there are none."""
    return drops_in(places.file(need))


def drops_in(path: Path) -> list[DropRowStored]:
    """The drops in a file that `probekit drop` wrote.

    Raises:
        UserError: there is none, or a row is not legal.
    """
    table = read_table(path, what="table of drops", fix=_AGAIN, columns=("what", "name", "drop"))
    rows = []
    for record in table.records:
        drop, low, high = (number_in(record, name, path) for name in ("drop", "low", "high"))
        prompts = int(needed_in(record, "n_prompts", path))
        names = record.text("what"), record.text("name")
        rows.append(DropRowStored(*names, drop, low, high, prompts, record.text("unit")))
    return rows


def arms_contrast(rows: Sequence[ProbeContrastRow]) -> str:
    """The contrast between the two arms: the first one, whose sides are no controls."""
    return rows[0].contrast


def number_in(record: Record, column: str, path: Path) -> float | None:
    """The number in a column; None where it is empty. Raises UserError where a text stands there."""
    try:
        return record.number(column, _AGAIN)
    except UserError as error:
        raise UserError(f"{path}, {error.problem}", error.fix) from error


def needed_in(record: Record, column: str, path: Path) -> float:
    """The number in a column. Raises UserError where it is empty, or no number."""
    found = number_in(record, column, path)
    if found is None:
        raise UserError(f"{path}, {record.place}: {column} is empty.", _AGAIN)
    return found
