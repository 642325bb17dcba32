"""The posterior of a hidden sprite: against all paths, one by one, and against what happens in many episodes."""

import functools
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.factors import TRAINED_WORLD
from probekit.sprite_world.futures import certain, enumerate_futures, frames_ahead
from probekit.sprite_world.occlusions import occluded_episodes, seen_at
from probekit.sprite_world.placement import HIDDEN_SHARE
from probekit.sprite_world.posterior import posteriors
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import COLORS, DIRECTIONS, PILLAR_COLUMNS, SHAPES, SIZES, STARTS

STEPS = 4
ENDS = np.array([8, 20, 32, 44, 56, 68, 80])
PATHS = list(itertools.product(range(len(DIRECTIONS)), repeat=STEPS))


def scene_at(pillar_x: int, start: str = "center", heading: str = "east") -> Scene:
    return Scene((Sprite("red", "circle", "small", start, heading),), "night", pillar_x, ("plain",))


def path_of(turns: tuple[int, ...]) -> tuple[list[tuple[int, int]], int, float]:
    """Places in sixteenths of a pixel, last direction and probability; from the centre, heading east, by hand."""
    x, y, direction, probability = 256, 256, 0, 1.0
    places = [(x, y)]
    for turn in turns:
        x, y = x + 4 * DIRECTIONS[direction][0], y + 4 * DIRECTIONS[direction][1]
        places.append((x, y))
        direction = (direction + turn) % len(DIRECTIONS)
        probability *= TRAINED_WORLD.turn_hazard / 7 if turn else 1 - TRAINED_WORLD.turn_hazard
    return places, direction, probability


def frames_of(scene: Scene, places: list[tuple[int, int]]) -> NDArray[np.uint8]:
    return render(scene, np.array(places, np.float32)[:, None] / 16)


@pytest.mark.parametrize("pillar_x", [8, 10, 12])
@pytest.mark.parametrize("truth", [(0, 0, 0, 0), (2, 0, 0, 0), (0, 3, 0, 0), (4, 0, 4, 0)])
def test_the_posterior_is_what_all_paths_that_give_these_frames_say(pillar_x: int, truth: tuple[int, ...]) -> None:
    scene = scene_at(pillar_x)
    frames = frames_of(scene, path_of(truth)[0])

    @functools.cache
    def picture(place: tuple[int, int]) -> bytes:
        return frames_of(scene, [place]).tobytes()

    expected: dict[tuple[int, int, int], float] = {}
    for turns in PATHS:
        places, direction, probability = path_of(turns)
        if all(picture(place) == frame.tobytes() for place, frame in zip(places, frames, strict=True)):
            state = (*places[-1], direction)
            expected[state] = expected.get(state, 0.0) + probability
    total = sum(expected.values())
    *_, found = posteriors(scene, frames)
    states = zip(*(part.tolist() for part in found.states), strict=True)
    assert dict(zip(states, found.probability.tolist(), strict=True)) == pytest.approx(
        {state: probability / total for state, probability in expected.items()}, rel=1e-9
    )
    assert len(expected) > 100 or pillar_x != 10  # there nothing is seen, so nothing but time has passed


def test_what_is_hidden_for_long_is_spread_and_what_is_seen_is_known_but_for_a_turn() -> None:
    one = occluded_episodes("test", 0, 1, ENDS)[0]
    shares = one.episode.labels.visible_fraction[:, 0]
    for share, found in zip(shares, posteriors(one.episode.scene, one.episode.frames), strict=True):
        places = set(zip(found.states.x.tolist(), found.states.y.tolist(), strict=True))
        if share > 0.5:
            assert len(places) == 1
        assert found.probability.sum() == pytest.approx(1)


@pytest.mark.long
def test_events_happen_as_often_as_the_posterior_says() -> None:
    """Calibration: of every event of probability p, counted over episodes, a share p happens (within 4 deviations)."""
    said: dict[str, list[float]] = {"goes on straight": [], "stays within 2 px": []}
    came: dict[str, list[bool]] = {"goes on straight": [], "stays within 2 px": []}
    log_scores, entropies = [], []
    for one in occluded_episodes("train", 3, 25, ENDS):
        labels, scene = one.episode.labels, one.episode.scene
        chunk = int(np.flatnonzero(one.hidden)[0])  # the first: later ones would be chosen by what comes
        *_, present = posteriors(scene, one.episode.frames[: ENDS[chunk] + 1])
        after = int(ENDS[chunk + 1])
        future = frames_ahead(present, scene.sprites[0].radius, after - int(ENDS[chunk]))
        likely = int(np.bincount(future.states.direction, future.probability).argmax())
        said["goes on straight"].append(float(future.probability[future.states.direction == likely].sum()))
        signs = tuple(np.sign(labels.velocity[after, 0]).astype(int).tolist())
        direction = DIRECTIONS.index(signs)
        came["goes on straight"].append(direction == likely)
        place = labels.position[after, 0] * 16
        mean = future.mean_position() * 16
        near = np.hypot(future.states.x - mean[0], future.states.y - mean[1]) < 32
        said["stays within 2 px"].append(float(future.probability[near].sum()))
        came["stays within 2 px"].append(bool(np.hypot(*(place - mean)) < 32))
        own = (future.states.x == place[0]) & (future.states.y == place[1]) & (future.states.direction == direction)
        log_scores.append(-float(np.log(future.probability[own]).item()))
        entropies.append(future.probability)
    for event, probabilities in said.items():
        p = np.array(probabilities)
        assert abs(sum(came[event]) - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum()), event
    logs = [np.log(p) for p in entropies]
    mean = sum(float(-(p * log).sum()) for p, log in zip(entropies, logs, strict=True))
    spread = sum(float((p * log**2).sum() - (p * log).sum() ** 2) for p, log in zip(entropies, logs, strict=True))
    assert abs(sum(log_scores) - mean) < 4 * np.sqrt(spread)


def test_the_first_frame_says_identity_background_and_pillar() -> None:
    """So the best readout of what never changes is certain; here for every start that shows the sprite."""
    for start in ("west", "northeast"):
        place = np.array([[STARTS[start]]], np.float32)
        pictures = {
            render(Scene((Sprite(color, shape, size),), "stone", pillar, ("plain",)), place).tobytes()
            for color in COLORS for shape in SHAPES for size in SIZES for pillar in (None, *PILLAR_COLUMNS)
        }  # fmt: skip
        assert len(pictures) == len(COLORS) * len(SHAPES) * len(SIZES) * (1 + len(PILLAR_COLUMNS))


def test_occlusions_are_chosen_by_what_has_been() -> None:
    found = occluded_episodes("test", 0, 3, ENDS)
    for one in found:
        again = episode("test", 0, one.number)
        np.testing.assert_array_equal(one.episode.frames, again.frames)
        share = again.labels.visible_fraction[ENDS, 0]
        np.testing.assert_array_equal(one.hidden, share < HIDDEN_SHARE)
        assert (share[one.seen] > 0.45).all()
        assert (share[~one.seen] < 0.55).all()
        assert one.hidden[:-1].any()
        np.testing.assert_array_equal(seen_at(one.episode.scene, again.labels.position[ENDS, 0]), one.seen)
    shorter = occluded_episodes("test", 0, 3, ENDS[:5])
    for one in shorter:
        full = episode("test", 0, one.number).labels.visible_fraction[ENDS, 0]
        assert (full[:4] < HIDDEN_SHARE).any()


def test_what_the_world_cannot_give_is_refused() -> None:
    frames = frames_of(scene_at(8), path_of((0, 0, 0, 0))[0])
    with pytest.raises(UserError, match="Frame 2 is not one"):
        list(posteriors(scene_at(8), np.concatenate([frames[:2], 255 - frames[2:]])))
    two = scene_at(8)._replace(sprites=(Sprite("red", "circle", "small"), Sprite("blue", "circle", "small")))
    with pytest.raises(UserError, match="two sprites"):
        list(posteriors(two, frames))


def test_an_uncertain_present_is_the_mixture_of_its_states() -> None:
    """One frame of certain states, weighed, is the next frame of their distribution."""
    first = MotionState(np.asarray(256), np.asarray(256), np.asarray(0))
    present = enumerate_futures(first, 4.0, 3)
    mixed: dict[tuple[int, int, int], float] = {}
    for x, y, direction, weight in zip(*present.states, present.probability, strict=True):
        one = frames_ahead(certain(MotionState(np.asarray(x), np.asarray(y), np.asarray(direction))), 4.0, 2)
        for *state, probability in zip(*one.states, one.probability, strict=True):
            key = (int(state[0]), int(state[1]), int(state[2]))
            mixed[key] = mixed.get(key, 0.0) + float(weight * probability)
    found = frames_ahead(present, 4.0, 2)
    states = zip(*(part.tolist() for part in found.states), strict=True)
    assert dict(zip(states, found.probability.tolist(), strict=True)) == pytest.approx(mixed, rel=1e-9)
