"""The bootstrap in two levels against a loop that draws prompts and samples one by one."""

import itertools
import math
from collections import Counter

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


Outcome = tuple[float, ...]


def every_outcome(values: Floats) -> dict[Outcome, float]:
    """Probability of each difference (K,): all draws of prompts, and of as many samples as each of them has."""
    count, dimensions = values.shape[1:3]
    there = [np.flatnonzero(np.isfinite(values[:, prompt]).any(axis=(0, 1))) for prompt in range(count)]
    chances: dict[Outcome, float] = {}
    for prompts_drawn in itertools.product(range(count), repeat=count):
        own = [there[prompt] for prompt in prompts_drawn]
        chance = 1 / count**count / math.prod(len(one) ** len(one) for one in own)
        for samples in itertools.product(*(itertools.product(one, repeat=len(one)) for one in own)):
            found = tuple(difference(values[:, :, k], prompts_drawn, samples) for k in range(dimensions))
            chances[found] = chances.get(found, 0.0) + chance
    return chances


def difference(values: Floats, prompts_drawn: tuple[int, ...], samples: tuple[tuple[int, ...], ...]) -> float:
    """Mean over drawn prompts of the methods' difference, each the mean of its drawn scores (2, P, S)."""
    found = []
    for prompt, own in zip(prompts_drawn, samples, strict=True):
        scored = [one[np.isfinite(one)] for one in values[:, prompt][:, list(own)]]
        if all(len(one) for one in scored):
            found.append(scored[0].mean() - scored[1].mean())
    return round(float(np.mean(found)), 9) if found else math.inf


def holed(count: int, samples: int, *holes: tuple[slice | int, ...]) -> Floats:
    """Random scores (2, P, K = 2, S), missing in the holes."""
    values = generator("outcomes").normal(size=(2, count, 2, samples))
    for hole in holes:
        values[hole] = np.nan
    return values


EVERY = slice(None)


@pytest.mark.parametrize("most", [8192, 4, 2])
@pytest.mark.parametrize(
    "values",
    [
        holed(3, 2),
        holed(3, 2, (EVERY, 0, EVERY, 1)),  # prompts of one sample and of two
        holed(2, 3, (EVERY, 1, EVERY, 2)),  # three samples and two
        holed(3, 2, (0, 1, 0, 0), (1, 2, 1, 1)),  # a score of one method and dimension
        holed(3, 2, (EVERY, 2, 1)),  # a dimension that one prompt lacks
        holed(2, 3, (1, 0, 1, 2), (EVERY, 1, EVERY, 0)),
    ],
    ids=["whole", "one and two", "three and two", "holes", "a dimension less", "all of it"],
)
def test_every_draw_comes_as_often_as_it_should(values: Floats, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under each way to draw: all samples of a prompt at once, in parts, or one by one; in several chunks."""
    monkeypatch.setattr("probekit.statistics.seed_resampling.MOST_PATTERNS", most)
    monkeypatch.setattr("probekit.statistics.resampling.CHUNK_ELEMENTS", 9000)
    pairs = {f"d{k}": PairedSamples(prompts(values.shape[1]), values[:, :, k]) for k in range(2)}
    (component,) = split_by_shared_prompts(pairs)
    count = 8000
    drawn = resample_prompts_and_seeds(component, count, generator("ours")).differences
    found = Counter(tuple(math.inf if math.isnan(x) else round(float(x), 9) for x in row) for row in drawn)
    expected = every_outcome(values)
    assert set(found) <= set(expected)
    for outcome, chance in expected.items():
        assert abs(found[outcome] / count - chance) < 5 * math.sqrt(chance / count) + 4 / count


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
