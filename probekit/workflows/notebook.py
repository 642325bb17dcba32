"""Where notebooks read stored results and write what they draw: folders of the checkout, or of the user's choice."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probekit.errors import UserError
from probekit.run_folder.score_table import SCORES_FOLDER, read_scores

if TYPE_CHECKING:
    import pandas

RESULTS_VARIABLE: Final = "PROBEKIT_RESULTS"
OUT_VARIABLE: Final = "PROBEKIT_OUT"
VIDEOS_VARIABLE: Final = "PROBEKIT_VIDEOS"
BASELINE_VARIABLE: Final = "PROBEKIT_BASELINE_VIDEOS"

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_REPORTS: Final = Path("reports", "sprite")


def results_folder() -> Path:
    """Folder of stored results: `$PROBEKIT_RESULTS`, or `reports/sprite` of the checkout.

    Raises:
        UserError: there is no such folder.
    """
    folder = chosen_folder(RESULTS_VARIABLE) or _CHECKOUT / _REPORTS
    if not folder.is_dir():
        raise UserError(
            f"There is no folder of results {folder}.",
            f"Set {RESULTS_VARIABLE} to a folder that has the places of {_REPORTS.as_posix()}.",
        )
    return folder


def out_folder() -> Path:
    """Folder of tables and figures: `$PROBEKIT_OUT`, or `reports/sprite` of the checkout, which is drawn again.

    Raises:
        UserError: nothing is chosen, and the package is not part of a checkout.
    """
    folder = chosen_folder(OUT_VARIABLE)
    if folder is None and not (_CHECKOUT / _REPORTS).is_dir():
        raise UserError("It is not known where figures go.", f"Set {OUT_VARIABLE} to a folder.")
    return folder or _CHECKOUT / _REPORTS


def chosen_folder(variable: str) -> Path | None:
    """The folder that an environment variable names, made absolute; None where it is not set or empty."""
    named = os.environ.get(variable)
    return Path(named).absolute() if named else None


def stored_scores(folder: Path) -> "pandas.DataFrame":
    """The score table behind a stored comparison: of the folder itself, or of the runs that are kept in its `runs`.

    Raises:
        UserError: there are no scores.
    """
    import pandas

    if (folder / SCORES_FOLDER).is_dir():
        return read_scores(folder)
    runs = sorted(path.parent for path in folder.glob(f"runs/*/{SCORES_FOLDER}"))
    if not runs:
        raise UserError(f"{folder} holds no scores.", f"Keep the scored runs in {folder / 'runs'}.")
    return pandas.concat([read_scores(run) for run in runs], ignore_index=True)
