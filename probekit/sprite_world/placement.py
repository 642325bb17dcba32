"""Scenes of a split whose sprites are seen at the start and, often enough, go behind the pillar and come out again."""

import functools
import hashlib
import itertools
from typing import Final

import numpy as np

from probekit.choices import Split
from probekit.errors import UserError
from probekit.sprite_world.captions import CaptionFacts, facts_of
from probekit.sprite_world.dynamics import path_without_turns, seen_at_start, visible_fractions
from probekit.sprite_world.factors import TRAINED_WORLD, WorldFactors
from probekit.sprite_world.scene import Scene, Sprite, draw_scene, place_sprite

HIDDEN_SHARE: Final = 0.05
"""Share of a sprite's area below which it counts as hidden."""
SEEN_SHARE: Final = 0.5
"""Share of a sprite's area from which it counts as seen again."""

_BUCKETS: Final = 20
_FRAMES: Final = 81
_DRAWS: Final = 10_000
"""Scenes that are drawn to find one of a split: of the smallest splits one in twenty is."""
_SCENES: Final = 20
_PLACEMENTS: Final = 500


def split_of(facts: CaptionFacts) -> Split:
    """The split that owns a set of facts: 90 % train, 5 % validation, 5 % test.

    Neither the order of the two sprites nor how they move plays a part, so the held-out prompts are new combinations
    of identities, background and pillar, not rephrasings.
    """
    canonical = repr((sorted(sprite.identity for sprite in facts.sprites), facts.background, facts.pillar))
    bucket = hashlib.sha256(canonical.encode()).digest()[0] % _BUCKETS
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def draw_split_scene(split: Split, rng: np.random.Generator, factors: WorldFactors = TRAINED_WORLD) -> Scene:
    """Draw scenes until one belongs to the split and can be placed, see `place`.

    Raises:
        UserError: no scene of `factors` can be placed, as of a world with more sprites than fit.
    """
    drawn = (draw_scene(rng, factors) for _ in range(_DRAWS))
    for scene in itertools.islice((scene for scene in drawn if split_of(facts_of(scene)) == split), _SCENES):
        placed = place(scene, rng, factors)
        if placed is not None:
            return placed
    raise UserError(f"None of {_SCENES} scenes of this world could be placed.", "Ask for fewer sprites.")


def place(scene: Scene, rng: np.random.Generator, factors: WorldFactors) -> Scene | None:
    """Draw places until all sprites are seen in the first frame and, in `crossing_share` of pillars, one crosses.

    None where 500 draws found no such place.
    """
    crossing = scene.pillar_x is not None and rng.random() < factors.crossing_share
    for _ in range(_PLACEMENTS):
        if (not crossing or any(crossings(scene, factors.speed))) and seen_at_start(scene):
            return scene
        scene = scene._replace(sprites=tuple(place_sprite(sprite, rng) for sprite in scene.sprites))
    return None


def crossings(scene: Scene, speed: int) -> tuple[bool, ...]:
    """For each sprite, whether it goes behind the pillar within 81 frames, and comes out, if it does not turn."""
    if scene.pillar_x is None:
        return (False,) * len(scene.sprites)
    return tuple(_crosses(sprite._replace(color="red"), scene.pillar_x, speed) for sprite in scene.sprites)


@functools.cache
def _crosses(sprite: Sprite, pillar_x: int, speed: int) -> bool:
    alone = Scene((sprite,), "night", pillar_x, ("plain",))
    visible = visible_fractions(alone, path_without_turns(sprite, _FRAMES, speed)[:, None])[:, 0]
    return hides_and_returns(visible)


def hides_and_returns(visible: np.typing.NDArray[np.floating]) -> bool:
    """Whether a sprite's visible share (frames,) falls below 5 % and later reaches a half again."""
    hidden = np.flatnonzero(visible < HIDDEN_SHARE)
    return bool(len(hidden) and (visible[hidden[0] :] >= SEEN_SHARE).any())
