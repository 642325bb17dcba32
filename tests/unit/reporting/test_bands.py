"""Means with intervals over prompts: by hand, by the same rule as every comparison, and as artists of a figure."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from probekit.reporting.bands import Point, curve_points, draw_band, draw_bars, interval_note

NONE = Point(1.0, 0.5, None, None, 2)
SOME = Point(2.0, 0.5, 0.4, 0.6, 40)


def rows(values: np.ndarray) -> pd.DataFrame:
    """Tidy rows of values (prompts, places), two videos of each prompt that lie around its value."""
    prompts, places = np.indices(values.shape)
    frame = {"prompt_id": [f"p{one}" for one in prompts.ravel()], "second": places.ravel()}
    videos = [pd.DataFrame(frame | {"value": values.ravel() + shift}) for shift in (-1.0, 1.0)]
    return pd.concat(videos, ignore_index=True)


def test_a_point_is_the_mean_over_prompts_with_students_interval_below_fifty() -> None:
    values = np.random.default_rng(0).normal(size=(12, 3))
    points = curve_points(rows(values), "second")
    assert [point.x for point in points] == [0.0, 1.0, 2.0]
    for place, point in enumerate(points):
        own = values[:, place]
        low, high = stats.t.interval(0.95, 11, own.mean(), stats.sem(own))
        assert (point.mean, point.low, point.high) == pytest.approx((own.mean(), low, high))
        assert point.n == 12


def test_fewer_than_six_prompts_have_a_mean_and_no_interval() -> None:
    (point,) = curve_points(rows(np.arange(5.0)[:, None]), "second")
    assert point == Point(0.0, 2.0, None, None, 5)


def test_a_missing_value_costs_its_own_place_alone() -> None:
    values = np.arange(16.0).reshape(8, 2)
    values[3, 1] = np.nan
    first, second = curve_points(rows(values), "second")
    assert (first.n, second.n) == (8, 7)
    assert second.mean == pytest.approx(np.nanmean(values[:, 1]))


@pytest.mark.long
@given(st.lists(st.floats(-1e3, 1e3), min_size=50, max_size=60, unique=True))
def test_with_fifty_prompts_the_interval_holds_the_mean_and_lies_within_the_values(found: list[float]) -> None:
    (point,) = curve_points(rows(np.array(found)[:, None]), "second")
    if point.low is not None and point.high is not None:
        assert min(found) <= point.low <= point.mean + 1e-9
        assert point.mean - 1e-9 <= point.high <= max(found)


def test_a_band_is_drawn_only_where_every_point_has_an_interval() -> None:
    figure = Figure()
    bare, full = figure.subplots(1, 2)
    draw_band(bare, [NONE, SOME], "black", "a")
    draw_band(full, [SOME, SOME._replace(x=3.0)], "black", "a")
    assert [len(axes.collections) for axes in (bare, full)] == [0, 1]
    (band,) = full.collections
    ends = band.get_paths()[0].vertices
    assert (ends[:, 1].min(), ends[:, 1].max()) == (0.4, 0.6)
    assert [line.get_label() for line in bare.lines] == ["a"]


def test_bars_stand_where_the_intervals_are() -> None:
    axes = Figure().subplots()
    draw_bars(axes, [NONE, SOME], "black", "a", shift=0.1)
    line, bar = axes.lines
    assert list(line.get_xdata()) == pytest.approx([1.1, 2.1])
    assert list(bar.get_ydata()) == [0.4, 0.6]
    assert list(bar.get_xdata()) == pytest.approx([2.1, 2.1])


def test_the_note_says_how_many_and_what_is_drawn() -> None:
    assert interval_note([SOME]) == "n = 40 prompts; band: 95% interval of the mean"
    assert interval_note([NONE]) == "n = 2 prompts; no interval (fewer than 6)"
    assert interval_note([NONE, SOME], "runs", "bar") == (
        "n = 2 to 40 runs; bar: 95% interval of the mean, where there is one"
    )
    assert interval_note([NONE._replace(n=9)]) == "n = 9 prompts; no interval (they do not differ)"
    assert interval_note([]) == "n = 0 prompts"
