import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.coverage import Coverage
from probekit.statistics.paired_bootstrap import paired_bootstrap
from probekit.statistics.prompt_pairing import pair_scores
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_arrays import read_columns
from probekit.statistics.score_comparison import (
    MethodComparison,
    ScoredMethod,
    compare_methods,
    compare_recipes,
    compare_score_tables,
)
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, DimensionConstant

THIRTY = BootstrapSettings(replicates=30)

DIMENSIONS = tuple(constant.dimension for constant in SPRITE_CONSTANTS)
Row = dict[str, Any]


def row(model: str, prompt: int, value: float | None, **changes: Any) -> Row:
    defaults = {
        "model": model,
        "training_run": "run0",
        "suite": "sprite",
        "horizon": "5s",
        "prompt_id": f"p{prompt:03d}",
        "sample": 0,
        "clip": 0,
        "dimension": "color",
        "value": value,
        "numerator": None,
        "denominator": None,
        "reason": "no object found" if value is None else None,
    }
    return defaults | changes


def table_of(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows)


def full_rows(models: tuple[str, ...], n_prompts: int = 6, samples: int = 2, seed: int = 0) -> list[Row]:
    rng = generator("test score table", seed)
    return [
        row(model, prompt, float(rng.random()), sample=sample, dimension=dimension)
        for model in models
        for dimension in DIMENSIONS
        for prompt in range(n_prompts)
        for sample in range(samples)
    ]


def compare_one(rows: list[Row], **options: Any) -> MethodComparison:
    arguments: dict[str, Any] = {"constants": SPRITE_CONSTANTS, "settings": THIRTY} | options
    (comparison,) = compare_score_tables(table_of(rows), "base", ["ours"], **arguments)
    return comparison


def test_equals_the_paired_bootstrap_of_hand_made_prompt_means() -> None:
    rows = full_rows(("base", "ours"))
    result = compare_one(rows, seed=3)
    frame = table_of(rows)
    means = {
        model: {
            dimension: frame[(frame["model"] == model) & (frame["dimension"] == dimension)]
            .pivot_table(index="prompt_id", columns="sample", values="value")
            .to_numpy()
            .mean(axis=1)
            for dimension in DIMENSIONS
        }
        for model in ("base", "ours")
    }
    rng = generator("paired_bootstrap", 3)
    expected = paired_bootstrap(means["ours"], means["base"], SPRITE_CONSTANTS, rng=rng, replicates=30)
    for got, wanted in zip(result.bootstrap.estimates(), expected.estimates(), strict=True):
        assert (got.name, got.n_prompts, got.star) == (wanted.name, wanted.n_prompts, wanted.star)
        for field in ("a", "b", "difference", "standard_error", "low", "high"):
            assert getattr(got, field) == pytest.approx(getattr(wanted, field), abs=1e-12)


def test_difference_is_method_minus_baseline() -> None:
    rows = [row("base", prompt, 0.25) for prompt in range(6)] + [row("ours", prompt, 0.75) for prompt in range(5)]
    (estimate,) = compare_one([*rows, row("ours", 5, 0.8125)]).bootstrap.dimensions
    assert (estimate.a, estimate.b, estimate.difference) == pytest.approx((0.75 + 1 / 96, 0.25, 0.5 + 1 / 96))
    assert estimate.star


def prompt_means(rows: list[Row]) -> dict[str, float | None]:
    return read_columns(table_of(rows)).of_method(Method("ours", "run0"))["color"].prompt_means()


def test_a_prompt_weighs_the_same_however_many_videos_or_clips_it_has() -> None:
    scores = [(0, 0, 0, 0.0), (0, 0, 1, 0.5), (0, 0, 2, None), (0, 1, 0, 0.75), (0, 2, 0, None), (1, 0, 0, None)]
    rows = [row("ours", prompt, value, sample=sample, clip=clip) for prompt, sample, clip, value in scores]
    assert prompt_means(rows) == {"p000": (0.25 + 0.75) / 2, "p001": None}


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_prompt_means_do_not_depend_on_row_order(values: list[float], seed: int) -> None:
    rows = [row("ours", 0, value, sample=index) for index, value in enumerate(values)]
    order = generator("test order", seed).permutation(len(values))
    assert prompt_means([rows[i] for i in order]) == prompt_means(rows)


def test_row_order_changes_nothing() -> None:
    rows = full_rows(("base", "ours"))
    order = generator("test order").permutation(len(rows))
    assert compare_one([rows[i] for i in order]).bootstrap == compare_one(rows).bootstrap


def test_unscored_videos_are_counted_and_their_pairs_left_out() -> None:
    rows = [row("base", prompt, 0.5, sample=sample) for prompt in range(4) for sample in range(2)]
    rows += [row("ours", prompt, 0.75, sample=sample) for prompt in range(4) for sample in range(2)]
    rows[0] |= {"value": None, "reason": "no object found"}  # base, prompt 0: one of two samples left
    for lost in (10, 11):  # ours, prompt 1: no sample left
        rows[lost] |= {"value": None, "reason": "no object found"}
    result = compare_one(rows)
    (estimate,) = result.bootstrap.dimensions
    assert (estimate.a, estimate.b, estimate.n_prompts) == (0.75, 0.5, 3)
    assert result.coverage == (
        Coverage("color", "ours (run0)", n_planned=8, n_scored=6, prompts_planned=4, prompts_scored=3),
        Coverage("color", "base (run0)", n_planned=8, n_scored=7, prompts_planned=4, prompts_scored=4),
    )


@pytest.mark.parametrize(("complete", "short"), [("base", "ours"), ("ours", "base")])
def test_videos_that_one_method_lacks_count_as_planned(complete: str, short: str) -> None:
    rows = [row(complete, prompt, 0.5, sample=sample) for prompt in range(2) for sample in range(5)]
    rows += [row(short, prompt, 0.5) for prompt in range(2)]
    counts = {entry.method: (entry.n_planned, entry.n_scored) for entry in compare_one(rows).coverage}
    assert counts == {f"{complete} (run0)": (10, 10), f"{short} (run0)": (10, 2)}


def test_dimension_without_any_score_is_missing_with_a_reason() -> None:
    rows = full_rows(("base", "ours"))
    for entry in rows:
        if entry["model"] == "ours" and entry["dimension"] == "color":
            entry |= {"value": None, "reason": "no object found"}
    result = compare_one(rows).bootstrap
    (color,) = (estimate for estimate in result.dimensions if estimate.name == "color")
    assert (color.difference, color.n_prompts) == (None, 0)
    assert color.reason is not None
    assert (result.semantic, result.total, result.missing) == (None, None, ("color",))
    assert result.quality is not None


def test_a_comparison_does_not_depend_on_the_others_in_the_call() -> None:
    table = table_of(full_rows(("base", "ours", "theirs")))
    together = compare_score_tables(table, "base", ["ours", "theirs"], SPRITE_CONSTANTS, settings=THIRTY)
    alone = compare_score_tables(table, "base", ["theirs"], SPRITE_CONSTANTS, settings=THIRTY)
    assert [comparison.method for comparison in together] == [Method("ours", "run0"), Method("theirs", "run0")]
    assert together[1] == alone[0]


def test_seed_names_the_resampling() -> None:
    rows = full_rows(("base", "ours"))
    assert compare_one(rows, seed=1) == compare_one(rows, seed=1)
    assert compare_one(rows, seed=1).bootstrap != compare_one(rows, seed=2).bootstrap


def test_by_default_the_seed_is_0_and_recipes_are_resampled_by_their_runs() -> None:
    rows = full_rows(("base", "ours"))
    assert compare_one(rows) == compare_one(rows, seed=0)
    columns = read_columns(table_of(rows))
    base, ours = (
        ScoredMethod(method, [columns.of_method(method)]) for method in (Method("base", "run0"), Method("ours", "run0"))
    )
    named = compare_methods(base, [ours], SPRITE_CONSTANTS, seed=0, settings=THIRTY)
    assert compare_methods(base, [ours], SPRITE_CONSTANTS, settings=THIRTY) == named == (compare_one(rows),)
    rows += [one | {"training_run": "run1", "value": 0.5 + one["value"] / 2} for one in rows]
    by_runs = BootstrapSettings(resampling="runs")
    recipes = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS)
    assert recipes == compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, seed=0, settings=by_runs)
    assert recipes[0].bootstrap != compare_recipes(
        table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=by_runs.model_copy(update={"replicates": 30})
    )[0].bootstrap  # fmt: skip


@pytest.mark.parametrize("model", ["base", "ours"])
def test_a_mean_that_the_formula_cannot_produce_is_refused_and_one_outside_the_range_is_told(
    model: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of either side: bounds are facts of the formula, the range one of the normalisation."""
    rows = [row(one, prompt, 1.25 if one == model else 0.5) for one in ("base", "ours") for prompt in range(6)]
    wide = DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, "test", floor=0.0, ceiling=2.0)
    compare_one(rows, constants=(wide,))
    assert "1.2500 is outside its normalisation range" in caplog.text
    with pytest.raises(UserError, match=r"color.*1\.25"):
        compare_one(rows, constants=(wide._replace(ceiling=1.0),))


def test_a_recipes_score_is_the_mean_of_its_own_runs_however_many_the_other_has() -> None:
    rows = [row("base", prompt, 0.25 + 0.01 * prompt, training_run="a") for prompt in range(6)]
    rows += [row("ours", prompt, 0.5 + 0.1 * run, training_run=f"r{run}") for run in range(3) for prompt in range(6)]
    (found,) = compare_recipes(
        table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=THIRTY.model_copy(update={"resampling": "runs"})
    )
    (estimate,) = found.bootstrap.dimensions
    assert (estimate.a, estimate.b) == pytest.approx((0.6, 0.275))


def test_prompts_of_one_method_alone_count_only_where_videos_weigh_alike() -> None:
    rows = [row("base", prompt, 0.5) for prompt in range(6)] + [
        row("ours", prompt, 0.1 * prompt) for prompt in range(6)
    ]
    rows[0] |= {"value": None, "reason": "no object found"}
    for weighting, expected in (("prompt-mean", 0.3), ("video-mean", 0.25)):
        found = compare_one(rows, settings=BootstrapSettings(replicates=30, weighting=weighting))  # type: ignore[arg-type]
        (estimate,) = found.bootstrap.dimensions
        assert (estimate.a, estimate.b) == pytest.approx((expected, 0.5))
        assert estimate.n_prompts == 5  # the pairs


def test_a_dict_of_columns_is_a_table_too() -> None:
    rows = full_rows(("base", "ours"))
    columns = {name: [entry[name] for entry in rows] for name in rows[0]}
    (result,) = compare_score_tables(columns, "base", ["ours"], SPRITE_CONSTANTS, settings=THIRTY)
    assert result == compare_one(rows)


def test_named_dimensions_only() -> None:
    rows = [*full_rows(("base", "ours")), row("base", 0, 0.3, dimension="lpips")]
    with pytest.raises(UserError, match="lpips"):
        compare_one(rows)
    result = compare_one(rows, dimensions=["color", "dynamic_degree"])
    assert [estimate.name for estimate in result.bootstrap.dimensions] == ["dynamic_degree", "color"]
    with pytest.raises(UserError, match="colour"):
        compare_one(rows, dimensions=["colour"])


def test_training_runs_are_never_mixed() -> None:
    rows = [row("base", prompt, 0.5) for prompt in range(3)]
    for run, value in (("seed1", 0.6), ("seed2", 0.8)):
        rows += [row("ours", prompt, value, training_run=run) for prompt in range(3)]
    with pytest.raises(UserError, match=r"2 training runs of 'ours'.*seed1, seed2"):
        compare_one(rows)
    methods = [Method("ours", "seed1"), Method("ours", "seed2"), Method("ours", "seed3")]
    results = compare_score_tables(table_of(rows), "base", methods[:2], SPRITE_CONSTANTS, settings=THIRTY)
    assert [r.bootstrap.dimensions[0].difference for r in results] == pytest.approx([0.1, 0.3])
    with pytest.raises(UserError, match="seed3"):
        compare_score_tables(table_of(rows), "base", methods[2:], SPRITE_CONSTANTS)


@pytest.mark.parametrize(("column", "values"), [("horizon", ("5s", "30s")), ("suite", ("sprite", "vbench"))])
def test_suites_and_horizons_are_never_mixed(column: str, values: tuple[str, str]) -> None:
    rows = [
        row(model, prompt, 0.5 + 0.1 * (model == "ours") + 0.2 * (model == "ours" and value == values[1]))
        | {column: value}
        for model in ("base", "ours")
        for prompt in range(3)
        for value in values
    ]
    with pytest.raises(UserError, match=f"several values of {column}"):
        compare_one(rows)
    differences = [compare_one(rows, **{column: value}).bootstrap.dimensions[0].difference for value in values]
    assert differences == pytest.approx([0.1, 0.3])
    with pytest.raises(UserError, match="10s"):
        compare_one(rows, **{column: "10s"})
    kept = [entry for entry in rows if entry["model"] == "base" or entry[column] == values[1]]
    with pytest.raises(UserError, match="no rows of model 'ours'"):
        compare_one(kept, **{column: values[0]})


def test_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"'ours'.*base, mine"):
        compare_one(full_rows(("base", "mine")))


def test_prompt_of_one_method_only_is_refused_by_name() -> None:
    rows = [row("base", prompt, 0.5) for prompt in range(3)] + [row("ours", prompt, 0.5) for prompt in range(2)]
    with pytest.raises(UserError, match=r"color.*p002"):
        compare_one(rows)


def test_dimension_of_one_method_only_is_refused_by_name() -> None:
    rows = [row(model, prompt, 0.5) for model in ("base", "ours") for prompt in range(3)]
    with pytest.raises(UserError, match="object_class"):
        compare_one([*rows, row("ours", 0, 0.5, dimension="object_class")])


def test_a_video_is_complete_where_it_is_listed_and_every_clip_of_it_has_a_score() -> None:
    rows = [row("ours", 0, 0.5), row("ours", 0, 0.7, clip=1), row("ours", 1, 0.5, sample=1)]
    rows += [row("ours", 1, 0.5), row("ours", 1, None, clip=1), row("ours", 2, None)]
    found = read_columns(table_of(rows)).of_method(Method("ours", "run0"))["color"]
    assert found.listed.tolist() == [[True, False], [True, True], [True, False]]
    assert found.complete.tolist() == [[True, False], [False, True], [False, False]]
    np.testing.assert_array_equal(found.values, [[0.6, np.nan], [0.5, 0.5], [np.nan, np.nan]])
    assert found.extremes == (0.5, 0.7)


def test_repeated_rows_count_once_unless_they_contradict() -> None:
    rows = [row(model, prompt, 0.5) for model in ("base", "ours") for prompt in range(3)]
    assert compare_one([*rows, rows[0], rows[5]]) == compare_one(rows)
    with pytest.raises(UserError, match=r"color.*p001.*two different values"):
        compare_one([*rows, row("base", 1, 0.75)])
    with pytest.raises(UserError, match=r"color.*p001.*two different values"):
        compare_one([*rows, row("base", 1, None)])
    nothing = row("base", 9, None)
    assert compare_one([*rows, row("ours", 9, 0.5), nothing, nothing]) == compare_one(
        [*rows, row("ours", 9, 0.5), nothing]
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number_is_refused_by_name(value: float) -> None:
    rows = [row(model, prompt, 0.5) for model in ("base", "ours") for prompt in range(3)]
    rows[4] |= {"value": value}
    with pytest.raises(UserError, match=r"color.*p001.*ours"):
        compare_one(rows)


def test_missing_column_is_refused_by_name() -> None:
    table = table_of(full_rows(("base", "ours"))).drop(columns="clip")
    with pytest.raises(UserError, match="clip"):
        compare_score_tables(table, "base", ["ours"], SPRITE_CONSTANTS)


def test_ratio_dimensions_take_the_value_of_each_video() -> None:
    rows = [row(model, prompt, 0.5, numerator=8, denominator=16) for model in ("base", "ours") for prompt in range(2)]
    rows[2] |= {"value": 1.0, "numerator": 1, "denominator": 1}
    constants = (DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, "test"),)
    (estimate,) = compare_one(rows, constants=constants).bootstrap.dimensions
    assert estimate.a == 0.75


def test_seeds_stay_paired_where_one_method_lacks_a_video() -> None:
    rows = [row(model, prompt, 0.1 * sample, sample=sample) for model in ("base", "ours") for prompt in range(6)
            for sample in range(3)]  # fmt: skip
    rows = [one for one in rows if (one["model"], one["sample"]) != ("ours", 1)]
    columns = read_columns(table_of(rows))
    series = [columns.of_method(Method(model, "run0"))["color"] for model in ("ours", "base")]
    values = pair_scores(series, "prompt-mean", "videos").values
    np.testing.assert_array_equal(values[0], np.broadcast_to([0.0, np.nan, 0.2], (6, 3)))
    np.testing.assert_allclose(values[1], np.broadcast_to([0.0, 0.1, 0.2], (6, 3)))


def test_statistics_import_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, probekit.statistics.score_comparison;"
        "print(sorted({'torch', 'pandas', 'scipy', 'matplotlib', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
