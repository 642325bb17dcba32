"""Alignment of representations: by definition, by invariance, by what chance gives."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from probekit.probing.similarity import (
    LEAST,
    cka_without_each,
    debiased_cka,
    gram,
    hsic_without_each,
    neighbours,
    shared_neighbours,
    unbiased_hsic,
)
from probekit.seeding import generator

Floats = NDArray[np.float64]


def features(name: str, count: int, width: int) -> Floats:
    return generator("similarity-test", name, count, width).normal(size=(count, width))


def test_hsic_is_the_mean_over_all_four_different_things() -> None:
    """Song et al. 2012: E[K_ij L_ij] + E[K_ij L_qr] - 2 E[K_ij L_iq] over different i, j, q, r."""
    one, other = gram(features("a", 6, 3)), gram(features("b", 6, 2))
    terms = [
        one[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q]) for i, j, q, r in permutations(range(len(one)), 4)
    ]
    assert unbiased_hsic(one, other) == pytest.approx(np.mean(terms))


def test_a_gram_matrix_holds_products_of_centred_features_beside_its_diagonal() -> None:
    wide = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]])  # mean (3, 2)
    assert gram(wide).tolist() == [[0.0, 4.0, -12.0], [4.0, 0.0, -8.0], [-12.0, -8.0, 0.0]]


@given(st.integers(LEAST + 1, 9), st.integers(1, 4))
def test_leaving_one_out_is_computing_without_it(count: int, width: int) -> None:
    a, b = features("a", count, width), features("b", count, width + 1) + features("a", count, width)[:, :1]
    left = [np.delete(np.arange(count), index) for index in range(count)]
    hsic = [unbiased_hsic(gram(a)[np.ix_(rows, rows)], gram(b)[np.ix_(rows, rows)]) for rows in left]
    assert hsic_without_each(gram(a), gram(b)) == pytest.approx(hsic)
    cka = [debiased_cka(gram(a[rows]), gram(b[rows])) for rows in left]
    assert cka_without_each(gram(a), gram(b)) == pytest.approx(cka, nan_ok=True)


def test_cka_knows_neither_rotation_nor_scale_nor_origin_but_other_weights() -> None:
    a = features("a", 40, 5)
    turned = np.linalg.qr(features("turn", 5, 5))[0]
    assert debiased_cka(gram(a), gram(3 * a @ turned + 7)) == pytest.approx(1)
    assert debiased_cka(gram(a), gram(a * [10, 1, 1, 1, 1])) < 0.9


def test_unrelated_wide_features_align_by_chance_alone() -> None:
    """The biased estimate of 20 things with 400 features each would be near 1."""
    found = [debiased_cka(gram(features(f"a{n}", 20, 400)), gram(features(f"b{n}", 20, 400))) for n in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert np.max(np.abs(found)) < 0.3


def test_what_does_not_vary_has_no_alignment_and_asks_for_no_root_of_zero() -> None:
    moving = gram(features("a", 6, 3))
    for level in (0.0, 1.0, 0.1, -1e5 / 7, 1e9 / 7):  # the mean of six times 0.1 is 0.1 to rounding only
        still = gram(np.full((6, 3), level))
        assert not still.any()
        with np.errstate(all="raise"):
            assert_no_alignment(still, moving)


def assert_no_alignment(still: Floats, moving: Floats) -> None:
    for pair in ((still, moving), (moving, still), (still, still)):
        assert np.isnan(debiased_cka(*pair))
        assert np.isnan(cka_without_each(*pair)).all()


def test_what_varies_a_little_keeps_all_of_its_spread() -> None:
    small = 1e6 + 1e-6 * np.array([[0.0], [1.0], [3.0], [8.0]])
    np.testing.assert_allclose(gram(small)[0, 1:], 1e-12 * -3.0 * np.array([-2.0, 0.0, 5.0]), atol=1e-15)


def test_neighbours_of_a_circle_are_those_beside_one() -> None:
    angles = np.arange(8) * np.pi / 4
    near = neighbours(np.stack([np.cos(angles), np.sin(angles)], axis=1), 2)
    assert [np.flatnonzero(row).tolist() for row in near] == [sorted([(i - 1) % 8, (i + 1) % 8]) for i in range(8)]


@pytest.mark.parametrize("origin", [0.0, 8.0])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_neighbours_have_the_greatest_cosines_however_long_features_are(count: int, origin: float) -> None:
    """Pairs on both sides of the mean, of lengths 1/4 to 8, and the mean itself, whose cosine with all is 0."""
    angles = np.array([0.1, 0.9, 1.8, 2.4, 2.9])
    half = np.array([8.0, 0.25, 2.0, 0.5, 4.0])[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([half, -half, np.zeros((1, 2))])
    found = neighbours(points + origin, count)
    for index, own in enumerate(points[:-1]):
        others = [place for place in range(11) if place != index]
        cosine = {p: own @ points[p] / max(np.linalg.norm(own) * np.linalg.norm(points[p]), 1e-9) for p in others}
        nearest = sorted(others, key=lambda place: -cosine[place])[:count]
        assert np.flatnonzero(found[index]).tolist() == sorted(nearest)
    assert found[-1].sum() == count


def test_shared_neighbours_are_one_for_equals_and_chance_for_strangers() -> None:
    near = neighbours(features("a", 60, 4), 6)
    assert shared_neighbours(near, near) == pytest.approx(np.ones(60))
    chance = [shared_neighbours(near, neighbours(features(f"b{n}", 60, 4), 6)).mean() for n in range(30)]
    assert np.mean(chance) == pytest.approx(6 / 59, abs=0.015)


def test_too_few_things_are_refused() -> None:
    small = gram(features("a", 3, 2))
    with pytest.raises(ValueError, match="needs 4 things"):
        unbiased_hsic(small, small)
    with pytest.raises(ValueError, match="5 things or more, not 4"):
        hsic_without_each(gram(features("a", 4, 2)), gram(features("a", 4, 2)))
    with pytest.raises(ValueError, match="3 neighbours of 3 things"):
        neighbours(features("a", 3, 2), 3)
    with pytest.raises(ValueError, match="0 neighbours of 3 things"):
        neighbours(features("a", 3, 2), 0)
