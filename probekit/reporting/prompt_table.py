"""The prompts that differ most between a method and the baseline, in one dimension."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from probekit.errors import UserError
from probekit.reporting.cells import difference_text, quantity_text, score_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.table import Column, Table

if TYPE_CHECKING:
    import pandas

_PERCENT: Final = 100.0


class PromptDifference(NamedTuple):
    """One prompt's means over its videos in one dimension, in percent of the dimension's unit.

    Attributes:
        prompt_id: name of the prompt.
        baseline: mean of the baseline's videos.
        method: mean of the method's.
    """

    prompt_id: str
    baseline: float
    method: float

    @property
    def difference(self) -> float:
        """Method minus baseline, in percentage points."""
        return self.method - self.baseline


def largest_dimension(record: ComparisonRecord) -> ComparisonRow:
    """The dimension and method with the largest difference, up to its sign.

    Raises:
        UserError: no dimension has a difference.
    """
    rows = [row for row in record.rows if row.group != "aggregate" and row.difference is not None]
    if not rows:
        raise UserError("No dimension of the comparison has a difference.", "Score both models first.")
    return max(rows, key=lambda row: abs(row.difference or 0.0))


def prompt_differences(
    scores: "pandas.DataFrame", record: ComparisonRecord, row: ComparisonRow
) -> list[PromptDifference]:
    """Differences of single prompts, the largest first; prompts that only one model has are left out.

    Args:
        scores: score table behind the comparison.
        record: the comparison.
        row: dimension and method.
    """
    chosen = scores[(scores["dimension"] == row.quantity) & scores["value"].notna()]
    # A comparison names the training run only where the model alone is ambiguous.
    labels = chosen["model"].astype(str) + " (" + chosen["training_run"].astype(str) + ")"
    named = chosen.assign(label=labels.where(labels.isin(record.models()), chosen["model"].astype(str)))
    means = named.pivot_table(index="prompt_id", columns="label", values="value", aggfunc="mean", observed=True)
    both = means.reindex(columns=[record.baseline, row.method]).dropna()
    found = [
        PromptDifference(str(prompt), _PERCENT * float(baseline), _PERCENT * float(method))
        for prompt, baseline, method in both.itertuples(name=None)
    ]
    return sorted(found, key=lambda one: -abs(one.difference))


def prompt_table(
    differences: Sequence[PromptDifference], record: ComparisonRecord, row: ComparisonRow, most: int = 10
) -> Table[PromptDifference]:
    """The first prompts of `prompt_differences`.

    Args:
        differences: differences, the largest first.
        record: the comparison.
        row: dimension and method.
        most: prompts that are shown.
    """
    columns: list[Column[PromptDifference]] = [
        Column("prompt", lambda one: one.prompt_id),
        Column(record.baseline, lambda one: score_text(one.baseline, ".2f"), True),
        Column(row.method, lambda one: score_text(one.method, ".2f"), True),
        Column("difference", lambda one: difference_text(one.difference, star=False), True),
    ]
    name = quantity_text(row.quantity, record.settings.suite)
    notes = [
        f"{name}: mean over the videos of each prompt, in percent; {row.method} - {record.baseline}; the "
        f"{min(most, len(differences))} largest of {len(differences)} prompts. Single prompts have no interval."
    ]
    return Table(columns, list(differences[:most]), notes)
