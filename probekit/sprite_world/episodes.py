"""Deterministic episodes: a scene, its caption, its video and exact labels, by (split, seed, index)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Split
from probekit.seeding import generator
from probekit.sprite_world.captions import CaptionFacts, caption
from probekit.sprite_world.dynamics import seen_at_start, simulate, visible_fractions
from probekit.sprite_world.factors import TRAINED_WORLD, WORLD_VERSION, WorldFactors
from probekit.sprite_world.placement import draw_split_scene
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite, draw_tones
from probekit.sprite_world.vocabulary import PILLAR_COLUMNS


class FrameLabels(NamedTuple):
    """Ground truth of every frame.

    Attributes:
        position: (frames, sprites, 2) centres (x, y) in pixels.
        velocity: (frames, sprites, 2) pixels per frame.
        visible_fraction: (frames, sprites) in [0, 1].
        identity: the sprites, constant over frames.
        tones: their tones, constant over frames.
        background: a key of `BACKGROUNDS`, constant over frames.
    """

    position: NDArray[np.float32]
    velocity: NDArray[np.float32]
    visible_fraction: NDArray[np.float32]
    identity: tuple[Sprite, ...]
    tones: tuple[str, ...]
    background: str


class Episode(NamedTuple):
    """A video with all that is known about it; `frames` is (frames, 32, 32, 3) uint8 RGB."""

    scene: Scene
    caption: str
    frames: NDArray[np.uint8]
    labels: FrameLabels


def episode(split: Split, seed: int, index: int, n_frames: int = 81, factors: WorldFactors = TRAINED_WORLD) -> Episode:
    """Make one episode; the same arguments give the same bytes, and a longer one begins with the shorter."""
    rng = _random_of(split, seed, index)
    scene = draw_split_scene(split, rng, factors)
    trajectory = simulate(scene, n_frames, rng, factors)
    labels = FrameLabels(
        trajectory.position,
        trajectory.velocity,
        visible_fractions(scene, trajectory.position),
        scene.sprites,
        scene.tones,
        scene.background,
    )
    return Episode(scene, caption(scene), render(scene, trajectory.position), labels)


def scene_of_episode(split: Split, seed: int, index: int) -> Scene:
    """The scene of an episode without its video."""
    return draw_split_scene(split, _random_of(split, seed, index))


def scene_stating(facts: CaptionFacts, rng: np.random.Generator) -> Scene:
    """Draw what a caption leaves open: tones, and the pillar's column among those that hide no sprite at the start.

    Where every column hides one, the caption is one that the world does not write, and all columns are possible.
    """
    tones = draw_tones(len(facts.sprites), rng)
    if not facts.pillar:
        return Scene(facts.sprites, facts.background, None, tones)
    scenes = [Scene(facts.sprites, facts.background, column, tones) for column in PILLAR_COLUMNS]
    possible = [scene for scene in scenes if seen_at_start(scene)] or scenes
    return possible[int(rng.integers(len(possible)))]


def _random_of(split: Split, seed: int, index: int) -> np.random.Generator:
    return generator("sprite-world", WORLD_VERSION, split, seed, index)
