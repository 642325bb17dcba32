"""What a probe reads out of a state: values of a chunk's video, how they are judged, and their picture."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.tracker import track_video
from probekit.sprite_world.tracker_objects import UNKNOWN, TrackedObject, tracked_objects
from probekit.sprite_world.vocabulary import COLORS, FRAME_SIZE, SHAPES, SIZES

Floats = NDArray[np.float32]
Kind = Literal["picture", "vector", "class"]


class TargetInput(NamedTuple):
    """What values are made of, for V videos of N chunks.

    Attributes:
        frames: (V, N, H, W, 3) uint8, the last RGB frame of every chunk, which is what probes reconstruct.
        latents: (V, C, L, h, w) float32, the clean video.
        chunk_frames: latent frames of a chunk.
    """

    frames: NDArray[np.uint8]
    latents: Floats
    chunk_frames: int


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


def _known(indices: NDArray[np.int64]) -> Floats:
    found: Floats = np.where(indices == UNKNOWN, np.nan, indices)[:, None].astype(np.float32)
    return found


FRAME: Final = ProbeTarget("frame", "picture", _frame)
LATENT: Final = ProbeTarget("latent", "vector", _latent)
POSITION: Final = ProbeTarget("sprite-position", "vector", _of_main_sprite(_position, 2))
COLOR: Final = ProbeTarget("sprite-color", "class", _of_main_sprite(lambda one: _known(one.color), 1), len(COLORS))
SHAPE: Final = ProbeTarget("sprite-shape", "class", _of_main_sprite(lambda one: _known(one.shape), 1), len(SHAPES))
SIZE: Final = ProbeTarget("sprite-size", "class", _of_main_sprite(lambda one: _known(one.size), 1), len(SIZES))

TARGETS: Final[Mapping[str, ProbeTarget]] = {
    target.name: target for target in (FRAME, LATENT, POSITION, COLOR, SHAPE, SIZE)
}
"""By name. The sprite's are of the one sprite that is in view most often, read by the tracker."""


def target_named(name: str) -> ProbeTarget:
    """A target by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in TARGETS:
        raise UserError(f"No probe target is called {name!r}.", f"Use {', '.join(TARGETS)}.")
    return TARGETS[name]
