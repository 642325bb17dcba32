"""The bootstrap in two levels against a loop that draws prompts and samples one by one."""

import numpy as np
import pytest
from scipy import stats

from probekit.seeding import generator
from probekit.statistics.paired_units import PairedSamples, split_by_shared_prompts
from probekit.statistics.seed_resampling import resample_prompts_and_seeds
from tests.helpers.paired_scores import Floats, prompts


def scores(seed: int, samples: int, missing: float, dimensions: int = 2, count: int = 8) -> Floats:
    """(2, P, K, S) with parts shared by the methods and by dimensions."""
    rng = generator("two levels", seed)
    values = rng.normal(size=(1, count, 1, 1)) + rng.normal(size=(2, count, dimensions, samples))
    values[rng.random(values.shape) < missing] = np.nan
    values[..., 0] = np.nan_to_num(values[..., 0], nan=0.5)  # a score of every prompt in each method
    return values


def plain_loop(values: Floats, replicates: int) -> Floats:
    """Differences (R, K): draw prompts; in each, draw as many of its samples as it has."""
    rng = np.random.default_rng(11)
    count, dimensions = values.shape[1:3]
    found = np.empty((replicates, dimensions))
    for replicate in range(replicates):
        sums, counts = np.zeros(dimensions), np.zeros(dimensions)
        for prompt in rng.integers(0, count, count):
            there = np.flatnonzero(np.isfinite(values[:, prompt]).any(axis=(0, 1)))
            drawn = values[:, prompt][:, :, there[rng.integers(0, len(there), len(there))]]
            for k in range(dimensions):
                scored = [one[np.isfinite(one)] for one in drawn[:, k]]
                if all(len(one) for one in scored):
                    sums[k] += scored[0].mean() - scored[1].mean()
                    counts[k] += 1
        found[replicate] = sums / counts
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("samples", "missing"), [(1, 0.0), (2, 0.0), (5, 0.0), (5, 0.3), (7, 0.0), (7, 0.3), (25, 0.0)],
)  # fmt: skip
def test_replicates_are_distributed_as_those_of_a_plain_loop(samples: int, missing: float) -> None:
    values = scores(samples, samples, missing)
    pairs = {f"d{k}": PairedSamples(prompts(8), values[:, :, k]) for k in range(2)}
    (component,) = split_by_shared_prompts(pairs)
    ours = resample_prompts_and_seeds(component, 6000, generator("ours")).differences
    loop = plain_loop(values, 1500)
    for k in range(2):
        assert stats.ks_2samp(ours[:, k], loop[:, k]).pvalue > 0.005
    assert np.corrcoef(ours.T)[0, 1] == pytest.approx(np.corrcoef(loop.T)[0, 1], abs=0.08)


@pytest.mark.slow
def test_a_prompt_with_other_samples_than_the_rest_keeps_its_own() -> None:
    """Prompts of five, two and one samples in one component, and a dimension that one prompt lacks."""
    values = scores(3, 5, 0.0, count=9)
    values[:, :3, :, 2:] = np.nan
    values[:, 3:5, :, 1:] = np.nan
    values[:, 8, 1] = np.nan
    pairs = {"d0": PairedSamples(prompts(9), values[:, :, 0]), "d1": PairedSamples(prompts(8), values[:, :8, 1])}
    (component,) = split_by_shared_prompts(pairs)
    ours = resample_prompts_and_seeds(component, 6000, generator("ours")).differences
    loop = plain_loop(values, 1500)
    for k in range(2):
        assert stats.ks_2samp(ours[:, k], loop[:, k]).pvalue > 0.005


def test_both_methods_draw_the_same_samples() -> None:
    values = scores(4, 5, 0.0)
    values[0] = values[1] + 0.125
    (component,) = split_by_shared_prompts({"d": PairedSamples(prompts(8), values[:, :, 0])})
    found = resample_prompts_and_seeds(component, 50, generator("ours")).differences
    np.testing.assert_allclose(found, 0.125, atol=1e-12)
