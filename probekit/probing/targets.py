"""What a probe reads out of a state: values of a chunk's video, how they are judged, and their picture."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.tracker import track_video
from probekit.sprite_world.tracker_objects import UNKNOWN, TrackedObject, tracked_objects
from probekit.sprite_world.vocabulary import COLORS, FRAME_SIZE, SHAPES, SIZES, TONES

Floats = NDArray[np.float32]
_TURN_PIXELS: Final = 0.5
"""Pixels by which a step must leave the path that the one before began; after a turn by 45 degrees it is one pixel."""

_FEATURES: Final = re.compile(r"features:(?P<model>.+)@(?P<depth>0(\.\d+)?)")

Kind = Literal["picture", "vector", "class"]


class TargetInput(NamedTuple):
    """What values are made of, for V videos of N chunks.

    Attributes:
        frames: (V, N, H, W, 3) uint8, the last RGB frame of every chunk, which is what probes reconstruct.
        latents: (V, C, L, h, w) float32, the clean video.
        chunk_frames: latent frames of a chunk.
        steps: (V, N, n, H, W, 3) uint8, the last RGB frame of every latent frame, for what motion says; None where a
            store keeps but one frame per chunk.
        texts: prompt of each video, for what an encoder sees.
    """

    frames: NDArray[np.uint8]
    latents: Floats
    chunk_frames: int
    steps: NDArray[np.uint8] | None = None
    texts: tuple[str, ...] = ()


class ProbeTarget(NamedTuple):
    """One thing that is read.

    Attributes:
        name: name in tables.
        kind: ``picture``: pixels in [0, 1], flat (H·W·3); ``vector``: numbers; ``class``: one index.
        values: (V, N, P) of each chunk, NaN where unknown; a probe at horizon k reads those of chunk i + k from the
            state of chunk i.
        classes: number of classes; 0 for the other kinds.
    """

    name: str
    kind: Kind
    values: Callable[[TargetInput], Floats]
    classes: int = 0


def _frame(data: TargetInput) -> Floats:
    videos, chunks = data.frames.shape[:2]
    return data.frames.reshape(videos, chunks, -1).astype(np.float32) / np.float32(255)


def _latent(data: TargetInput) -> Floats:
    """The last latent frame of each chunk."""
    last = data.latents[:, :, data.chunk_frames - 1 :: data.chunk_frames]
    return np.ascontiguousarray(np.moveaxis(last, 2, 1).reshape(len(last), last.shape[2], -1))


def pixels_of(values: Floats, height: int, width: int) -> NDArray[np.uint8]:
    """The picture of a ``picture``'s values (..., H·W·3): uint8 (..., H, W, 3)."""
    picture: NDArray[np.uint8] = np.round(255 * values.clip(0, 1)).astype(np.uint8)
    return picture.reshape(*values.shape[:-1], height, width, 3)


def main_sprite(frames: NDArray[np.uint8]) -> TrackedObject | None:
    """The sprite of frames (N, 32, 32, 3) that is in view most often, the first of several."""
    found = tracked_objects(track_video(frames))
    return max(found, key=lambda one: int(one.visible.sum())) if found else None


def _of_main_sprite(read: Callable[[TrackedObject], Floats], width: int) -> Callable[[TargetInput], Floats]:
    """Values of the main sprite; NaN in videos without one."""

    def values(data: TargetInput) -> Floats:
        found = np.full((*data.frames.shape[:2], width), np.nan, np.float32)
        for row, frames in zip(found, data.frames, strict=True):
            sprite = main_sprite(frames)
            if sprite is not None:
                row[:] = read(sprite)
        return found

    return values


def _position(sprite: TrackedObject) -> Floats:
    return np.stack([sprite.x, sprite.y], axis=1).astype(np.float32) / np.float32(FRAME_SIZE)


def _of_motion(read: Callable[[TrackedObject, int], Floats], width: int) -> Callable[[TargetInput], Floats]:
    """Values of the main sprite's path, one step per latent frame; NaN in videos without one."""

    def values(data: TargetInput) -> Floats:
        frames = data.frames[:, :, None] if data.steps is None else data.steps
        videos, chunks, size = frames.shape[:3]
        found = np.full((videos, chunks, width), np.nan, np.float32)
        for row, video in zip(found, frames.reshape(videos, chunks * size, *frames.shape[3:]), strict=True):
            sprite = main_sprite(video)
            if sprite is not None:
                row[:] = read(sprite, size)
        return found

    return values


def _velocity(sprite: TrackedObject, size: int) -> Floats:
    return steps_of(sprite)[size - 1 :: size].astype(np.float32)


def _next_turn(sprite: TrackedObject, size: int) -> Floats:
    return first_turns(path_of(sprite), sprite.radius, size)[:, None]


def _known(indices: NDArray[np.int64]) -> Floats:
    found: Floats = np.where(indices == UNKNOWN, np.nan, indices)[:, None].astype(np.float32)
    return found


def path_of(sprite: TrackedObject) -> NDArray[np.float64]:
    """Centres (T, 2) in pixels, NaN where not in view."""
    return np.stack([sprite.x, sprite.y], axis=1).astype(np.float64)


def steps_of(sprite: TrackedObject) -> NDArray[np.float64]:
    """Pixels moved since the frame before, (T, 2); NaN in the first frame and where either is not in view."""
    path = path_of(sprite)
    return np.diff(path, axis=0, prepend=np.full((1, 2), np.nan))


def first_turns(path: NDArray[np.float64], radius: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """When the first turn of each chunk comes, in steps after its first one and as a share of the chunk; 1 for none.

    The world turns sprites without memory, so at any horizon from 1 nothing of the past says when. A turn is a step
    that neither goes on as the one before nor is reflected at a wall. The step after a turn counts as none: a turn
    within a step mixes two directions, so there is nothing sound to hold the next one against. A turn in the first step
    may have begun before the chunk did, where a state could know of it; such a chunk has no value.

    Args:
        path: (T, 2) centres in pixels.
        radius: (T,) radius of the sprite.
        size: frames of a chunk.

    Returns:
        (T / size,), NaN where a step of the chunk is not known, or its first one turns.
    """
    turned, known = np.zeros(len(path), bool), np.zeros(len(path), bool)
    heading: NDArray[np.float64] | None = None
    for index in range(1, len(path)):
        before, now = path[index - 1 : index + 1]
        if not np.isfinite([before, now]).all():
            heading = None
            continue
        known[index] = heading is not None
        step = now - before
        if heading is None or turned[index - 1]:
            heading = step
            continue
        expected, sides = _reflected(before + heading, float(radius[index - 1]))
        turned[index] = bool(np.abs(now - expected).max() > _TURN_PIXELS)
        heading = np.where(sides < 0, -heading, step)  # a step in which it is reflected goes there and back
    chunks = turned.reshape(-1, size)
    whole = known.reshape(-1, size).all(axis=1) & ~chunks[:, 0]
    share = np.where(chunks.any(axis=1), chunks.argmax(axis=1) / size, 1.0)
    found: NDArray[np.float32] = np.where(whole, share, np.nan).astype(np.float32)
    return found


def _reflected(place: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A place after the walls, and -1 along each axis that a wall has turned round."""
    inside = np.clip(place, radius, FRAME_SIZE - radius)
    return 2 * inside - place, np.where(inside == place, 1.0, -1.0)


FRAME: Final = ProbeTarget("frame", "picture", _frame)
LATENT: Final = ProbeTarget("latent", "vector", _latent)
POSITION: Final = ProbeTarget("sprite-position", "vector", _of_main_sprite(_position, 2))
COLOR: Final = ProbeTarget("sprite-color", "class", _of_main_sprite(lambda one: _known(one.color), 1), len(COLORS))
SHAPE: Final = ProbeTarget("sprite-shape", "class", _of_main_sprite(lambda one: _known(one.shape), 1), len(SHAPES))
SIZE: Final = ProbeTarget("sprite-size", "class", _of_main_sprite(lambda one: _known(one.size), 1), len(SIZES))
TONE: Final = ProbeTarget("sprite-tone", "class", _of_main_sprite(lambda one: _known(one.tone), 1), len(TONES))
"""What no caption states."""
VELOCITY: Final = ProbeTarget("sprite-velocity", "vector", _of_motion(_velocity, 2))
NEXT_TURN: Final = ProbeTarget("sprite-next-turn", "vector", _of_motion(_next_turn, 1))
"""A negative control: nothing of the past says when the sprite turns."""

TARGETS: Final[Mapping[str, ProbeTarget]] = {
    target.name: target for target in (FRAME, LATENT, POSITION, VELOCITY, COLOR, SHAPE, SIZE, TONE, NEXT_TURN)
}
"""By name. The sprite's are of the one sprite that is in view most often, read by the tracker."""


def target_named(name: str) -> ProbeTarget:
    """A target by its name: one of `TARGETS`, or what an encoder sees, ``features:sprite-base@0.5``.

    Raises:
        UserError: there is none of this name.
    """
    features = _FEATURES.fullmatch(name)
    if features is not None:
        return features_of(features["model"], float(features["depth"]))
    if name not in TARGETS:
        raise UserError(f"No probe target is called {name!r}.", f"Use {', '.join(TARGETS)} or features:MODEL@DEPTH.")
    return TARGETS[name]


def features_of(model: str, depth: float) -> ProbeTarget:
    """What a bidirectional model sees in a whole chunk at a relative depth, all tokens of the chunk in one vector.

    Args:
        model: shipped name, folder or Hub id.
        depth: relative depth in [0, 1).
    """

    def values(data: TargetInput) -> Floats:
        from probekit.models.model_folder import model_folder
        from probekit.probing.encoder_features import encoder_features  # loads torch, which no other target needs

        found = encoder_features(model_folder(model), data.latents, data.texts, depth)
        videos, chunks = data.frames.shape[:2]
        return found.reshape(videos, chunks, -1).astype(np.float32)

    return ProbeTarget(f"features:{model}@{depth:g}", "vector", values)
