"""Replicates against a loop that draws one prompt after the other, from the same draws."""

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.statistics import resampling
from probekit.statistics.paired_units import Component, PairedSamples, Runs, split_by_shared_prompts
from probekit.statistics.resampling import (
    Drawn,
    Replicates,
    chunks,
    prompt_indices,
    ratio,
    replicate_errors,
    resample_prompts,
    run_shares,
)

Floats = NDArray[np.float64]
PROMPTS = tuple("abcde")


def component(*, even: bool, series: int = 2) -> Component:
    """Two dimensions of five prompts with two samples; uneven ones are weighed by frames."""
    rng = np.random.default_rng(3)
    pairs = {}
    for name in ("color", "scene"):
        values, frames = rng.normal(size=(series, 5, 2)), rng.integers(1, 9, size=(series, 5, 2)).astype(float)
        pairs[name] = PairedSamples(PROMPTS, values, None if even else frames)
    (found,) = split_by_shared_prompts(pairs, "prompt-mean" if even else "frame-weighted")
    return found


def plain_replicate(one: Component, shares: Floats, rows: NDArray[np.int64]) -> Floats:
    means = one.numerator[:, rows].sum(axis=1) / one.denominator[:, rows].sum(axis=1)
    return np.array([sum(share * mean for share, mean in zip(shares, of, strict=True)) for of in means.T])


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("at_once", [1, 12, 200_000])
def test_a_replicate_is_the_difference_of_the_drawn_prompts_means(
    even: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "CHUNK_ELEMENTS", at_once)
    one, shares = component(even=even), np.array([[1.0, -1.0]])
    (found,) = resample_prompts([Drawn(one, shares)], 7, np.random.default_rng(5))
    draws = prompt_indices(np.random.default_rng(5), 5, 7)
    np.testing.assert_allclose(found.differences, [plain_replicate(one, shares[0], rows) for rows in draws])
    assert found.variances is None


@pytest.mark.parametrize("even", [True, False])
def test_each_replicate_has_its_own_weights_of_runs_and_its_own_variance(
    even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "CHUNK_ELEMENTS", 15)
    one, other = component(even=even, series=3), component(even=even)
    shares = np.random.default_rng(1).normal(size=(8, 3))
    influence = np.random.default_rng(2).normal(size=(5, 4))
    members = [Drawn(one, shares, influence), Drawn(other, np.array([[1.0, -1.0]]))]
    first, second = resample_prompts(members, 8, np.random.default_rng(5))
    draws = prompt_indices(np.random.default_rng(5), 5, 8)
    assert first.variances is not None
    for replicate, rows in enumerate(draws):
        np.testing.assert_allclose(first.differences[replicate], plain_replicate(one, shares[replicate], rows))
        np.testing.assert_allclose(first.variances[replicate], influence[rows].var(axis=0), atol=1e-12)
        np.testing.assert_allclose(second.differences[replicate], plain_replicate(other, np.array([1.0, -1.0]), rows))


def test_draws_in_parts_are_the_draws_at_once() -> None:
    rng = np.random.default_rng(0)
    parts = np.concatenate([prompt_indices(rng, 9, 4), prompt_indices(rng, 9, 3)])
    np.testing.assert_array_equal(parts, prompt_indices(np.random.default_rng(0), 9, 7))
    assert parts.shape == (7, 9)
    assert set(np.unique(parts)) <= set(range(9))
    assert {0, 8} <= set(np.unique(prompt_indices(np.random.default_rng(0), 9, 99)))


def test_each_methods_runs_are_drawn_by_themselves() -> None:
    """Weights of three drawn runs of the method are thirds and sum to 1, those of two of the baseline to -1."""
    shares = run_shares(np.random.default_rng(0), Runs(3, 2), 50)
    assert shares.shape == (50, 5)
    np.testing.assert_allclose(shares[:, :3].sum(axis=1), 1.0)
    np.testing.assert_allclose(shares[:, 3:].sum(axis=1), -1.0)
    assert set(np.round(np.unique(shares[:, :3]) * 3).astype(int)) == {0, 1, 2, 3}
    assert set(np.round(np.unique(shares[:, 3:]) * 2).astype(int)) == {-2, -1, 0}
    rng = np.random.default_rng(0)
    drawn = prompt_indices(rng, 3, 50)
    np.testing.assert_allclose(shares[:, 1], (drawn == 1).mean(axis=1))


def test_pairs_of_runs_are_drawn_together() -> None:
    shares = run_shares(np.random.default_rng(0), Runs(3, 3, paired=True), 50)
    drawn = prompt_indices(np.random.default_rng(0), 3, 50)
    expected = np.stack([(drawn == run).mean(axis=1) for run in range(3)], axis=1)
    np.testing.assert_allclose(shares, np.concatenate([expected, -expected], axis=1))


def test_a_replicate_without_any_scored_prompt_has_no_difference() -> None:
    one = component(even=False)
    bare = one._replace(denominator=np.where(np.arange(5)[None, :, None] == 0, one.denominator, 0.0),
                        numerator=np.where(np.arange(5)[None, :, None] == 0, one.numerator, 0.0))  # fmt: skip
    (found,) = resample_prompts([Drawn(bare, np.array([[1.0, -1.0]]))], 40, np.random.default_rng(5))
    draws = prompt_indices(np.random.default_rng(5), 5, 40)
    np.testing.assert_array_equal(np.isnan(found.differences).all(axis=1), (draws != 0).all(axis=1))
    assert np.isnan(found.differences).any()


@pytest.mark.parametrize("frames", [2.0, 0.5])
def test_prompts_of_equally_many_frames_weigh_alike(frames: float) -> None:
    one = component(even=True)
    scaled = one._replace(numerator=frames * one.numerator, denominator=frames * one.denominator)
    shares = np.array([[1.0, -1.0]])
    plain, same = (resample_prompts([Drawn(part, shares)], 6, np.random.default_rng(5))[0] for part in (one, scaled))
    np.testing.assert_allclose(same.differences, plain.differences)


def test_a_component_that_nobody_scored_has_no_difference() -> None:
    one = component(even=True)
    bare = one._replace(numerator=0 * one.numerator, denominator=0 * one.denominator)
    (found,) = resample_prompts([Drawn(bare, np.array([[1.0, -1.0]]))], 6, np.random.default_rng(5))
    assert np.isnan(found.differences).all()


def test_a_quotient_without_a_positive_denominator_is_not_a_number() -> None:
    found = ratio(np.array([6.0, 6.0, 6.0, 6.0]), np.array([3.0, 0.5, 0.0, -0.5]))
    assert found[:2].tolist() == [2.0, 12.0]
    assert np.isnan(found[2:]).all()


def test_errors_of_replicates_add_the_variances_of_the_components_means() -> None:
    first, second = (
        Replicates(np.zeros((2, 1)), np.array(variances)) for variances in ([[8.0], [2.0]], [[5.0], [0.0]])
    )
    bare = Replicates(np.zeros((2, 1)))
    assert replicate_errors([first, second, bare], [4, 5, 9]) == pytest.approx(np.sqrt([[2 + 1], [0.5]]))
    assert replicate_errors([bare], [9]) is None
    below = Replicates(np.zeros((1, 1)), np.array([[-1e-18]]))  # rounding of a spread of nothing
    assert replicate_errors([below], [1]) == pytest.approx(np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("total", "size", "expected"),
    [(7, 3, [(0, 3), (3, 3), (6, 1)]), (6, 3, [(0, 3), (3, 3)]), (2, 5, [(0, 2)]), (0, 5, [])],
)
def test_parts_have_their_size_but_for_the_last(total: int, size: int, expected: list[tuple[int, int]]) -> None:
    assert list(chunks(total, size)) == expected
