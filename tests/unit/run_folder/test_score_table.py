import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.run_folder.score_table import (
    COLUMNS,
    KEY_COLUMNS,
    SCHEMA,
    ScoreRow,
    read_scores,
    score_rows,
    write_scores,
)

ROW = ScoreRow(
    model="base",
    training_run="r0",
    suite="sprite-test",
    horizon="5s",
    prompt_id="p0",
    sample=0,
    clip=0,
    dimension="color",
    value=0.5,
    numerator=None,
    denominator=None,
    reason=None,
    unit="share",
    range_low=0.0,
    range_high=1.0,
    scorer_id="color-noweights-v1",
    video_sha256="ab",
)


def _write(tmp_path: Path, *rows: ScoreRow, name: str = "a") -> None:
    write_scores(tmp_path / "scores" / f"{name}.parquet", rows)


def test_columns_of_row_and_schema_agree() -> None:
    assert ScoreRow._fields == COLUMNS
    assert KEY_COLUMNS == COLUMNS[:8]
    assert KEY_COLUMNS[-1] == "dimension"


@settings(max_examples=25)
@given(values=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=5), text=st.text(max_size=9))
def test_rows_are_read_back(tmp_path_factory: pytest.TempPathFactory, values: list[float | None], text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.parquet"
    rows = [
        ROW._replace(sample=number, value=value, reason=f"reason: {text}" if value is None else None)
        for number, value in enumerate(values)
    ]
    write_scores(path, rows)
    frame = read_scores(path)
    assert tuple(frame.columns) == COLUMNS
    assert [None if math.isnan(value) else value for value in frame["value"]] == values
    assert list(frame["reason"].isna()) == [value is not None for value in values]
    assert frame["sample"].dtype == "int64"


def test_rows_come_back_from_a_frame_as_they_were_written(tmp_path: Path) -> None:
    counted = ROW._replace(sample=1, value=0.25, numerator=1.0, denominator=4.0)
    null = ROW._replace(sample=2, value=None, reason="a single frame has no neighbour")
    _write(tmp_path, ROW, counted, null)
    rows = score_rows(read_scores(tmp_path))
    assert rows == [ROW, counted, null]
    assert [type(cell) for cell in rows[0]] == [type(cell) for cell in ROW]


def test_shards_merge_sorted_and_repeats_count_once(tmp_path: Path) -> None:
    _write(tmp_path, ROW._replace(prompt_id="p2"), ROW._replace(prompt_id="p1", sample=10), name="b")
    _write(tmp_path, ROW._replace(prompt_id="p1", sample=9), ROW._replace(prompt_id="p2"), name="a")
    for path in (tmp_path, tmp_path / "scores"):
        frame = read_scores(path)
        assert list(zip(frame["prompt_id"], frame["sample"], strict=True)) == [("p1", 9), ("p1", 10), ("p2", 0)]


def test_reading_does_not_depend_on_how_rows_were_sharded(tmp_path: Path) -> None:
    rows = [ROW._replace(sample=number, value=number / 10) for number in range(6)]
    _write(tmp_path / "one", *rows)
    for index in range(3):
        _write(tmp_path / "three", *rows[index::3], name=str(index))
    pd.testing.assert_frame_equal(read_scores(tmp_path / "one"), read_scores(tmp_path / "three"))


@pytest.mark.parametrize(
    "change", [{"value": 0.6}, {"value": None, "reason": "no object"}, {"scorer_id": "v2"}, {"video_sha256": "cd"}]
)
def test_contradicting_shards_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    _write(tmp_path, ROW, name="a")
    _write(tmp_path, ROW._replace(**change), name="b")
    with pytest.raises(UserError, match="different scores for base r0 sprite-test 5s p0 0 0 color"):
        read_scores(tmp_path)


def test_null_is_not_zero(tmp_path: Path) -> None:
    _write(tmp_path, ROW._replace(value=None, reason="no object found"), ROW._replace(sample=1, value=0.0))
    frame = read_scores(tmp_path)
    assert list(frame["value"].isna()) == [True, False]
    assert frame["reason"].iloc[0] == "no object found"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"value": math.nan}, "value is not finite"),
        ({"value": math.inf}, "value is not finite"),
        ({"value": -0.001}, "value is outside its range"),
        ({"value": 1.001}, "value is outside its range"),
        ({"value": None}, "value is null without a reason"),
        ({"value": None, "reason": ""}, "value is null without a reason"),
        ({"numerator": 1.0}, "one of numerator and denominator"),
        ({"numerator": math.nan, "denominator": 1.0}, "numerator is not finite"),
        ({"range_low": math.nan}, "range_low is NaN"),
        ({"scorer_id": None}, "scorer_id is null"),
        ({"value": None, "reason": " \t\n"}, "value is null without a reason"),
        ({"reason": " "}, "reason is blank"),
        ({"video_sha256": ""}, "video_sha256 is empty"),
        ({"video_sha256": " "}, "video_sha256 is empty"),
        ({"value": None, "reason": "no object", "numerator": 1.0, "denominator": 2.0}, "null with a numerator"),
        ({"numerator": 0.0, "denominator": 0.0}, "denominator is not positive"),
        ({"numerator": -1.0, "denominator": -2.0}, "denominator is not positive"),
        ({"numerator": 3.0, "denominator": 5.0}, "value is not numerator / denominator"),
        ({"value": 0.5 + 2e-9, "numerator": 1.0, "denominator": 2.0}, "value is not numerator / denominator"),
    ],
)
def test_rules_hold_when_writing_and_when_reading(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    bad = ROW._replace(prompt_id="p7", **change)
    with pytest.raises(UserError, match=f"{named}.* p7 0 0 color"):
        _write(tmp_path, ROW, bad)
    assert not list((tmp_path / "scores").glob("*"))
    nullable = pa.schema([pa.field(field.name, field.type) for field in SCHEMA])
    pq.write_table(pa.Table.from_pylist([bad._asdict()], schema=nullable), tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match=f"{named}.* p7 0 0 color"):
        read_scores(tmp_path / "foreign.parquet")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sample": 1.7}, "sample = 1.7 is not a whole number"),
        ({"sample": True}, "sample = True is not a whole number"),
        ({"clip": np.bool_(True)}, "clip = .*True.* is not a whole number"),
        ({"clip": "0"}, "clip = '0' is not a whole number"),
        ({"value": "0.5"}, "value = '0.5' is not a number"),
        ({"value": np.bool_(True)}, "value = .*True.* is not a number"),
        ({"value": True}, "value = True is not a number"),
        ({"range_low": "0"}, "range_low = '0' is not a number"),
        ({"prompt_id": 7}, "prompt_id = 7 is not a text"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=rf"a\.parquet: {named} for base r0"):
        _write(tmp_path, ROW, ROW._replace(**change))
    assert not list((tmp_path / "scores").glob("*"))


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "sample": np.int32(3),
        "value": np.float32(0.25),
        "numerator": np.int64(1),
        "denominator": 4,
    }
    _write(tmp_path, ROW._replace(**changes))
    assert read_scores(tmp_path)[list(changes)].iloc[0].tolist() == [3, 0.25, 1, 4]


def test_table_saved_by_pandas_is_read(tmp_path: Path) -> None:
    for name, rows in (("scored", [ROW]), ("mixed", [ROW, ROW._replace(sample=1, value=None, reason="no object")])):
        _write(tmp_path / name, *rows)
        table = read_scores(tmp_path / name)
        table.to_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read_scores(tmp_path / f"{name}.parquet"), table)
        table.astype(object).to_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read_scores(tmp_path / f"{name}.parquet"), table)


def test_numbers_saved_as_texts_are_named(tmp_path: Path) -> None:
    _write(tmp_path, ROW)
    read_scores(tmp_path).astype({"sample": str}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no score table of this version: see column sample"):
        read_scores(tmp_path / "other.parquet")


def test_one_dimension_has_one_scorer(tmp_path: Path) -> None:
    _write(tmp_path, ROW, ROW._replace(dimension="shape", scorer_id="shape-v1"), name="a")
    _write(tmp_path, ROW._replace(suite="custom", scorer_id="color-v9"), name="b")
    assert len(read_scores(tmp_path)) == 3
    _write(tmp_path, ROW._replace(sample=1, scorer_id="color-v2"), name="c")
    named = "color scores of sprite-test by more than one scorer: color-noweights-v1, color-v2"
    with pytest.raises(UserError, match=named):
        read_scores(tmp_path)


@pytest.mark.parametrize("value", [-5e-10, 1 + 5e-10])
def test_rounding_at_the_border_is_tolerated(tmp_path: Path, value: float) -> None:
    _write(tmp_path, ROW._replace(value=value))
    assert read_scores(tmp_path)["value"].iloc[0] == value


def test_open_range_may_be_infinite(tmp_path: Path) -> None:
    _write(tmp_path, ROW._replace(value=43.5, unit="dB", range_high=math.inf))
    assert read_scores(tmp_path)["value"].iloc[0] == 43.5


def test_ratio_is_kept(tmp_path: Path) -> None:
    _write(tmp_path, ROW._replace(numerator=3.0, denominator=6.0))
    assert read_scores(tmp_path)[["numerator", "denominator"]].iloc[0].tolist() == [3.0, 6.0]


def test_folder_without_scores_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no score in"):
        read_scores(tmp_path)


def test_unfinished_shard_of_a_killed_writer_is_ignored(tmp_path: Path) -> None:
    _write(tmp_path, ROW)
    (tmp_path / "scores" / ".tmp-1-ab.parquet").write_bytes(b"PAR1")
    assert len(read_scores(tmp_path)) == 1


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_truncated_shard_is_named(tmp_path: Path, kept: int) -> None:
    _write(tmp_path, ROW)
    path = tmp_path / "scores" / "a.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.parquet is not a Parquet file"):
        read_scores(tmp_path)


def test_table_with_other_columns_is_named(tmp_path: Path) -> None:
    pd.DataFrame({"model": ["a"], "score": [1.0]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"no score table of this version.*score"):
        read_scores(tmp_path / "other.parquet")


def test_folder_names_do_not_become_columns(tmp_path: Path) -> None:
    _write(tmp_path / "model=x", ROW)
    assert read_scores(tmp_path / "model=x")["model"].tolist() == ["base"]
