"""Episodes with an occlusion as videos that generators are shown: prompts, frames, latents."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.models.video_codec import to_unit_range
from probekit.probing.capturing import GivenVideos
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.occlusions import OccludedEpisode, occluded_episodes
from probekit.sprite_world.scene import draw_sprite
from probekit.sprite_world.vocabulary import COLORS


class PlanningEpisodes(NamedTuple):
    """Held-out episodes of one sprite that the pillar hides.

    Attributes:
        found: the episodes.
        prompts: identifier and caption of each.
        ends: (N,) last RGB frame of each chunk.
    """

    found: tuple[OccludedEpisode, ...]
    prompts: tuple[tuple[str, str], ...]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, count: int, seed: int, ends: NDArray[np.int64], other_identity: bool = False) -> "PlanningEpisodes":
        """The first episodes of the test split.

        Args:
            count: how many.
            seed: seed of the episodes.
            ends: (N,) last RGB frame of each chunk.
            other_identity: whether the captions state another colour, shape and size, independent of the sprite's own.
                Start, heading, background and pillar are told as ever.

        Raises:
            UserError: there are not that many.
        """
        found = tuple(occluded_episodes("test", seed, count, ends))
        captions = [_with_other_identity(one, seed) if other_identity else one.episode.caption for one in found]
        names = [f"episode-{seed}-{one.number:05d}" for one in found]
        return cls(found, tuple(zip(names, captions, strict=True)), ends)

    def given(self, sampler: StreamingSampler) -> GivenVideos:
        """Latents of the episodes by their identifiers, as the sampler's codec has them."""
        by_name = {name: one for (name, _), one in zip(self.prompts, self.found, strict=True)}

        def latents(block: Sequence[Request]) -> Tensor:
            frames = torch.from_numpy(np.stack([by_name[one.key.prompt_id].episode.frames for one in block]))
            encoded: Tensor = sampler.parts.codec.encode(to_unit_range(frames).to(sampler.model.device))
            return encoded

        return latents


def _with_other_identity(one: OccludedEpisode, seed: int) -> str:
    facts = facts_of(one.episode.scene)
    (sprite,) = facts.sprites
    drawn = draw_sprite(generator("other-identity", seed, one.number), tuple(COLORS))
    return write_caption(facts._replace(sprites=(drawn._replace(start=sprite.start, heading=sprite.heading),)))


def chunk_ends(sampler: StreamingSampler) -> NDArray[np.int64]:
    """The last RGB frame of each chunk of a sampler's videos, (N,)."""
    size, geometry = sampler.causal.chunk_frames, sampler.geometry
    return np.array([geometry.rgb_frames(size * (chunk + 1)) - 1 for chunk in range(sampler.chunks)])
