"""Episodes in which the pillar hides the sprite, chosen by what has been, never by what comes."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Split
from probekit.errors import UserError
from probekit.sprite_world.episodes import Episode, episode, scene_of_episode
from probekit.sprite_world.placement import HIDDEN_SHARE
from probekit.sprite_world.scene import Scene
from probekit.sprite_world.vocabulary import PILLAR_WIDTH

_EPISODES_PER_FOUND: Final = 200
"""Episodes that are looked at, at most, for each that is wanted; about one in six has such an occlusion."""

Ints = NDArray[np.int64]


class OccludedEpisode(NamedTuple):
    """An episode of one sprite and a pillar.

    Attributes:
        number: number of the episode in its split and seed.
        episode: video and labels.
        hidden: (N,) whether the sprite is hidden in the last frame of each chunk.
        seen: (N,) whether it is in view there, see `seen_at`.
    """

    number: int
    episode: Episode
    hidden: NDArray[np.bool_]
    seen: NDArray[np.bool_]


def occluded_episodes(split: Split, seed: int, count: int, ends: Ints) -> list[OccludedEpisode]:
    """The first episodes of a split whose only sprite is behind the pillar when some chunk ends, but the last.

    The choice asks whether the sprite is hidden at the end of a chunk, and nothing of what follows. So the futures of
    the chosen states have the world's own distribution.

    Args:
        split: split of the world.
        seed: seed of the episodes.
        count: how many.
        ends: (N,) the last frame of each chunk.

    Raises:
        UserError: there are too few, which needs videos that are very short.
    """
    found: list[OccludedEpisode] = []
    for index in range(_EPISODES_PER_FOUND * count):
        if len(found) == count:
            break
        scene = scene_of_episode(split, seed, index)
        if len(scene.sprites) > 1 or scene.pillar_x is None:
            continue
        one = episode(split, seed, index, int(ends[-1]) + 1)
        visible = one.labels.visible_fraction[ends, 0]
        if (visible[:-1] < HIDDEN_SHARE).any():
            seen = seen_at(scene, one.labels.position[ends, 0])
            found.append(OccludedEpisode(index, one, visible < HIDDEN_SHARE, seen))
    if len(found) < count:
        raise UserError(f"{len(found)} of {count} episodes with an occlusion were found.", "Ask for fewer.")
    return found


def seen_at(scene: Scene, positions: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether a scene's one sprite is in view at positions (n, 2) in pixels: its centre is not behind the pillar.

    Shapes are symmetric from left to right, so half of it or more can be seen then.
    """
    assert scene.pillar_x is not None
    x = positions[:, 0]
    found: NDArray[np.bool_] = (x <= scene.pillar_x) | (x >= scene.pillar_x + PILLAR_WIDTH)
    return found
