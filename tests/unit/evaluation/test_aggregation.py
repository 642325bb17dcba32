import csv
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate, aggregate_array, check_possible
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS, DimensionConstant
from tests.helpers.places import REPOSITORY
from tests.helpers.shared_data import shared_path

GOLDEN = REPOSITORY / "tests" / "golden" / "video_mirai_vbench_tables.json"
PAPER_ROWS: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["rows"]
SUITES = [VBENCH_CONSTANTS, SPRITE_CONSTANTS]
VBENCH_NAMES = tuple(constant.dimension for constant in VBENCH_CONSTANTS)
CSV_TABLES = ("table08_vbench_quality_dimensions.csv", "table09_vbench_semantic_dimensions.csv")

# Change of Total, in points, for +0.01 of a raw score, derived from VBench's constants by hand.
TOTAL_PER_CENT_OF_RAW = {
    "subject_consistency": 0.8 / 6.5 / 0.8538,
    "background_consistency": 0.8 / 6.5 / 0.7385,
    "temporal_flickering": 0.8 / 6.5 / 0.3707,
    "motion_smoothness": 0.8 / 6.5 / 0.2915,
    "dynamic_degree": 0.8 * 0.5 / 6.5,
    "imaging_quality": 0.8 / 6.5,
    "object_class": 0.2 / 9,
    "scene": 0.2 / 9 / 0.8222,
    "appearance_style": 0.2 / 9 / 0.2846,
    "overall_consistency": 0.2 / 9 / 0.364,
}


def raw_means(row: dict[str, Any]) -> dict[str, float | None]:
    return {name: None if percent is None else percent / 100 for name, percent in row["dimensions"].items()}


@pytest.mark.parametrize("row", PAPER_ROWS, ids=lambda row: f"{row['horizon']} {row['method']}")
def test_paper_tables_are_reproduced(row: dict[str, Any]) -> None:
    result = aggregate(raw_means(row), VBENCH_CONSTANTS)
    for name in ("quality", "semantic", "total"):
        computed, published = getattr(result, name), row[name]
        assert (computed is None) == (published is None)
        assert published is None or computed == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize(
    ("row", "expected"),
    [(0, (84.547, 80.937, 83.825)), (1, (85.373, 81.592, 84.617)), (2, (76.254,)), (3, (77.883,))],
)
def test_unrounded_scores_of_the_paper_tables(row: int, expected: tuple[float, ...]) -> None:
    result = aggregate(raw_means(PAPER_ROWS[row]), VBENCH_CONSTANTS)
    assert result[: len(expected)] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("table", CSV_TABLES)
def test_golden_file_equals_the_given_tables(table: str) -> None:
    with shared_path(f"paper/tables/{table}").open(newline="") as file:
        given_rows = list(csv.DictReader(file))
    assert len(given_rows) == len(PAPER_ROWS)
    for given_row, row in zip(given_rows, PAPER_ROWS, strict=True):
        assert (given_row.pop("horizon"), given_row.pop("method")) == (row["horizon"], row["method"])
        golden = {**row["dimensions"], "quality": row["quality"], "semantic": row["semantic"]}
        assert {name: float(text) if text else None for name, text in given_row.items()} == {
            name: golden[name] for name in given_row
        }


def test_thirty_seconds_have_quality_only_and_name_what_is_missing() -> None:
    result = aggregate(raw_means(PAPER_ROWS[3]), VBENCH_CONSTANTS)
    assert result.quality is not None
    assert (result.semantic, result.total) == (None, None)
    assert result.missing == (
        "object_class",
        "multiple_objects",
        "human_action",
        "color",
        "spatial_relationship",
        "scene",
        "appearance_style",
    )


@pytest.mark.parametrize(("dimension", "points"), TOTAL_PER_CENT_OF_RAW.items())
def test_total_moves_with_each_dimension_as_its_weight_says(dimension: str, points: float) -> None:
    means: dict[str, float | None] = dict.fromkeys(VBENCH_NAMES, 0.2)
    before = aggregate(means, VBENCH_CONSTANTS).total
    after = aggregate({**means, dimension: 0.21}, VBENCH_CONSTANTS).total
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(points)


@pytest.mark.parametrize("constants", SUITES)
def test_lows_score_zero_and_highs_a_hundred(constants: tuple[DimensionConstant, ...]) -> None:
    lows = aggregate({constant.dimension: constant.low for constant in constants}, constants)
    highs = aggregate({constant.dimension: constant.high for constant in constants}, constants)
    assert lows[:3] == pytest.approx((0, 0, 0))
    assert highs[:3] == pytest.approx((100, 100, 100))


@pytest.mark.parametrize("constants", SUITES)
def test_constants_are_complete(constants: tuple[DimensionConstant, ...]) -> None:
    names = [constant.dimension for constant in constants]
    assert len(set(names)) == len(names)
    assert all(constant.low < constant.high and constant.weight > 0 and constant.source for constant in constants)
    assert {constant.dimension: constant.weight for constant in constants if constant.weight != 1} == {
        "dynamic_degree": 0.5
    }


def test_values_outside_the_range_are_not_clipped() -> None:
    means: dict[str, float | None] = {constant.dimension: constant.high for constant in VBENCH_CONSTANTS}
    result = aggregate({**means, "motion_smoothness": 0.9990, "aesthetic_quality": -0.005}, VBENCH_CONSTANTS)
    assert result.quality == pytest.approx(100 + 100 / 6.5 * (0.0015 / 0.2915 - 1.005))


@given(
    means=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(len(VBENCH_NAMES))),
        elements=st.floats(0, 1),
    ),
    order=st.permutations(range(len(VBENCH_NAMES))),
)
def test_array_form_equals_scalar_form_in_any_dimension_order(means: np.ndarray, order: list[int]) -> None:
    names = tuple(VBENCH_NAMES[position] for position in order)
    result = aggregate_array(means[..., order], names, VBENCH_CONSTANTS)
    for index in np.ndindex(means.shape[:-1]):
        scalar = aggregate(dict(zip(VBENCH_NAMES, means[index].tolist(), strict=True)), VBENCH_CONSTANTS)
        for scores, score in zip(result[:3], scalar[:3], strict=True):
            assert isinstance(scores, np.ndarray)
            assert scores[index] == pytest.approx(score, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_finite_is_refused_by_name(value: float) -> None:
    with pytest.raises(UserError, match="color"):
        aggregate({"color": value}, SPRITE_CONSTANTS)
    with pytest.raises(UserError, match="color"):
        aggregate_array(np.array([[0.5], [value]]), ("color",), SPRITE_CONSTANTS)


def test_unknown_dimension_is_refused_by_name_even_without_a_score() -> None:
    with pytest.raises(UserError, match=r"colour.*object_permanence"):
        aggregate({"colour": None}, SPRITE_CONSTANTS)


def test_repeated_dimension_is_refused() -> None:
    with pytest.raises(UserError, match="color"):
        aggregate_array(np.array([0.5, 0.5]), ("color", "color"), SPRITE_CONSTANTS)


def test_array_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="last axis"):
        aggregate_array(np.zeros((4, 3)), ("color", "object_class"), SPRITE_CONSTANTS)


def test_nothing_scored_is_all_missing() -> None:
    result = aggregate({}, SPRITE_CONSTANTS)
    assert result[:3] == (None, None, None)
    assert result.missing == tuple(constant.dimension for constant in SPRITE_CONSTANTS)


@pytest.mark.parametrize("constants", SUITES)
def test_bounds_of_the_formulas_hold_the_normalisation_range(constants: tuple[DimensionConstant, ...]) -> None:
    for constant in constants:
        assert (constant.floor is None) == (constant.ceiling is None)
        assert constant.floor is None or constant.floor <= constant.low
        assert constant.ceiling is None or constant.high <= constant.ceiling


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ("overall_consistency", 323.99),  # a known bad result of the official code
        ("dynamic_degree", 72.2),
        ("subject_consistency", -0.01),
        ("temporal_style", -1.1),
        ("temporal_flickering", 1.001),
    ],
)
def test_what_a_formula_cannot_produce_is_refused(dimension: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"{dimension}.*its formula gives"):
        aggregate({dimension: value}, VBENCH_CONSTANTS)


@pytest.mark.parametrize(("floor", "ceiling", "bounds"), [(0.0, 2.5, "0 to 2.5"), (None, 2.5, "anything to 2.5")])
def test_what_a_formula_gives_is_said_in_words(floor: float | None, ceiling: float, bounds: str) -> None:
    constant = DimensionConstant("one", "quality", 0.0, 1.0, 1.0, "test", floor=floor, ceiling=ceiling)
    with pytest.raises(UserError) as refusal:
        check_possible({"one": 7.0}, [constant])
    assert refusal.value.problem == f"Dimension 'one' has the score 7; its formula gives {bounds}."


@given(dimension=st.sampled_from(VBENCH_CONSTANTS), share=st.floats(0, 1))
def test_everything_within_a_formulas_bounds_is_accepted(dimension: DimensionConstant, share: float) -> None:
    floor = -5.0 if dimension.floor is None else dimension.floor
    ceiling = 80.0 if dimension.ceiling is None else dimension.ceiling
    aggregate({dimension.dimension: floor + share * (ceiling - floor)}, VBENCH_CONSTANTS)
    aggregate({dimension.dimension: ceiling + 5e-7}, VBENCH_CONSTANTS)  # a float32 cosine


def test_outside_the_normalisation_range_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    aggregate({"motion_smoothness": 0.999, "scene": 0.5}, VBENCH_CONSTANTS)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith("motion_smoothness: the mean 0.9990 is outside its normalisation range")
    caplog.clear()
    for end in ("low", "high"):
        aggregate({constant.dimension: constant._asdict()[end] for constant in VBENCH_CONSTANTS}, VBENCH_CONSTANTS)
    assert caplog.records == []


def test_null_is_missing_and_not_zero() -> None:
    zero, null = (aggregate({"color": value}, SPRITE_CONSTANTS).missing for value in (0.0, None))
    assert "color" in null
    assert "color" not in zero
