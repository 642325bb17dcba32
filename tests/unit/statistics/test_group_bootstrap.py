"""The bootstrap with any resampling and interval: exact cases, agreement with scipy, properties, and calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.group_bootstrap import dimension_generators, group_bootstrap, is_scored
from probekit.statistics.paired_units import PairedSamples, split_by_shared_prompts
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS, DimensionConstant

ONE = (DimensionConstant("subject_consistency", "quality", 0.0, 1.0, 1.0, "test"),)
SMALL = BootstrapSettings(replicates=400)


def prompts(count: int, prefix: str = "p") -> tuple[str, ...]:
    return tuple(f"{prefix}{index:03d}" for index in range(count))


def one_pair(differences: np.ndarray) -> dict[str, PairedSamples]:
    """Method minus baseline equal to the given (P, S) differences."""
    values = np.stack([0.5 + differences, np.full_like(differences, 0.5)])
    return {"subject_consistency": PairedSamples(prompts(len(differences)), values)}


def only(pairs: dict[str, PairedSamples], **changes: object) -> DifferenceEstimate:
    chosen = SMALL.model_copy(update=changes)
    return group_bootstrap(pairs, ONE, chosen, rng=generator("test")).dimensions[0]


def suite_pairs(seed: int, count: int = 30, samples: int = 3, correlation: float = 0.0) -> dict[str, PairedSamples]:
    """All sprite dimensions on the same prompts, correlated through a common part."""
    rng = generator("suite", seed)
    common = rng.normal(size=(2, count, samples))
    pairs = {}
    for constant in SPRITE_CONSTANTS:
        own = rng.normal(size=common.shape)
        mixed = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        pairs[constant.dimension] = PairedSamples(prompts(count), 0.5 + 0.1 * mixed)
    return pairs


def test_dimensions_that_share_prompts_form_one_component() -> None:
    pairs = {
        name: PairedSamples(ids, np.ones((2, len(ids), 1)))
        for name, ids in {"a": prompts(3), "b": prompts(4)[2:], "c": prompts(2, "q"), "d": prompts(4)[3:]}.items()
    }
    found = [component.dimensions for component in split_by_shared_prompts(pairs)]
    assert [set(one) for one in found] == [{"a", "b", "d"}, {"c"}]


@pytest.mark.parametrize("resampling", ["paper", "joint"])
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_standard_errors_agree_with_the_closed_form(resampling: str, correlation: float) -> None:
    pairs = suite_pairs(1, correlation=correlation)
    chosen = BootstrapSettings.model_validate({"resampling": resampling, "replicates": 6000})
    result = group_bootstrap(pairs, SPRITE_CONSTANTS, chosen, rng=generator("test"))
    for estimate in result.estimates():
        assert estimate.standard_error == pytest.approx(estimate.closed_form_error, rel=0.05), estimate.name


def test_joint_resampling_sees_the_covariance_that_the_paper_leaves_out() -> None:
    pairs = suite_pairs(2, count=60, correlation=0.8)
    errors = {}
    for resampling in ("paper", "joint"):
        chosen = BootstrapSettings.model_validate({"resampling": resampling, "replicates": 2000})
        total = group_bootstrap(pairs, SPRITE_CONSTANTS, chosen, rng=generator("test")).total
        assert total is not None
        assert total.standard_error is not None
        errors[resampling] = total.standard_error
    assert errors["joint"] > 1.4 * errors["paper"]


@pytest.mark.parametrize(("interval", "theirs"), [("percentile", "percentile"), ("basic", "basic"), ("bca", "BCa")])
def test_intervals_agree_with_scipy(interval: str, theirs: str) -> None:
    differences = generator("skewed").exponential(size=(60, 1)) - 0.8
    ours = only(one_pair(differences), interval=interval, replicates=20_000)
    expected = stats.bootstrap(
        (differences[:, 0],), np.mean, n_resamples=20_000, method=theirs, rng=np.random.default_rng(0)
    )
    assert ours.low == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(expected.confidence_interval.high, abs=0.02)
    assert ours.standard_error == pytest.approx(expected.standard_error, rel=0.03)


def test_the_studentised_interval_is_near_the_t_interval_for_normal_differences() -> None:
    differences = generator("normal").normal(0.1, 0.2, size=(60, 1))
    ours = only(one_pair(differences), interval="studentised", replicates=20_000)
    expected = stats.ttest_1samp(differences[:, 0], 0).confidence_interval()
    assert ours.low == pytest.approx(expected.low, abs=0.005)
    assert ours.high == pytest.approx(expected.high, abs=0.005)


def test_two_levels_add_the_spread_of_seeds() -> None:
    rng = generator("seeds")
    noisy = rng.normal(size=(40, 1)) * 0.01 + rng.normal(size=(40, 5)) * 0.5
    nested, flat = only(one_pair(noisy), resampling="two-level"), only(one_pair(noisy), resampling="joint")
    assert nested.standard_error is not None
    assert flat.standard_error is not None
    assert nested.standard_error > 1.2 * flat.standard_error
    assert nested.difference == pytest.approx(flat.difference)
    with pytest.raises(UserError, match="studentised"):
        only(one_pair(noisy), resampling="two-level", interval="studentised")


def test_pooling_weighs_videos_and_not_prompts() -> None:
    values = np.array([[[1.0, 1.0], [0.0, np.nan]] * 5, [[0.5, 0.5], [0.5, 0.5]] * 5])
    pairs = {"subject_consistency": PairedSamples(prompts(10), values)}
    assert only(pairs).a == pytest.approx(0.5)
    found = only(pairs, weighting="video-mean")
    assert found.a == pytest.approx(10 / 15)
    assert found.standard_error is not None
    assert found.standard_error > 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), resampling=st.sampled_from(["paper", "joint", "two-level"]))
def test_swapping_shifting_and_duplicating(seed: int, resampling: str) -> None:
    pairs = suite_pairs(seed, count=8, samples=2)
    chosen = BootstrapSettings.model_validate({"resampling": resampling, "replicates": 50})

    def run(changed: dict[str, PairedSamples]) -> list[DifferenceEstimate]:
        return list(group_bootstrap(changed, SPRITE_CONSTANTS, chosen, rng=generator("test")).estimates())

    plain = run(pairs)
    swapped = run({name: pair._replace(values=pair.values[::-1]) for name, pair in pairs.items()})
    moved = run({name: pair._replace(values=pair.values + 0.25) for name, pair in pairs.items()})
    copied = run({name: pair._replace(values=pair.values[[0, 0]]) for name, pair in pairs.items()})
    order = np.random.default_rng(seed).permutation(8)
    mixed = run(
        {
            name: PairedSamples(tuple(pair.prompt_ids[i] for i in order), pair.values[:, order])
            for name, pair in pairs.items()
        }
    )
    for one, other, shifted, twin, shuffled in zip(plain, swapped, moved, copied, mixed, strict=True):
        assert (other.difference, other.low) == pytest.approx((-one.difference, -one.high), abs=1e-9)
        assert (shifted.difference, shifted.high) == pytest.approx((one.difference, one.high), abs=1e-9)
        assert (twin.difference, twin.standard_error, twin.star) == (0.0, 0.0, False)
        assert (shuffled.low, shuffled.high) == pytest.approx((one.low, one.high), abs=1e-12)


def as_videos(pair: PairedSamples) -> PairedSamples:
    """The naive view: every video is a prompt of its own."""
    ids = tuple(f"{prompt}-{s}" for prompt in pair.prompt_ids for s in range(pair.values.shape[-1]))
    return PairedSamples(ids, pair.values.reshape(2, -1, 1))


def coverage(
    resampling: str, effect: float, simulations: int, count: int = 72, samples: int = 5, naive: bool = False
) -> float:
    """Share of simulated studies whose interval of SpriteTotal covers the truth."""
    rng, hits = generator("coverage", resampling, str(effect)), 0
    chosen = BootstrapSettings.model_validate({"resampling": resampling, "replicates": 400})
    slope = 0.0
    for constant in SPRITE_CONSTANTS:
        members = [other for other in SPRITE_CONSTANTS if other.group == constant.group]
        share = 0.8 if constant.group == "quality" else 0.2
        weights = sum(m.weight for m in members)
        slope += 100 * share * constant.weight / weights / (constant.high - constant.low)
    for simulation in range(simulations):
        prompt_part = rng.normal(size=(len(SPRITE_CONSTANTS), count, 1)) + rng.normal(size=(1, count, 1))
        sample_part = rng.normal(size=(len(SPRITE_CONSTANTS), count, samples))
        differences = effect + 0.05 * prompt_part + 0.1 * sample_part
        pairs = {
            constant.dimension: PairedSamples(prompts(count), np.stack([0.5 + d, np.full_like(d, 0.5)]))
            for constant, d in zip(SPRITE_CONSTANTS, differences, strict=True)
        }
        if naive:
            pairs = {name: as_videos(pair) for name, pair in pairs.items()}
        total = group_bootstrap(pairs, SPRITE_CONSTANTS, chosen, rng=generator("run", simulation)).total
        assert total is not None
        assert total.low is not None
        assert total.high is not None
        hits += total.low <= slope * effect <= total.high
    return hits / simulations


@pytest.mark.long
@pytest.mark.parametrize("effect", [0.0, 0.02])
def test_the_joint_interval_covers_and_the_papers_does_not_when_dimensions_move_together(effect: float) -> None:
    """A small study of what `benchmarks/calibration.py` does at full size."""
    joint, paper = (coverage(resampling, effect, 150) for resampling in ("joint", "paper"))
    assert 0.87 <= joint <= 0.985
    assert paper < 0.85


@pytest.mark.slow
def test_resampling_videos_as_if_they_were_prompts_covers_too_little() -> None:
    assert coverage("joint", 0.0, 150, naive=True) < 0.85


def test_vbench_has_eleven_components_where_prompts_are_shared_as_there() -> None:
    groups = {
        "A": ("subject_consistency", "motion_smoothness", "dynamic_degree"),
        "B": ("overall_consistency", "aesthetic_quality", "imaging_quality"),
        "C": ("background_consistency", "scene"),
    }
    owner = {name: group for group, names in groups.items() for name in names}
    pairs = {
        constant.dimension: PairedSamples(
            prompts(6, owner.get(constant.dimension, constant.dimension)), np.ones((2, 6, 1))
        )
        for constant in VBENCH_CONSTANTS
    }
    assert len(split_by_shared_prompts(pairs)) == 11


def test_prompts_behind_a_composite_are_those_of_its_smallest_dimension() -> None:
    constants = (*ONE, ONE[0]._replace(dimension="color", group="semantic"))
    rng = generator("counts")
    pairs = {
        name: PairedSamples(prompts(count, name), rng.random((2, count, 1)))
        for name, count in (("subject_consistency", 9), ("color", 6))
    }
    pairs["color"].values[0, 5] = np.nan  # no score of the method
    found = group_bootstrap(pairs, constants, BootstrapSettings(replicates=5), rng=rng)
    counts = {estimate.name: estimate.n_prompts for estimate in found.estimates()}
    assert counts == {"subject_consistency": 9, "color": 5, "quality": 9, "semantic": 5, "total": 5}


@pytest.mark.parametrize(
    ("scores", "by_prompt", "by_video"),
    [
        ([[1, np.nan, 1], [np.nan, 1, 1]], True, True),
        ([[1, np.nan], [np.nan, 1]], False, True),
        ([[1, 1], [np.nan, np.nan]], False, False),
    ],
)
def test_a_dimension_is_scored_where_a_prompt_has_all_scores_or_videos_weigh_alike_and_all_series_have_any(
    scores: list[list[float]], by_prompt: bool, by_video: bool
) -> None:
    pair = PairedSamples(prompts(len(scores[0])), np.array(scores, float)[..., None])
    assert (is_scored(pair, "prompt-mean"), is_scored(pair, "video-mean")) == (by_prompt, by_video)


def test_dimensions_that_share_prompts_are_drawn_with_the_key_of_the_first() -> None:
    """So the first one's numbers are those that it has alone, and the other one's are not."""
    constants = (*ONE, ONE[0]._replace(dimension="color", group="semantic"))
    rng = generator("keys")
    pairs = {constant.dimension: PairedSamples(prompts(9), rng.random((2, 9, 1))) for constant in constants}
    both = group_bootstrap(pairs, constants, SMALL.model_copy(update={"resampling": "joint"}), rng=generator("k"))
    alone = group_bootstrap(pairs, constants, SMALL, rng=generator("k"))
    errors = [[estimate.standard_error for estimate in found.dimensions] for found in (both, alone)]
    assert errors[0][0] == pytest.approx(errors[1][0], rel=1e-9)
    assert errors[0][1] != pytest.approx(errors[1][1], rel=1e-9)


def test_two_levels_draw_with_the_key_of_the_first_dimension_too() -> None:
    pairs = suite_pairs(3, count=60)
    first = SPRITE_CONSTANTS[0].dimension
    together, alone = (
        group_bootstrap(
            given, SPRITE_CONSTANTS, SMALL.model_copy(update={"resampling": "two-level"}), rng=generator("test")
        ).dimensions[0]
        for given in (pairs, {first: pairs[first]})
    )
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), rel=1e-12)


def test_dimensions_are_in_their_own_unit_and_composites_in_percent() -> None:
    found = group_bootstrap(suite_pairs(4), SPRITE_CONSTANTS, SMALL, rng=generator("test"))
    assert {one.unit for one in found.dimensions} == {"raw"}
    assert {one and one.unit for one in (found.quality, found.semantic, found.total)} == {"percent"}


def test_every_dimension_has_a_generator_of_its_own() -> None:
    for seed in range(20):
        drawn = [own.random() for own in dimension_generators(generator("keys", seed), VBENCH_CONSTANTS).values()]
        assert len(set(drawn)) == len(drawn)
