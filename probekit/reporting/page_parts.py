"""Parts of a page from folders that other commands wrote: long horizon, probes, futures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from probekit.atomic_files import write_bytes
from probekit.errors import UserError
from probekit.reporting.probe_table import probe_table
from probekit.reporting.result_tables import number, result_frame, result_rows, shown_table
from probekit.reporting.table import Table

if TYPE_CHECKING:
    import pandas as pd

_PICTURES = (".png", ".svg")
_HIDDEN = ("states", "values", "pictures", "videos")
"""Folders of a study that hold no results for readers."""


_WORDS = {
    "probes": "Error of the probes by chunks ahead, with controls",
    "futures": "Futures of one state, their mean, and what the probe reads",
    "cka": "Alignment with an encoder (CKA) by layer and offset",
    "shared_neighbours": "Alignment with an encoder (shared neighbours) by layer and offset",
}
CONTRAST_COLUMNS = (
    "contrast", "site", "horizon_chunks", "metric_id", "a", "b", "difference", "low", "high", "star", "reason",
    "interval", "instead",
)  # fmt: skip
_CONTRAST_NUMBERS = ("a", "b", "difference", "low", "high")
CURVE_COLUMNS = ("label", "prompt_id", "sample", "quantity", "unit", "second", "value")
VALUE_COLUMNS = ("arm", "source", "site", "horizon", "metric_id", "value")


class HeatMap(NamedTuple):
    """One number by row and column, on one scale.

    Attributes:
        title: what is shown.
        columns: heads of the columns.
        rows: name of each row with its values; None leaves a gap.
        low: smallest value.
        high: largest value.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    low: float
    high: float

    def share(self, value: float) -> float:
        """Place of a value between the smallest and the largest, 0..1."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5


class Part(NamedTuple):
    """What one folder adds to a page; files are relative to the page.

    Attributes:
        title: heading.
        lines: sentences for readers.
        maps: heat maps.
        pictures: files with their descriptions.
        films: videos.
        tables: titles and tables.
        downloads: further files.
    """

    title: str
    lines: tuple[str, ...] = ()
    maps: tuple[HeatMap, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    films: tuple[str, ...] = ()
    tables: tuple[tuple[str, Table[Any]], ...] = ()
    downloads: tuple[str, ...] = ()


def probe_parts(source: Path, out: Path) -> list[Part]:
    """One part per folder of a probe or study that holds contrasts or pictures.

    Args:
        source: folder that `probekit probe` or `probekit study` wrote.
        out: folder of the page; pictures and tables are copied into ``probes/`` there.

    Raises:
        UserError: there is nothing to show in the folder.
    """
    folders = [source, *sorted(path for path in source.rglob("*") if path.is_dir())]
    shown = [path for path in folders if not set(path.relative_to(source).parts) & set(_HIDDEN)]
    parts = [_probe_part(folder, source, out) for folder in shown if _holds_results(folder)]
    if not parts:
        raise UserError(f"{source} holds no probes.", "Give a folder that `probekit probe` or `probekit study` wrote.")
    return parts


def futures_part(source: Path, out: Path) -> Part:
    """Futures of one state: seed strip, mean, spread and readout, still and moving, with the ranks.

    Raises:
        UserError: the folder holds no futures.
    """
    if not (source / "futures.png").is_file():
        raise UserError(f"{source} holds no futures.", "Give a folder that `probekit futures` wrote.")
    said = {
        "futures.png": "Futures of one state by noise seed, their mean and spread, and what is read there",
        "ranks.png": "Ranks of the readouts among the futures, and places against the world",
    }
    pictures = tuple((_copied(source / name, out, "futures"), said[name]) for name in said if (source / name).is_file())
    films = tuple(_copied(source / name, out, "futures") for name in ("futures.mp4",) if (source / name).is_file())
    tables = tuple(_shown_tables(source, ("futures.csv", "reliability.csv")))
    lines = ("Every future goes on from the same state with another noise seed. One readout is made of that state.",)
    names = [path.name for path in sorted(source.glob("*.csv"))]
    downloads = tuple(_copied(source / name, out, "futures") for name in names)
    return Part("Futures", lines, (), pictures, films, tables, downloads)


def curves_data(source: Path) -> dict[str, Any]:
    """Curves by second for the page, from the folder of `probekit horizon`.

    Raises:
        UserError: the folder has no ``curves.csv``, or it lacks a column.
    """
    path = source / "curves.csv"
    if not path.is_file():
        raise UserError(f"{source} holds no curves.", "Give a folder that `probekit horizon` wrote.")
    rows = result_rows(path, CURVE_COLUMNS)
    curves: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        video = curves.setdefault(row["label"], {}).setdefault(f"{row['prompt_id']}/{row['sample']}", {})
        video.setdefault(row["quantity"], []).append(round(number(row["value"], path, "value"), 6))
    units = {row["quantity"]: row["unit"] for row in rows}
    return {"units": [[name, name.replace("_", " "), unit] for name, unit in units.items()], "videos": curves}


def horizon_part(source: Path, out: Path) -> Part:
    """What changed from the first seconds to the last, beside the curves that the page draws."""
    names = [path.name for path in sorted(source.glob("*.csv"))]
    pictures = [("similarity.png", "Similarity of frames against the seconds between them")]
    return Part(
        "Over time",
        pictures=tuple(
            (_copied(source / name, out, "horizon"), text) for name, text in pictures if (source / name).is_file()
        ),
        tables=tuple(_shown_tables(source, ("changes.csv", "detections.csv"))),
        downloads=tuple(_copied(source / name, out, "horizon") for name in names),
    )


def _holds_results(folder: Path) -> bool:
    return (folder / "contrasts.csv").is_file() or any(path.suffix in _PICTURES for path in folder.iterdir())


def _probe_part(folder: Path, source: Path, out: Path) -> Part:
    place = "/".join(("probes", *folder.relative_to(source).parts))
    title = " · ".join(part.replace("_", " ") for part in folder.relative_to(source).parts) or "Probes"
    found = [path for path in sorted(folder.iterdir()) if path.suffix in _PICTURES]
    pictures = tuple((_copied(path, out, place), _WORDS.get(path.stem, path.stem.replace("_", " "))) for path in found)
    downloads = tuple(_copied(path, out, place) for path in sorted(folder.glob("*.csv")))
    part = Part(title, pictures=pictures, downloads=downloads)
    return _with_numbers(part, folder) if (folder / "contrasts.csv").is_file() else part


def _with_numbers(part: Part, folder: Path) -> Part:
    contrasts = result_frame(folder / "contrasts.csv", CONTRAST_COLUMNS, _CONTRAST_NUMBERS)
    metric = str(contrasts.metric_id.iloc[0])
    part = part._replace(tables=(("Contrasts, with every control", probe_table(contrasts, metric)),))
    path = folder / "probe_values.parquet"
    if not path.is_file():
        return part
    values = result_frame(path, VALUE_COLUMNS, ("value",))
    return part._replace(maps=tuple(heat_maps(values, metric)))


def heat_maps(values: "pd.DataFrame", metric: str) -> list[HeatMap]:
    """Mean error by site and horizon, one map per arm on one scale; controls without a site stand below.

    Args:
        values: rows of `probe_values`.
        metric: id of the metric.
    """
    chosen = values[values.metric_id == metric]
    chosen = chosen.assign(row=[_row_name(*pair) for pair in zip(chosen.source, chosen.site, strict=True)])
    means = chosen.groupby(["arm", "row", "horizon"], sort=False).value.mean().unstack("horizon").sort_index(axis=1)
    low, high = float(means.min().min()), float(means.max().max())
    columns = tuple(f"+{horizon}" for horizon in means.columns)
    maps = []
    for arm in dict.fromkeys(chosen.arm):
        own = means.loc[arm]
        order = sorted(own.index, key=lambda name: (not name.startswith(_READ), name))
        rows = tuple((name, tuple(None if v != v else float(v) for v in own.loc[name])) for name in order)
        maps.append(
            HeatMap(f"{arm}: {metric.split(':')[0].upper()} by site and chunks ahead", columns, rows, low, high)
        )
    return maps


_READ = "read at "


def _row_name(source: str, site: object) -> str:
    if not isinstance(site, str):
        return str(source)
    return f"{_READ}{site}" if source == "trained" else f"{source}, {site}"


def _shown_tables(source: Path, names: Sequence[str]) -> list[tuple[str, Table[Any]]]:
    paths = [source / name for name in names if (source / name).is_file()]
    return [(path.stem, shown_table(path)) for path in paths]


def _copied(path: Path, out: Path, folder: str) -> str:
    """Copy a file beside the page; returns its place there."""
    place = f"{folder}/{path.name}"
    write_bytes(out / place, path.read_bytes())
    return place
