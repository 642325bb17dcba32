"""Whether a generator's futures are as likely as the world's: where the sprite is, against the exact distribution.

The state at the fork is read by the tracker from the last two latent frames of the shared past. From it the world's
distribution is enumerated. Both are counted in the 16 fields of the frame, and a 17th class: hidden by the pillar.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.seeding import generator
from probekit.sprite_world.captions import CaptionFacts
from probekit.sprite_world.dynamics import MotionState, advance, visible_fractions
from probekit.sprite_world.futures import enumerate_futures
from probekit.sprite_world.placement import HIDDEN_SHARE
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.tracker import SpriteTrack, TrackedVideo, track_video
from probekit.sprite_world.vocabulary import DIRECTIONS, FRAME_SIZE, SHAPES, SIZES, TONES, UNITS_PER_PIXEL

FIELDS: Final = 4
CLASSES: Final = FIELDS**2 + 1
_HIDDEN: Final = FIELDS**2
_NEAR: Final = 0.75
"""Pixels by which the last step may differ from one of the world's; a step is one pixel along an axis."""
_DRAWS: Final = 400

Floats = NDArray[np.float64]


class FieldShares(NamedTuple):
    """Classes of places at one horizon.

    Attributes:
        world: (17,) exact probabilities.
        futures: (17,) shares of the generator's continuations.
        draws: continuations.
    """

    world: Floats
    futures: Floats
    draws: int

    @property
    def total_variation(self) -> float:
        """Half the absolute difference, in [0, 1]."""
        return 0.5 * float(np.abs(self.world - self.futures).sum())

    @property
    def by_chance(self) -> float:
        """What as many draws of the world itself are expected to have, by simulation."""
        rng = generator("world-calibration", self.draws)
        drawn = rng.multinomial(self.draws, self.world / self.world.sum(), size=_DRAWS) / self.draws
        return 0.5 * float(np.abs(drawn - self.world).sum(axis=1).mean())


def field_shares(
    past: NDArray[np.uint8], futures: NDArray[np.uint8], facts: CaptionFacts, frames_ahead: Sequence[int], step: int
) -> list[FieldShares] | None:
    """Shares at each horizon; None where the state at the fork cannot be read.

    Args:
        past: (2, 32, 32, 3) the last two latent frames of the shared past.
        futures: (F, K, 32, 32, 3) one frame per continuation and horizon.
        facts: what the caption states; scenes of two sprites are left out, since either could be meant.
        frames_ahead: RGB frames from the fork to each horizon.
        step: RGB frames between two latent frames.
    """
    if len(facts.sprites) != 1:
        return None
    count, horizons = futures.shape[:2]
    tracked = track_video(np.concatenate([past, futures.reshape(-1, *futures.shape[2:])]))
    track = max(tracked.tracks, key=lambda one: int(one.visible.sum()), default=None)
    if track is None:
        return None
    present = fork_state(track, step)
    if present is None:
        return None
    classes = _seen_classes(track)[len(past) :].reshape(count, horizons)
    scene = _scene(track, tracked, facts)
    return [
        FieldShares(
            _world_classes(scene, present, ahead), np.bincount(classes[:, index], minlength=CLASSES) / count, count
        )
        for index, ahead in enumerate(frames_ahead)
    ]


def fork_state(track: SpriteTrack, step: int) -> MotionState | None:
    """State in the second frame of a track by its first two; None where it is not in view or moves unlike the world.

    Args:
        track: track whose frames 0 and 1 are `step` frames apart.
        step: frames between them.
    """
    if not track.visible[:2].all():
        return None
    units = np.rint(np.stack([track.x[:2], track.y[:2]], axis=1).astype(np.float64) * UNITS_PER_PIXEL)
    before, now = units.astype(np.int64)
    ends = _moved_on(before, SIZES[tuple(SIZES)[int(track.size[1])]], step)
    apart = np.hypot(ends.x - now[0], ends.y - now[1]) / UNITS_PER_PIXEL
    nearest = int(apart.argmin())
    if apart[nearest] > _NEAR:
        return None
    return MotionState(np.asarray(now[0]), np.asarray(now[1]), np.asarray(ends.direction[nearest]))


def _moved_on(place: NDArray[np.int64], radius: float, step: int) -> MotionState:
    """The states some frames later of a sprite that set out in each direction and never turned."""
    n = len(DIRECTIONS)
    states = MotionState(np.full(n, place[0]), np.full(n, place[1]), np.arange(n))
    for _ in range(step):
        states = advance(states, radius)
    return states


def _scene(track: SpriteTrack, tracked: TrackedVideo, facts: CaptionFacts) -> Scene:
    seen = int(np.flatnonzero(track.visible)[0])
    sprite = Sprite(track.color, SHAPES[int(track.shape[seen])], tuple(SIZES)[int(track.size[seen])])
    return Scene((sprite,), facts.background, tracked.pillar_x, (tuple(TONES)[int(track.tone[seen])],))


def _seen_classes(track: SpriteTrack) -> NDArray[np.int64]:
    x, y = (np.where(track.visible, part, 0.0) for part in (track.x, track.y))
    return np.where(track.visible, _field(x, y), _HIDDEN)


def _field(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.int64]:
    column, row = (np.clip(part * FIELDS // FRAME_SIZE, 0, FIELDS - 1).astype(np.int64) for part in (x, y))
    found: NDArray[np.int64] = row * FIELDS + column
    return found


def _world_classes(scene: Scene, present: MotionState, frames: int) -> Floats:
    future = enumerate_futures(present, scene.sprites[0].radius, frames)
    x, y = future.states.x / UNITS_PER_PIXEL, future.states.y / UNITS_PER_PIXEL
    hidden = visible_fractions(scene, np.stack([x, y], axis=1)[:, None])[:, 0] < HIDDEN_SHARE
    found: Floats = np.bincount(np.where(hidden, _HIDDEN, _field(x, y)), future.probability, CLASSES).astype(np.float64)
    return found


class Reliability(NamedTuple):
    """Places whose probability in the world lies in one range.

    Attributes:
        world: mean probability in the world.
        futures: mean share of futures.
        places: classes of places in the range, of all states.
        by_state: (S,) what each state contributes to the share; the mean is `futures`, so that states can be resampled.
    """

    world: float
    futures: float
    places: int
    by_state: Floats


def reliability(shares: Sequence[FieldShares], edges: Sequence[float]) -> list[Reliability]:
    """For each range of the world's probability that has places: how often futures are there.

    Args:
        shares: shares of many states.
        edges: ends of the ranges, rising from 0 to 1; the last range holds 1 itself.
    """
    world = np.stack([one.world for one in shares])
    seen = np.stack([one.futures for one in shares])
    found = []
    for low, high in pairwise(edges):
        inside = (world >= low) & ((world < high) | (high == edges[-1]))
        if inside.any():
            share = float(seen[inside].mean())
            counts, sums = inside.sum(axis=1), np.where(inside, seen, 0.0).sum(axis=1)
            by_state: Floats = share + (sums - share * counts) / counts.mean()
            found.append(Reliability(float(world[inside].mean()), share, int(inside.sum()), by_state))
    return found
