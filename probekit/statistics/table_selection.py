"""Which rows of a score table a comparison is of: models, training runs, one suite and one horizon."""

from collections.abc import Iterable

from probekit.errors import UserError
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_arrays import ScoreColumns


def of_models(columns: ScoreColumns, models: set[str]) -> ScoreColumns:
    """The rows of these models. Raises UserError for one that the table does not have."""
    found = columns.found("model")
    absent = sorted(models - set(found))
    if absent:
        raise UserError(f"The score table has no model {absent[0]!r}.", f"Use one of: {_listed(found)}.")
    return columns.where("model", models)


def of_one(columns: ScoreColumns, column: str, wanted: str | None) -> ScoreColumns:
    """The rows of one suite or horizon; a table with several needs to be told which.

    Raises:
        UserError: if it is not told, or has not what it is told.
    """
    found = columns.found(column)
    if wanted is None and len(found) > 1:
        raise UserError(f"The score table holds several values of {column}: {_listed(found)}.", f"Say which {column}.")
    if wanted is not None and wanted not in found:
        raise UserError(f"The score table has no {column} {wanted!r}.", f"Use one of: {_listed(found)}.")
    return columns if wanted is None else columns.where(column, [wanted])


def runs_of(columns: ScoreColumns, model: str) -> list[Method]:
    """All training runs of a model.

    Raises:
        UserError: if there is none among these rows.
    """
    runs = columns.where("model", [model]).found("training_run")
    if not runs:
        raise UserError(
            f"The score table has no rows of model {model!r} in this suite, horizon and these dimensions.",
            "Score it there, or compare others.",
        )
    return [Method(model, run) for run in runs]


def resolved(columns: ScoreColumns, method: str | Method) -> Method:
    """The method with its training run, which has to be given where the model has several.

    Raises:
        UserError: if it is not given, or not there.
    """
    asked = Method(method) if isinstance(method, str) else method
    runs = runs_of(columns, asked.model)
    if asked.training_run is None and len(runs) == 1:
        return runs[0]
    if asked not in runs:
        problem = f"The score table has no training run {asked.training_run!r} of {asked.model!r}."
        if asked.training_run is None:
            problem = f"The score table has {len(runs)} training runs of {asked.model!r}."
        raise UserError(problem, f"Name one of: {_listed(str(run.training_run) for run in runs)}.")
    return asked


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
