"""BRISQUE's features by hand and by other formulas, and its regression from files."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, special

from probekit.errors import UserError
from probekit.evaluation.natural.brisque import (
    N_FEATURES,
    brisque_features,
    fit_spread,
    halved,
    normalised_luma,
    shape_ratio,
)
from probekit.evaluation.natural.support_vectors import read_ranges, read_regression
from probekit.seeding import generator


def test_the_shape_ratio_of_laplace_and_normal_is_one_half_and_two_over_pi() -> None:
    assert shape_ratio(1.0) == pytest.approx(0.5)
    assert shape_ratio(2.0) == pytest.approx(2 / np.pi)


@given(st.floats(0.3, 8.0), st.floats(0.3, 8.0))
def test_the_shape_ratio_rises_with_the_shape_and_stays_below_three_quarters(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert shape_ratio(low) <= shape_ratio(high) < 0.75


def test_the_fit_of_four_numbers_by_hand() -> None:
    # Left: sqrt(4) = 2. Right: sqrt((1 + 9) / 2) = sqrt(5). Mean magnitude 7/4... over mean square 14/3.
    fitted = fit_spread(np.array([-2.0, 1.0, 3.0]))
    assert fitted.left == 2.0
    assert fitted.right == pytest.approx(5**0.5)
    ratio = 2 / 5**0.5
    wanted = (2.0**2 / (14 / 3)) * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    assert fitted.shape == pytest.approx(50.0) if wanted > 0.75 else shape_ratio(fitted.shape) == pytest.approx(wanted)


@pytest.mark.parametrize(("shape", "draw"), [(1.0, "laplace"), (2.0, "normal")])
def test_the_fit_finds_the_shape_that_numbers_were_drawn_from(shape: float, draw: str) -> None:
    rng = generator("brisque-fit")
    values = rng.laplace(size=200_000) if draw == "laplace" else rng.normal(size=200_000)
    fitted = fit_spread(values)
    assert fitted.shape == pytest.approx(shape, rel=0.03)
    assert fitted.mean() == pytest.approx(0.0, abs=0.02)


def test_the_mean_of_a_skewed_fit_is_that_of_its_two_halves() -> None:
    # Of shape 2, halves of spread 1 and 3: the mean is (3 - 1) * sqrt(G(1/2) / G(3/2)) * G(1) / G(1/2).
    values = np.concatenate(
        [-np.abs(generator("left").normal(size=100_000)), 3 * np.abs(generator("right").normal(size=300_000))]
    )
    fitted = fit_spread(values)
    expected = 2 * (special.gamma(0.5) / special.gamma(1.5)) ** 0.5 / special.gamma(0.5)
    assert fitted.mean() == pytest.approx(expected, rel=0.03)
    assert fitted.mean() == pytest.approx(values.mean(), rel=0.03)


def test_numbers_of_one_sign_or_none_have_a_fit() -> None:
    assert fit_spread(np.ones(5)).left == 0.0
    assert np.isfinite([*fit_spread(np.zeros(5)), fit_spread(np.zeros(5)).mean()]).all()


def test_local_contrast_is_that_of_a_two_dimensional_window() -> None:
    luma = generator("luma").random((12, 15))
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    mean, square = (signal.convolve2d(each, window, "same") for each in (luma, luma**2))
    expected = (luma - mean) / (np.sqrt(np.abs(mean**2 - square)) + 1 / 255)
    assert np.allclose(normalised_luma(luma), expected)


def test_halving_keeps_constants_and_puts_a_pixel_between_two() -> None:
    assert np.allclose(halved(np.full((7, 10), 0.3)), 0.3)
    assert halved(np.zeros((7, 10))).shape == (3, 5)
    ramp = np.broadcast_to(np.arange(12.0), (4, 12))
    assert np.allclose(halved(ramp)[:, 1:-1], [[2.5, 4.5, 6.5, 8.5]] * 2)


def test_a_frame_has_36_finite_features_and_a_turned_one_swaps_its_directions() -> None:
    frame = generator("frame").integers(0, 256, (20, 24, 3), dtype=np.uint8)
    features, turned = brisque_features(frame), brisque_features(frame.transpose(1, 0, 2))
    assert features.shape == (N_FEATURES,)
    assert np.isfinite(features).all()
    swapped = [0, 1, 6, 7, 8, 9, 2, 3, 4, 5, *range(10, 14)]
    assert np.allclose(turned[swapped], features[:14])
    assert np.isfinite(brisque_features(np.zeros((20, 24, 3), np.uint8))).all()


def write_model(folder: Path, *, vectors: str = "2 1:0 2:0\n-1 1:1\n", count: int = 2, kind: str = "rbf") -> Path:
    path = folder / "svm.txt"
    path.write_text(f"svm_type epsilon_svr\nkernel_type {kind}\ngamma 0.5\ntotal_sv {count}\nrho 0.25\nSV\n{vectors}")
    return path


def write_ranges(folder: Path, content: object) -> Path:
    path = folder / "ranges.pickle"
    path.write_bytes(pickle.dumps(content))
    return path


def test_the_regression_by_hand(tmp_path: Path) -> None:
    ranges = write_ranges(tmp_path, {"min_": [0.0, 0.0], "max_": [10.0, 2.0]})
    model = read_regression(write_model(tmp_path), ranges)
    # (5, 1) scales to (0, 0): the first vector is there, the second, (1, 0), one away.
    assert model.predict(np.array([5.0, 1.0])) == pytest.approx(2 - np.exp(-0.5) - 0.25)


class Runs:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


@pytest.mark.parametrize(
    "content",
    [
        {"min_": [0.0]},
        {"min_": [0.0], "max_": [1.0, 2.0]},
        {"min_": [0.0], "max_": [0.0]},
        {"min_": [0.0], "max_": [1.0], "more": [1.0]},
        {"min_": [0.0], "max_": [Runs()]},
        Runs(),
        [1.0],
    ],
)
def test_ranges_that_are_anything_else_are_refused_and_nothing_runs(
    tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError):
        read_ranges(write_ranges(tmp_path, content))
    assert not capsys.readouterr().out


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 5)), min_size=1, max_size=5))
def test_ranges_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[float, float]]
) -> None:
    lowest, highest = [low for low, _ in pairs], [low + width for low, width in pairs]
    path = write_ranges(tmp_path_factory.mktemp("ranges"), {"min_": lowest, "max_": highest})
    assert json.dumps([list(each) for each in read_ranges(path)]) == json.dumps([lowest, highest])


@pytest.mark.parametrize(
    "fault", [{"count": 3}, {"kind": "linear"}, {"vectors": "2 1:0 9:0\n1 1:1\n"}, {"vectors": "two\n1 1:1\n"}]
)
def test_a_damaged_model_is_refused(tmp_path: Path, fault: dict[str, object]) -> None:
    ranges = write_ranges(tmp_path, {"min_": [0.0, 0.0], "max_": [1.0, 1.0]})
    with pytest.raises(UserError):
        read_regression(write_model(tmp_path, **fault), ranges)
