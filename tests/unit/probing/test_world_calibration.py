"""Futures against the world by hand: the state at the fork, classes of places, chance, and ranges of probability."""

import numpy as np
import pytest

from probekit.probing.world_calibration import CLASSES, FieldShares, _field, field_shares, fork_state, reliability
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of
from probekit.sprite_world.dynamics import visible_fractions
from probekit.sprite_world.futures import enumerate_futures
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.tracker import SpriteTrack, track_video
from probekit.sprite_world.vocabulary import DIRECTIONS

HIDDEN = 16


def track(x: list[float], y: list[float], size: int = 0, visible: tuple[bool, ...] = (True, True)) -> SpriteTrack:
    """A track whose first frame shows another size than the second, which counts."""
    flags, ones = np.array(visible), np.ones(len(x), np.float32)
    sizes = np.array([1 - size, size, *[0] * (len(x) - 2)])
    return SpriteTrack(
        "red",
        flags,
        np.zeros(len(x), np.int64),
        sizes,
        np.ones(len(x), np.int64),
        np.array(x, np.float32),
        np.array(y, np.float32),
        ones,
        ones,
        ones,
    )


@pytest.mark.parametrize("direction", range(8))
@pytest.mark.parametrize("off", [0.0, 0.3])
def test_the_state_at_the_fork_heads_where_the_last_step_went(direction: int, off: float) -> None:
    """Four frames at a quarter of a pixel each; a measurement may be off by less than three quarters of a pixel."""
    dx, dy = DIRECTIONS[direction]
    found = fork_state(track([16.0, 16.0 + dx + off], [15.0, 15.0 + dy]), 4)
    assert found is not None
    assert (int(found.x), int(found.y)) == (round((16 + dx + off) * 16), (15 + dy) * 16)
    assert int(found.direction) == direction
    assert found.x.shape == ()


@pytest.mark.parametrize(("off", "read"), [(0.74, True), (0.76, True), (0.80, False)])
def test_a_step_unlike_the_worlds_is_not_read(off: float, read: bool) -> None:
    """Places are on a lattice of 1/16 pixel: 0.74 and 0.76 are both 12/16, which is the limit itself."""
    assert (fork_state(track([16.0, 17.0 + off], [16.0, 16.0]), 4) is None) != read
    assert fork_state(track([16.0, 16.0], [16.0, 16.0]), 4) is None


@pytest.mark.parametrize("visible", [(False, True, True), (True, False, True)])
def test_a_sprite_that_is_hidden_at_the_fork_is_not_read(visible: tuple[bool, ...]) -> None:
    one = track([16.0, 17.0, 18.0], [16.0, 16.0, 16.0], visible=visible)
    assert fork_state(one, 4) is None
    assert fork_state(one._replace(visible=np.array([True, True, False])), 4) is not None


@pytest.mark.parametrize(("size", "wall"), [(0, 5.0), (1, 5.9375)])
def test_a_sprite_that_met_the_wall_heads_back(size: int, wall: float) -> None:
    """Half a pixel before the wall of its radius, on the lattice, it turns after half of four frames."""
    found = fork_state(track([wall + 0.5, wall + 0.5], [16.0, 16.0], size), 4)
    assert found is not None
    assert DIRECTIONS[int(found.direction)] == (1, 0)
    assert fork_state(track([16.0, 17.5], [16.0, 16.0], size), 6) is not None
    assert fork_state(track([16.0, 17.5], [16.0, 16.0], size), 1) is None


SCENE = Scene((Sprite("red", "circle", "small", "east", "west"),), "night", 8, ("plain",))
"""The pillar covers columns 8 to 20; the sprite comes from its right."""
PAST = [(21.0, 18.0), (20.0, 18.0)]
AHEAD = [4, 24]
FUTURES = [
    [(19.0, 18.0), (14.0, 18.0)],  # straight on, then hidden
    [(19.0, 18.0), (14.0, 18.0)],
    [(19.0, 18.0), (22.0, 26.0)],  # turned to the south
    [(20.0, 19.0), (27.0, 21.0)],
]


def shown(places: list[tuple[float, float]]) -> np.ndarray:
    return render(SCENE, np.array(places, np.float32)[:, None])


def plain_field(x: float, y: float) -> int:
    return 4 * min(int(y / 8), 3) + min(int(x / 8), 3)


def test_futures_are_counted_by_field_and_hidden_ones_apart_and_so_is_the_world() -> None:
    past, futures = shown(PAST), np.stack([shown(places) for places in FUTURES])
    found = field_shares(past, futures, facts_of(SCENE), AHEAD, 4)
    assert found is not None
    first, second = found
    assert {place: share for place, share in enumerate(first.futures) if share} == {10: 1.0}
    assert {place: share for place, share in enumerate(second.futures) if share} == {
        HIDDEN: 0.5, plain_field(22, 26): 0.25, plain_field(27, 21): 0.25,
    }  # fmt: skip
    assert [one.draws for one in found] == [4, 4]
    (tracked,) = track_video(np.concatenate([past, futures.reshape(-1, 32, 32, 3)])).tracks
    state = fork_state(tracked, 4)
    assert state is not None
    for one, frames in zip(found, AHEAD, strict=True):
        future = enumerate_futures(state, 5.0, frames)
        x, y = future.states.x / 16, future.states.y / 16
        seen = visible_fractions(SCENE, np.stack([x, y], axis=1)[:, None])[:, 0]
        expected = np.zeros(CLASSES)
        for place in range(len(x)):
            expected[HIDDEN if seen[place] < 0.05 else plain_field(x[place], y[place])] += future.probability[place]
        np.testing.assert_allclose(one.world, expected, atol=1e-12)
    assert second.world[HIDDEN] > 0.7


def test_scenes_of_two_sprites_and_empty_ones_say_nothing() -> None:
    past, futures = shown(PAST), np.stack([shown(places) for places in FUTURES])
    facts = facts_of(SCENE)
    assert field_shares(past, futures, facts._replace(sprites=facts.sprites * 2), AHEAD, 4) is None
    assert field_shares(past, futures, facts._replace(sprites=()), AHEAD, 4) is None
    empty = shown([(14.0, 18.0)] * 2)  # behind the pillar
    assert field_shares(empty, np.stack([empty] * 3), facts, AHEAD, 4) is None
    assert field_shares(past[[0, 0]], futures, facts, AHEAD, 4) is None  # it did not move


def shares(world: list[float], own: list[float], draws: int = 10) -> FieldShares:
    return FieldShares(np.array(world), np.array(own), draws)


def test_total_variation_is_half_the_absolute_difference() -> None:
    assert shares([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]).total_variation == pytest.approx(0.25)
    assert shares([1.0, 0.0], [0.0, 1.0]).total_variation == 1.0


@pytest.mark.parametrize("draws", [3, 10])
def test_chance_is_the_mean_variation_of_four_hundred_draws_of_the_world(draws: int) -> None:
    world = np.array([0.5, 0.3, 0.2])
    rng = generator("world-calibration", draws)
    each = []
    for _ in range(400):
        counts = rng.multinomial(draws, world)
        each.append(sum(abs(count / draws - p) for count, p in zip(counts, world, strict=True)) / 2)
    assert shares(world.tolist(), [1.0, 0.0, 0.0], draws).by_chance == pytest.approx(np.mean(each))
    off = world * (1 + 1e-7)  # sums of probabilities are 1 to rounding only
    assert shares(off.tolist(), [1.0, 0.0, 0.0], draws).by_chance == pytest.approx(np.mean(each), abs=1e-6)


def test_ranges_hold_their_lower_end_and_the_last_one_1_too() -> None:
    given = [shares([0.0, 0.2, 0.8], [0.1, 0.1, 0.8]), shares([0.0, 0.0, 1.0], [0.0, 0.4, 0.6])]
    found = reliability(given, (0.0, 0.2, 0.5, 0.8, 1.0))
    assert [one[:3] for one in found] == [
        (0.0, pytest.approx(0.5 / 3), 3),
        (0.2, pytest.approx(0.1), 1),
        (pytest.approx(0.9), pytest.approx(0.7), 2),
    ]
    # In the first range lie one place of the first state and two of the other: 1.5 on average, 0.1 and 0.4 of futures.
    third = 0.5 / 3
    assert found[0].by_state.tolist() == pytest.approx([third + (0.1 - third) / 1.5, third + (0.4 - 2 * third) / 1.5])
    assert all(one.by_state.mean() == pytest.approx(one.futures) for one in found)


def test_the_frame_has_four_by_four_fields_of_eight_pixels_row_by_row() -> None:
    x, y = np.array([0.0, 7.9, 8.0, 31.9, 32.0, 3.0]), np.array([0.0, 3.0, 3.0, 31.9, 0.0, 24.0])
    assert _field(x, y).tolist() == [0, 0, 1, 15, 3, 12]
