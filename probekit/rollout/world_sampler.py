"""The sprite world as a model: for every prompt a true video, under the same keys and protocol card. Torch-free.

It is the ceiling of every score, and gives videos that two models can both read.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SOLVER_FIELDS, STREAM_FIELDS, SamplingConfig
from probekit.run_folder.protocol_card import GenerationCard
from probekit.seeding import generator
from probekit.sprite_world.captions import parse_caption
from probekit.sprite_world.dynamics import simulate
from probekit.sprite_world.episodes import scene_stating
from probekit.sprite_world.renderer import render
from probekit.sprite_world.vocabulary import FPS, FRAME_SIZE
from probekit.suites.registry import world_of
from probekit.suites.suite import Suite

WORLD_MODEL: Final = "sprite-world"
"""Name by which `probekit sample --model` takes the world itself."""


class WorldSampler:
    """Renders what prompts state; implements `VideoGenerator`. What they leave open, turns above all, is drawn by key.

    Frames are the renderer's own; no codec touches them.

    Args:
        suite: suite whose prompts are sentences of the sprite world.
        config: its seed is read.

    Raises:
        UserError: if a prompt is no such sentence, frames have another size or rate, or the configuration sets what a
            network alone has a use for.
    """

    def __init__(self, suite: Suite, config: SamplingConfig | None = None) -> None:
        config = config or SamplingConfig()
        config.refuse((*SOLVER_FIELDS, *STREAM_FIELDS, "negative_prompt", "precision"), "The sprite world")
        if (suite.height, suite.width, suite.fps) != (FRAME_SIZE, FRAME_SIZE, FPS):
            raise UserError(
                f"The sprite world has frames of {FRAME_SIZE}x{FRAME_SIZE} at {FPS} per second.",
                f"Leave out a size; {suite.name} asks for {suite.height}x{suite.width} at {suite.fps:g}.",
            )
        for text in suite.generation_texts().values():
            parse_caption(text)
        self._frames = suite.frames
        self._factors = world_of(suite.name)
        self._seed = config.seed
        self.card = GenerationCard(
            model=WORLD_MODEL,
            seed=config.seed,
            frames=suite.frames,
            fps=suite.fps,
            height=suite.height,
            width=suite.width,
            sampler="renderer",
            codec="none",
            batch_size=1,
        )

    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, 32, 32, 3) uint8; each depends on its own key and prompt alone."""
        return np.stack([self._video(request) for request in requests])

    def _video(self, request: Request) -> NDArray[np.uint8]:
        rng = generator("true-video", self._seed, request.key.prompt_id, request.key.sample)
        scene = scene_stating(parse_caption(request.prompt), rng)
        return render(scene, simulate(scene, self._frames, rng, self._factors).position)
