"""Comparing models by choices between their videos: from files of choices to tables."""

from collections.abc import Sequence
from pathlib import Path

from probekit.errors import UserError
from probekit.reporting.preference_table import preference_table
from probekit.reporting.table import Table
from probekit.run_folder.preferences import read_preferences, refuse_mixed_weights
from probekit.statistics.preference_estimate import PreferenceRow, compare_preferences


def compare_choices(
    paths: Sequence[Path], out: Path, *, baseline: str | None, seed: int, replicates: int
) -> Table[PreferenceRow]:
    """Compare models by the choices of one or more files, and write ``preferences.csv``, ``.md`` and ``.tex``.

    Args:
        paths: files that `probekit watch --preferences` wrote.
        out: folder of the tables.
        baseline: model that others are compared with; None is the first name in the alphabet.
        seed: seed of the resampling.
        replicates: bootstrap replicates.

    Raises:
        UserError: a file holds no choices or choices of other weights, or there is no such baseline.
    """
    choices = [choice for path in paths for choice in read_preferences(path)]
    refuse_mixed_weights(choices, paths[-1])
    names = sorted({name for choice in choices for name in (choice.left, choice.right)})
    if baseline is not None and baseline not in names:
        raise UserError(f"No choice is about the model {baseline!r}.", f"Give one of {', '.join(names)}.")
    result = compare_preferences(choices, baseline or names[0], seed=seed, replicates=replicates)
    table = preference_table(result)
    table.write(out, "preferences", latex=True)
    return table
