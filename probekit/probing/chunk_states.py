"""Hidden states of a streaming generator, chunk by chunk, beside the frames that they led to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.depth import block_at
from probekit.models.video_codec import to_uint8_frames
from probekit.progress import track
from probekit.rollout.chunk_denoisers import DrawNoise, Predict
from probekit.rollout.fixed_batch import blocks, filled
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import counter_seed

RELATIVE_DEPTHS = (0.25, 0.5, 0.75)
SITE = "last denoising pass"


class ChunkStates(NamedTuple):
    """What probes read and what they reconstruct, for V videos of N chunks.

    Attributes:
        states: states by zero-based block, (V, N, T, W) float16.
        frames: (V, N, H, W, 3) uint8, the last RGB frame of every chunk.
        prompt_ids: identifiers of the videos.
    """

    states: dict[int, NDArray[np.float16]]
    frames: NDArray[np.uint8]
    prompt_ids: tuple[str, ...]


def probed_layers(blocks: int, depths: Sequence[float] = RELATIVE_DEPTHS) -> dict[int, float]:
    """Zero-based blocks floor(depth · blocks) and their depths; of depths on one block the first counts.

    Raises:
        UserError: for a relative depth outside [0, 1).
    """
    wrong = [depth for depth in depths if not 0 <= depth < 1]
    if wrong:
        raise UserError(f"Relative depth {wrong[0]} is not in [0, 1).", "Use e.g. 0.25, 0.5 and 0.75.")
    return {block_at(depth, blocks): depth for depth in reversed(depths)}


class LastPasses:
    """Keeps the input and the chosen hidden states of each chunk's last denoising pass.

    Args:
        layers: zero-based blocks.
        last_step: zero-based denoising step.
    """

    def __init__(self, layers: Sequence[int], last_step: int) -> None:
        self.layers = layers
        self._last_step = last_step
        self.inputs: list[Tensor] = []
        self._hidden: dict[int, list[Tensor]] = {layer: [] for layer in layers}

    def on_pass(self, record: PassRecord) -> None:
        """Keep a last pass."""
        if record.step == self._last_step:
            self.inputs.append(record.latents)
            for layer, kept in self._hidden.items():
                kept.append(record.hidden[layer])

    def states(self) -> dict[int, NDArray[np.float16]]:
        """By block, (B, N, T, W)."""
        return {layer: torch.stack(kept, dim=1).half().numpy() for layer, kept in self._hidden.items()}


class _Replay:
    """Shows a network the passes that another one made; the result is what the other one made of them."""

    def __init__(self, inputs: Sequence[Tensor], video: Tensor, sigma: float, step: int) -> None:
        self._inputs = iter(inputs)
        self._sigma = sigma
        self._step = step
        self._clean = iter(video.split(inputs[0].shape[2], dim=2))

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """One pass over the recorded input."""
        predict(next(self._inputs), self._sigma, self._step)
        clean: Tensor = next(self._clean)
        return clean


def untrained_twin(model: CausalWan, seed: int = 0) -> CausalWan:
    """A network of the same architecture with seeded random weights, the control of every probe."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("untrained-control", seed) % 2**63)
        twin: CausalWan = CausalWan(**dict(model.config)).eval().requires_grad_(False)
    return twin


def last_frames(sampler: StreamingSampler, video: Tensor) -> NDArray[np.uint8]:
    """The last RGB frame of every chunk, (B, N, H, W, 3) uint8, of latents (B, C, L, h, w)."""
    geometry = sampler.geometry
    frames: NDArray[Any] = to_uint8_frames(sampler.parts.codec.decode(video)).numpy()
    ends = [geometry.rgb_frames((chunk + 1) * geometry.chunk_frames) - 1 for chunk in range(sampler.chunks)]
    return frames[:, ends]


@torch.no_grad()
def capture(
    sampler: StreamingSampler, requests: Sequence[Request], depths: Sequence[float] = RELATIVE_DEPTHS
) -> tuple[ChunkStates, ChunkStates]:
    """Roll out prompts and keep the states of the generator, and of an untrained twin that sees the same passes.

    Passes have `sampler.batch_size` rows, as when the videos are sampled.

    Args:
        sampler: few-step generator.
        requests: videos to roll out, each with the noise of its own key.
        depths: relative depths of the probed blocks.

    Returns:
        The generator's states and the untrained control's, on the same frames.

    Raises:
        UserError: if the generator is no few-step student.
    """
    if sampler.causal.few_steps is None:
        raise UserError(f"{sampler.parts.name} is an {sampler.causal.role}.", "Probe few-step students.")
    sigmas = few_step_sigmas(sampler.causal.few_steps, sampler.causal.shift)
    layers = sorted(probed_layers(len(sampler.model.blocks), depths))
    twin = untrained_twin(sampler.model)
    parts: list[tuple[ChunkStates, ChunkStates]] = []
    for block in track(blocks(requests, sampler.batch_size), f"reading states of {sampler.parts.name}"):
        chosen = filled(block, sampler.batch_size)
        own = LastPasses(layers, len(sigmas) - 1)
        video = sampler.rollout(chosen, observers=[own])
        other = LastPasses(layers, len(sigmas) - 1)
        replay = _Replay(own.inputs, video, sigmas[-1], len(sigmas) - 1)
        noise = KeyedNoise([request.key for request in chosen], sampler.chunk_shape(), 0)
        text = sampler.text([request.prompt for request in chosen])
        roll_out(Rollout(twin, text, noise, replay, chunks=sampler.chunks, observers=[other]))
        frames, ids = last_frames(sampler, video), tuple(request.key.prompt_id for request in chosen)
        kept = len(block)
        parts.append((_states(own, frames, ids, kept), _states(other, frames, ids, kept)))
    return _joined([own for own, _ in parts]), _joined([other for _, other in parts])


def _states(watched: LastPasses, frames: NDArray[np.uint8], prompt_ids: tuple[str, ...], kept: int) -> ChunkStates:
    """What was watched of the first `kept` videos of a batch."""
    states = {layer: states[:kept] for layer, states in watched.states().items()}
    return ChunkStates(states, frames[:kept], prompt_ids[:kept])


def _joined(parts: Sequence[ChunkStates]) -> ChunkStates:
    layers = parts[0].states
    states = {layer: np.concatenate([part.states[layer] for part in parts]) for layer in layers}
    ids = tuple(prompt for part in parts for prompt in part.prompt_ids)
    return ChunkStates(states, np.concatenate([part.frames for part in parts]), ids)
