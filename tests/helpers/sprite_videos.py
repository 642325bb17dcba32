"""Small sprite videos with known contents, for tests of the tracker and the scorers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.scorer import ScoringInput
from probekit.sprite_world.captions import caption
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import FPS

TRIANGLE = Sprite("orange", "triangle", "small", "west", "east")
CIRCLE = Sprite("red", "circle", "large", "northwest", "east")
SQUARE = Sprite("blue", "square", "small", "southeast", "west")

OPEN = Scene((CIRCLE,), "meadow", None, ("plain",))
PAIR = Scene((CIRCLE, SQUARE), "night", None, ("plain", "plain"))
PILLAR = Scene((TRIANGLE,), "stone", 10, ("plain",))
"""The triangle passes behind the pillar and is out of sight for about ten frames."""


class Clip(NamedTuple):
    scene: Scene
    position: NDArray[np.float32]
    frames: NDArray[np.uint8]

    def scored(self, frames: NDArray[np.uint8]) -> ScoringInput:
        """Other frames under the clip's own prompt."""
        return ScoringInput(frames, float(FPS), caption(self.scene))


def straight(start: tuple[float, float], velocity: tuple[float, float], n_frames: int = 81) -> NDArray[np.float32]:
    """Positions (n_frames, 2) at constant velocity."""
    return np.asarray(np.array(start) + np.arange(n_frames)[:, None] * np.array(velocity), np.float32)


def clip_of(scene: Scene) -> Clip:
    """The scene with every sprite moving straight, without touching a wall or another sprite."""
    paths = {
        CIRCLE: straight((6.0, 6.0), (0.25, 0.0)),
        SQUARE: straight((26.0, 26.0), (-0.25, 0.0)),
        TRIANGLE: straight((6.0, 16.0), (0.25, 0.0)),
    }
    position = np.stack([paths[sprite] for sprite in scene.sprites], axis=1)
    return Clip(scene, position, render(scene, position))
