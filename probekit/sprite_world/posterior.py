"""What the frames so far say of a sprite's state: the exact posterior, by enumeration.

Why it is exact. A sprite's state (x, y, direction) is a finite Markov chain. Its first state is known, because the
caption states start and heading, and its transitions are the simulator's own (`futures.next_frame`). A frame is a
function of the scene and the position, without noise. So Bayes' rule drops the states whose picture differs from the
frame in any pixel, and scales the rest to sum to 1. All states that can be reached are enumerated, and the pictures are
the renderer's own, so nothing is left out or approximated; floating point rounding alone remains.

Scenes have one sprite here: with two, "the sprite" would have no single meaning for a readout.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState, start_state
from probekit.sprite_world.futures import FutureDistribution, certain, next_frame
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene
from probekit.sprite_world.vocabulary import FRAME_SIZE, UNITS_PER_PIXEL

Bools = NDArray[np.bool_]
_SIDE: Final = FRAME_SIZE * UNITS_PER_PIXEL + 1


def posteriors(scene: Scene, frames: NDArray[np.uint8]) -> Iterator[FutureDistribution]:
    """Distribution of the sprite's state in every frame, given that frame and all before it.

    Args:
        scene: scene with one sprite; its identity, background and pillar are seen in the first frame.
        frames: (T, 32, 32, 3) uint8 of the world itself.

    Raises:
        UserError: the scene has two sprites, or a frame is none that this scene can give.
    """
    if len(scene.sprites) != 1:
        raise UserError("The posterior of a scene with two sprites is not defined.", "Use scenes of one sprite.")
    (sprite,) = scene.sprites
    matches = _Matcher(scene)
    present = certain(start_state(sprite))
    for number, frame in enumerate(frames):
        if number:
            present = next_frame(present, sprite.radius)
        fits = matches(present.states, frame)
        if not fits.any():
            raise UserError(f"Frame {number} is not one that its scene can give.", "Use frames of the world itself.")
        present = present.given(fits)
        yield present


class _Matcher:
    """Which states give a frame, pixel by pixel; a picture is drawn once for as long as the frame stays the same."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._frame: NDArray[np.uint8] | None = None
        self._known: dict[int, bool] = {}

    def __call__(self, states: MotionState, frame: NDArray[np.uint8]) -> Bools:
        """Which states (n,) give this frame (32, 32, 3)."""
        if self._frame is None or not np.array_equal(frame, self._frame):
            self._frame = frame
            self._known = {}
        codes, inverse = np.unique(states.x * _SIDE + states.y, return_inverse=True)
        new = np.array([code for code in codes.tolist() if code not in self._known], np.int64)
        places = np.stack(np.divmod(new, _SIDE), axis=1)
        pictures = render(self._scene, places[:, None].astype(np.float32) / np.float32(UNITS_PER_PIXEL))
        same = (pictures == frame).all(axis=(1, 2, 3))
        self._known |= dict(zip(new.tolist(), same.tolist(), strict=True))
        return np.array([self._known[code] for code in codes.tolist()])[inverse]
