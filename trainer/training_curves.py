"""Curves of training runs from their logs: losses, gradients, agreement with the encoder, seconds per update."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from probekit.errors import UserError
from probekit.reporting.bands import curve_points, draw_band, interval_note
from probekit.reporting.figures import LIGHT, FigurePalette, blank_figure, style_panel
from probekit.visible_text import plot_text
from trainer.engine.tracking import LOG
from trainer.model_card import read_metrics

Record = Mapping[str, float]


class Curve(NamedTuple):
    """One panel.

    Attributes:
        name: key of the log.
        title: words for readers.
    """

    name: str
    title: str


CURVES: Final = (
    Curve("loss", "loss"),
    Curve("dmd_loss", "DMD loss of the generator"),
    Curve("critic_loss", "flow-matching loss of the critic"),
    Curve("auxiliary_loss", "foresight loss (weighted)"),
    Curve("gradient_norm", "gradient norm of the generator"),
    Curve("seconds", "seconds per step"),
)
_COLUMNS: Final = 2
_STYLES: Final = ("-", "--", ":", "-.")
"""Curves of arms often lie on one another: the upper one leaves gaps."""


def curve_table(logs: Mapping[str, Sequence[Sequence[Record]]]) -> pd.DataFrame:
    """One row per arm, training run, step and quantity of `CURVES`.

    Args:
        logs: logs by arm, each the records of one training run of it.

    Raises:
        UserError: no log has a quantity of `CURVES`.
    """
    rows = [
        (arm, run, int(record["step"]), curve.name, float(record[curve.name]))
        for arm, runs in logs.items()
        for run, records in enumerate(runs)
        for record in records
        for curve in CURVES
        if curve.name in record
    ]
    if not rows:
        raise UserError("The logs have no losses.", "Give folders that `trainer train` wrote.")
    return pd.DataFrame(rows, columns=["arm", "run", "step", "quantity", "value"])


def curves_figure(table: pd.DataFrame, palette: FigurePalette = LIGHT) -> Figure:
    """A panel per quantity that the logs have: the mean over an arm's training runs, with its interval over runs.

    Args:
        table: rows of `curve_table`.
        palette: colours.
    """
    shown = [curve for curve in CURVES if (table.quantity == curve.name).any()]
    rows = -(-len(shown) // _COLUMNS)
    figure = blank_figure(7.6, 1.9 * rows + 0.7, palette)
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    points = []
    for axes, curve in zip(panels, shown, strict=False):
        for index, arm in enumerate(dict.fromkeys(table.arm)):
            own = curve_points(table[(table.quantity == curve.name) & (table.arm == arm)], "step", "run")
            points += own
            color, style = palette.methods[index % len(palette.methods)], _STYLES[index % len(_STYLES)]
            draw_band(axes, own, color, plot_text(str(arm)), style)
        style_panel(axes, curve.title, palette)
        axes.set_xlabel("step", color=palette.quiet, fontsize=8)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=8)
    figure.supxlabel(interval_note(points, "training runs per arm"), fontsize=7, color=palette.quiet)
    return figure


def logs_below(folder: Path) -> dict[str, list[list[dict[str, float]]]]:
    """Logs of all training runs below a folder, by arm: the first folder on the way to each.

    Raises:
        UserError: there is no training run.
    """
    runs = sorted(path.parent for path in folder.rglob(LOG))
    if not runs:
        raise UserError(f"{folder} holds no training run.", "Give the parent of folders that `trainer train` wrote.")
    logs: dict[str, list[list[dict[str, float]]]] = {}
    for run in runs:
        arm = run.relative_to(folder).parts[0] if run != folder else folder.name
        logs.setdefault(arm, []).append(read_metrics(run))
    return logs
