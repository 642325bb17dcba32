"""Which rows a comparison is of: what has to be named, what may be, and how a wrong name is answered."""

from typing import Any

import pytest

from probekit.errors import UserError
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_arrays import ScoreColumns, read_columns
from probekit.statistics.table_selection import of_models, of_one, resolved, runs_of


def columns(rows: list[dict[str, Any]]) -> ScoreColumns:
    defaults = {"model": "base", "training_run": "r1", "suite": "s", "horizon": "5s", "prompt_id": "p", "sample": 0,
                "clip": 0, "dimension": "color", "value": 0.5, "reason": None}  # fmt: skip
    full = [defaults | row for row in rows]
    return read_columns({name: [row[name] for row in full] for name in defaults})


TABLE = columns([{}, {"training_run": "r2"}, {"model": "ours", "suite": "t"}, {"model": "third", "prompt_id": "q"}])


def test_rows_of_the_named_models_are_kept() -> None:
    assert of_models(TABLE, {"ours", "base"}).found("model") == ["base", "ours"]
    assert len(of_models(TABLE, {"ours"}).value) == 1


def test_a_model_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"no model 'a'") as refused:
        of_models(TABLE, {"base", "z", "a"})
    assert refused.value.fix == "Use one of: base, ours, third."


def test_one_suite_need_not_be_named_and_several_must() -> None:
    only = of_models(TABLE, {"base"})
    assert of_one(only, "suite", None) is only
    with pytest.raises(UserError, match="several values of suite: s, t") as refused:
        of_one(TABLE, "suite", None)
    assert refused.value.fix == "Say which suite."
    assert of_one(TABLE, "suite", "t").found("model") == ["ours"]
    with pytest.raises(UserError, match="no suite 'u'") as unknown:
        of_one(TABLE, "suite", "u")
    assert unknown.value.fix == "Use one of: s, t."


def test_a_table_without_rows_needs_no_name() -> None:
    nothing = of_models(TABLE, set())
    assert of_one(nothing, "suite", None) is nothing


def test_all_runs_of_a_model_are_found() -> None:
    assert runs_of(TABLE, "base") == [Method("base", "r1"), Method("base", "r2")]
    with pytest.raises(UserError, match="no rows of model 'other'"):
        runs_of(TABLE, "other")


def test_the_only_run_need_not_be_named() -> None:
    assert resolved(TABLE, "ours") == Method("ours", "r1")
    assert resolved(TABLE, Method("ours")) == Method("ours", "r1")
    assert resolved(TABLE, Method("base", "r2")) == Method("base", "r2")


@pytest.mark.parametrize(
    ("asked", "problem", "runs"),
    [
        ("base", "has 2 training runs of 'base'", "r1, r2"),
        (Method("base", "r3"), "no training run 'r3' of 'base'", "r1, r2"),
        (Method("ours", "r2"), "no training run 'r2' of 'ours'", "r1"),
    ],
)
def test_a_run_that_is_not_told_or_not_there_is_refused_with_those_that_are(
    asked: Any, problem: str, runs: str
) -> None:
    with pytest.raises(UserError, match=problem) as refused:
        resolved(TABLE, asked)
    assert refused.value.fix == f"Name one of: {runs}."


def test_a_method_is_labelled_by_its_model_and_by_its_run_where_one_is_named() -> None:
    assert Method("ours").label() == "ours"
    assert Method("ours", "r1").label() == "ours (r1)"
