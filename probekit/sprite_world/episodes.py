"""Deterministic episodes: a scene, its caption, its video and exact labels, by (split, seed, index)."""

import hashlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Split
from probekit.seeding import generator
from probekit.sprite_world.captions import CaptionFacts, caption, facts_of
from probekit.sprite_world.dynamics import seen_at_start, simulate, visible_fractions
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene, Sprite, draw_scene, place_sprite
from probekit.sprite_world.vocabulary import PILLAR_COLUMNS

_BUCKETS: Final = 20


class FrameLabels(NamedTuple):
    """Ground truth of every frame.

    Attributes:
        position: (frames, sprites, 2) centres (x, y) in pixels.
        velocity: (frames, sprites, 2) pixels per frame.
        visible_fraction: (frames, sprites) in [0, 1].
        identity: the sprites, constant over frames.
        background: a key of `BACKGROUNDS`, constant over frames.
    """

    position: NDArray[np.float32]
    velocity: NDArray[np.float32]
    visible_fraction: NDArray[np.float32]
    identity: tuple[Sprite, ...]
    background: str


class Episode(NamedTuple):
    """A video with all that is known about it; `frames` is (frames, 32, 32, 3) uint8 RGB."""

    scene: Scene
    caption: str
    frames: NDArray[np.uint8]
    labels: FrameLabels


def split_of(facts: CaptionFacts) -> Split:
    """The split that owns a set of facts: 90 % train, 5 % validation, 5 % test.

    Neither the order of the two sprites nor how they move plays a part, so the held-out prompts are new combinations
    of identities, background and pillar, not rephrasings.
    """
    canonical = repr((sorted(sprite.identity for sprite in facts.sprites), facts.background, facts.pillar))
    bucket = hashlib.sha256(canonical.encode()).digest()[0] % _BUCKETS
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def draw_split_scene(split: Split, rng: np.random.Generator) -> Scene:
    """Draw scenes until one belongs to the split, then places until its sprites are seen in the first frame."""
    scene = draw_scene(rng)
    while split_of(facts_of(scene)) != split:
        scene = draw_scene(rng)
    while not seen_at_start(scene):
        scene = scene._replace(sprites=tuple(place_sprite(sprite, rng) for sprite in scene.sprites))
    return scene


def episode(split: Split, seed: int, index: int, n_frames: int = 81) -> Episode:
    """Make one episode; the same arguments give the same bytes, and a longer one begins with the shorter."""
    rng = _random_of(split, seed, index)
    scene = draw_split_scene(split, rng)
    trajectory = simulate(scene, n_frames, rng)
    labels = FrameLabels(
        trajectory.position,
        trajectory.velocity,
        visible_fractions(scene, trajectory.position),
        scene.sprites,
        scene.background,
    )
    return Episode(scene, caption(scene), render(scene, trajectory.position), labels)


def scene_of_episode(split: Split, seed: int, index: int) -> Scene:
    """The scene of an episode without its video."""
    return draw_split_scene(split, _random_of(split, seed, index))


def scene_stating(facts: CaptionFacts, rng: np.random.Generator) -> Scene:
    """Draw what a caption leaves open: the pillar's column, uniformly among those that hide no sprite at the start.

    Where every column hides one, the caption is one that the world does not write, and all columns are possible.
    """
    if not facts.pillar:
        return Scene(facts.sprites, facts.background, None)
    scenes = [Scene(facts.sprites, facts.background, column) for column in PILLAR_COLUMNS]
    possible = [scene for scene in scenes if seen_at_start(scene)] or scenes
    return possible[int(rng.integers(len(possible)))]


def _random_of(split: Split, seed: int, index: int) -> np.random.Generator:
    return generator("sprite-world", split, seed, index)
