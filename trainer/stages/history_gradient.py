"""A finished rollout's exit passes once more, in one pass in which the keys and values of the past carry gradient.

In a rollout the cache holds committed chunks without gradient, so that nothing teaches the generator to write states
that later chunks can use. Self Gradient Forcing (arXiv 2607.20368) restores that gradient in two passes; this is our
own way to do so: roll out without gradient, then ask for all exit passes at once under teacher forcing, with the
finished video as the clean past. The video is the same; its latents stay detached as in the rollout.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, clean_estimate
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.records import PassRecord
from trainer.stages.flows import teacher_forced_flow


class ExitInputs:
    """Keeps what each chunk's exit pass is given; implements `RolloutObserver`.

    Args:
        exit_step: zero-based denoising step that ends a chunk.
    """

    layers: Sequence[int] = ()

    def __init__(self, exit_step: int) -> None:
        self._exit_step = exit_step
        self.latents: list[Tensor] = []

    def on_pass(self, record: PassRecord) -> None:
        """Keep the input of an exit pass."""
        if record.step == self._exit_step:
            self.latents.append(record.latents)


def with_history(
    model: CausalWan, video: Tensor, exits: ExitInputs, sigma: float, text: TextContext, watched_layer: int | None
) -> tuple[Tensor, list[Tensor]]:
    """The video of a rollout as a function of weights in the exit passes and in those that wrote the past.

    Args:
        model: causal generator.
        video: what the rollout made (B, C, L, h, w), without gradient.
        exits: inputs of its exit passes.
        sigma: their noise level.
        text: the B prompts.
        watched_layer: zero-based block whose output in the exit passes is returned too.

    Returns:
        The video with gradient, and for each chunk the watched block's output (B, T, W).
    """
    noisy = torch.cat(exits.latents, dim=2)
    timestep = torch.full((len(video), len(exits.latents)), sigma * TIMESTEPS, device=video.device)
    flow, states = teacher_forced_flow(model, video.detach(), noisy, timestep, text, watched_layer=watched_layer)
    return clean_estimate(noisy, flow, sigma), states
