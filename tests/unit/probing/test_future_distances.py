"""Distances of readouts among futures: by hand, by their definitions, and what they say of means and of samples."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.probing.future_distances import future_distances, pixel_spread, places_among
from probekit.probing.future_tests import arm_contrasts, future_tests, reliability_rows
from probekit.probing.world_calibration import FieldShares, field_shares, reliability
from probekit.reporting.future_table import arm_table, future_table
from probekit.sprite_world.captions import facts_of
from probekit.sprite_world.dynamics import simulate
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite


def test_two_futures_of_one_pixel_by_hand() -> None:
    found = future_distances(np.array([0.5]), np.array([[0.0], [1.0]]))
    assert found.readout_to_mean == 0.25  # M_-1 = 1, M_-2 = 0
    assert found.sample_to_mean == 1.0
    assert found.readout_to_sample == 0.25
    assert found.sample_to_sample == 1.0
    assert found.energy_of_readout == 2 * 0.5 - 1
    assert found.energy_of_sample == 1.0
    assert found.energy_of_mean == 0.0
    assert found.places.tolist() == [0.0, 0.75**2, 0.75**2]
    assert found.rank == 0


def test_distances_are_their_definitions() -> None:
    rng = np.random.default_rng(0)
    readout, futures = rng.random(7), rng.random((5, 7))
    found = future_distances(readout, futures)
    means = [np.delete(futures, i, axis=0).mean(axis=0) for i in range(5)]
    assert found.readout_to_mean == pytest.approx(np.mean([((readout - m) ** 2).mean() for m in means]))
    own = [((x - m) ** 2).mean() for x, m in zip(futures, means, strict=True)]
    assert found.sample_to_mean == pytest.approx(np.mean(own))
    pairs = [((futures[i] - futures[j]) ** 2).mean() for i in range(5) for j in range(5) if i != j]
    assert found.sample_to_sample == pytest.approx(np.mean(pairs))
    assert found.energy_of_sample == pytest.approx(np.mean(np.sqrt(pairs)))
    items = np.concatenate([readout[None], futures])
    others = [((x - np.delete(items, i, axis=0).mean(axis=0)) ** 2).mean() for i, x in enumerate(items)]
    assert places_among(items) == pytest.approx(others)
    assert found.rank == sum(one < others[0] for one in others[1:])


def test_a_future_as_near_as_the_readout_is_not_nearer() -> None:
    found = future_distances(np.array([1.0]), np.array([[0.0], [1.0]]))
    assert found.places.tolist() == [0.25, 1.0, 0.25]
    assert found.rank == 0


def test_the_spread_of_a_pixel_is_the_root_of_its_mean_variance_over_channels() -> None:
    futures = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 5, 3)).astype(np.uint8)
    found = pixel_spread(futures)
    assert found.shape == (2, 4, 5)
    levels = [[int(futures[future, 1, 3, 2, channel]) / 255 for future in range(3)] for channel in range(3)]
    variances = [sum((one - sum(each) / 3) ** 2 for one in each) / 2 for each in levels]
    assert found[1, 3, 2] == pytest.approx((sum(variances) / 3) ** 0.5)


def test_spread_by_hand() -> None:
    futures = np.zeros((2, 1, 1, 3), np.uint8)
    futures[1] = 255
    assert pixel_spread(futures)[0, 0] == pytest.approx(np.sqrt(0.5))
    with pytest.raises(UserError, match="no spread"):
        future_distances(np.zeros(2), np.zeros((1, 2)))


def rows(kind: str, prompts: int = 24, futures: int = 8) -> "list[dict[str, object]]":
    """States whose readout is the mean of the distribution, or one more draw of it."""
    rng = np.random.default_rng(3)
    found = []
    for prompt in range(prompts):
        centre = rng.random(30)
        draws = centre + 0.2 * rng.standard_normal((futures, 30))
        readout = centre if kind == "mean" else centre + 0.2 * rng.standard_normal(30)
        values = future_distances(readout, draws)._asdict()
        found.append(
            {"arm": kind, "prompt_id": f"p{prompt}", "horizon": 1, "futures": futures, **values, "world": None,
             "shares": None, "variation": None, "variation_by_chance": None}
        )  # fmt: skip
    return found


def test_a_readout_of_the_mean_is_told_from_one_of_a_sample() -> None:
    import pandas as pd

    values = pd.DataFrame([*rows("sample"), *rows("mean")])
    sample, mean = future_tests(values)
    assert mean.test.p_value is not None
    assert mean.test.p_value < 0.001
    assert mean.test.estimate.difference is not None
    assert mean.test.estimate.difference > 0
    assert mean.test.estimate.star
    assert sample.test.p_value is not None
    assert sample.test.p_value > 0.05
    assert not sample.test.estimate.star
    assert set(values[values.arm == "mean"]["rank"]) == {0}
    near, _ = arm_contrasts(values, "sample", "mean")
    assert near.estimate.difference is not None
    assert near.estimate.difference < 0
    page = future_table([sample, mean]).markdown()
    assert "nearer by" in page
    assert "readout to mean" in arm_table([near]).markdown()
    assert reliability_rows(values).empty


SCENE = Scene((Sprite("red", "circle", "small", "northwest", "east"),), "night", None, ("plain",))


def continuations(count: int, turned: bool = False) -> "tuple[np.ndarray, np.ndarray]":
    """The world's own futures of one state, one chunk ahead of frame 32: past (2, ...) and futures (F, 1, ...)."""
    rng = np.random.default_rng(0)
    straight = [one for seed in range(200) if (one := _position(seed))[32, 1] == 6 and one[32, 0] == 14]
    fork, past = straight[0], render(SCENE, straight[0][[28, 32], None])
    futures = []
    for _ in range(count):
        moved = fork[32].copy()
        direction = np.array([1.0, 0.0])
        for _ in range(12):
            moved = moved + 0.25 * direction
            if rng.random() < 1 / 160:
                angle = rng.integers(1, 8)
                direction = np.sign(np.round([np.cos(angle * np.pi / 4), np.sin(angle * np.pi / 4)], 6))
        futures.append(render(SCENE, (moved + ([0, 9] if turned else [0, 0])).astype(np.float32)[None, None]))
    return past, np.stack(futures)


def _position(seed: int) -> "np.ndarray":
    return simulate(SCENE, 33, np.random.default_rng(seed)).position[:, 0]


def test_the_worlds_own_futures_are_calibrated_and_others_are_not() -> None:
    facts = facts_of(SCENE)
    for turned in (False, True):
        past, futures = continuations(24, turned)
        (found,) = field_shares(past, futures, facts, [12], 4) or [None]
        assert found is not None
        assert found.world.sum() == pytest.approx(1)
        assert found.futures.sum() == pytest.approx(1)
        assert (found.total_variation < found.by_chance + 0.15) != turned
    two = facts._replace(sprites=(*facts.sprites, *facts.sprites))
    assert field_shares(past, futures, two, [12], 4) is None
    assert field_shares(past[::-1] * 0, futures, facts, [12], 4) is None


def test_reliability_by_hand() -> None:
    world, own = np.zeros(17), np.zeros(17)
    world[:2], own[:2] = [0.9, 0.1], [0.5, 0.5]
    shares = FieldShares(world, own, 10)
    assert shares.total_variation == pytest.approx(0.4)
    assert shares.by_chance < 0.2
    low, middle, high = reliability([shares], (0.0, 0.05, 0.5, 1.0))
    assert low[:3] == (0.0, 0.0, 15)
    assert middle[:3] == pytest.approx((0.1, 0.5, 1))
    assert high[:3] == pytest.approx((0.9, 0.5, 1))
