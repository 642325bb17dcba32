"""A causal generator behind diffusers' pipeline conventions, with a stream of decoded frames besides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.wan.pipeline_output import WanPipelineOutput
from numpy.typing import NDArray
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.causal_card import CausalCard, read_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy
from probekit.models.loading import ModelParts, PromptEncoder, load_model
from probekit.models.model_folder import model_folder
from probekit.models.model_geometry import transformer_geometry
from probekit.models.presets import TRAINED_RGB_FRAMES
from probekit.models.text_context import TextContext
from probekit.models.video_codec import to_uint8_frames
from probekit.rollout.noise import GeneratorNoise
from probekit.rollout.prompt_schedule import PromptSchedule
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout
from probekit.rollout.streaming_sampler import causal_from, denoiser_of

StepCallback = Callable[["CausalWanPipeline", int, float, dict[str, Tensor]], dict[str, Tensor]]
"""diffusers' `callback_on_step_end`: pipeline, number of the pass, timestep, tensors; what it returns is ignored."""
Prompts = str | Sequence[str] | Mapping[int, str]
"""One prompt, one per video, or one by the chunk from which it holds."""


class FrameChunk(NamedTuple):
    """Frames that are ready.

    Attributes:
        chunk: number of the chunk that they came with; -1 are given first latents.
        first_frame: number of the first RGB frame.
        frames: (B, T, H, W, 3) uint8.
    """

    chunk: int
    first_frame: int
    frames: NDArray[np.uint8]


class _StepEnd:
    """Calls diffusers' callback after each denoising pass."""

    layers: Sequence[int] = ()

    def __init__(self, pipeline: "CausalWanPipeline", callback: StepCallback) -> None:
        self._pipeline = pipeline
        self._callback = callback
        self._passes = 0

    def on_pass(self, record: PassRecord) -> None:
        if record.step is not None:
            self._callback(self._pipeline, self._passes, TIMESTEPS * record.sigma, {"latents": record.latents})
            self._passes += 1


class CausalWanPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Streams videos from a causal Wan; parts have diffusers' names, so offloading, `to` and `save_pretrained` work.

    Args:
        transformer: causal generator.
        vae: any `VideoCodec`.
        text: embeds prompts.
        card: what the generator was trained to be.
    """

    def __init__(self, transformer: CausalWan, vae: Any, text: PromptEncoder, card: CausalCard) -> None:
        super().__init__()
        self.register_modules(transformer=transformer)
        self.codec = vae
        self.text = text
        self.card = card

    @classmethod
    def from_pretrained(cls, model: str | Path, **changes: Any) -> Self:
        """Open a shipped model, a model folder or a Hub id that holds a causal generator.

        Args:
            model: name of the model.
            changes: `torch_dtype` of the transformer.

        Raises:
            UserError: if the model is missing or no causal generator.
        """
        folder = model_folder(str(model))
        card = read_causal_card(folder)
        parts: ModelParts = load_model(folder)
        transformer = causal_from(parts, changes.pop("torch_dtype", torch.float32))
        if changes:
            raise UserError(f"from_pretrained does not know {', '.join(sorted(changes))}.", "Use torch_dtype.")
        return cls(transformer, parts.codec, parts.text, card)

    def stream(
        self,
        prompt: Prompts,
        *,
        height: int,
        width: int,
        num_chunks: int,
        negative_prompt: str = "",
        generator: torch.Generator | None = None,
        policy: ContextPolicy = TRAINED_WINDOW,
        first_latents: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
    ) -> Iterator[FrameChunk]:
        """Yield frames as soon as their chunk is decoded; together they equal one-shot decoding.

        Args:
            prompt: one, one per video, or by chunk; a prompt that begins at a later chunk is read from there on.
            height: rows of a frame in pixels.
            width: columns.
            num_chunks: chunks to generate.
            negative_prompt: what guidance steers away from, where the generator uses guidance.
            generator: generator of the noise.
            policy: what the stream remembers.
            first_latents: (B, C, F, h, w) of a given beginning, e.g. one encoded image.
            callback_on_step_end: sees every denoising pass.
        """
        decoder = self.codec.streaming_decoder()
        shown = 0
        rollout = self._rollout(
            prompt, height, width, num_chunks, negative_prompt, generator, policy, first_latents, callback_on_step_end
        )
        with torch.no_grad():
            for result in rollout:
                frames = to_uint8_frames(decoder.push(result.latents.float().cpu())).numpy()
                yield FrameChunk(result.chunk, shown, frames)
                shown += frames.shape[1]

    def __call__(
        self,
        prompt: Prompts,
        *,
        height: int,
        width: int,
        num_frames: int = TRAINED_RGB_FRAMES,
        negative_prompt: str = "",
        generator: torch.Generator | None = None,
        output_type: Literal["np", "pt", "latent"] = "np",
        policy: ContextPolicy = TRAINED_WINDOW,
        first_latents: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
        return_dict: bool = True,
    ) -> WanPipelineOutput | tuple[Any]:
        """Make whole videos, as diffusers' pipelines do.

        Args:
            prompt: prompt as in `stream`.
            height: rows of a frame in pixels.
            width: columns.
            num_frames: RGB frames, 1 + 4·(L - 1) with whole chunks of L latent frames.
            negative_prompt: prompt as in `stream`.
            generator: generator of the noise.
            output_type: `np` (B, T, H, W, 3) in [0, 1], `pt` (B, T, 3, H, W) in [0, 1], or `latent`.
            policy: what the stream remembers.
            first_latents: latents as in `stream`; they count among the frames.
            callback_on_step_end: sees every denoising pass.
            return_dict: return an output object rather than a tuple.

        Raises:
            UserError: if the frames are not whole chunks, or the size does not fit the codec.
        """
        geometry = self._geometry(height, width)
        given = 0 if first_latents is None else first_latents.shape[2]
        chunks = geometry.chunks(geometry.latent_frames(num_frames) - given)
        with torch.no_grad():
            rollout = self._rollout(
                prompt, height, width, chunks, negative_prompt, generator, policy, first_latents, callback_on_step_end
            )
            latents = torch.cat([result.latents for result in rollout], dim=2).float().cpu()
            frames = latents if output_type == "latent" else (self.codec.decode(latents) + 1) / 2
        if output_type != "latent":
            frames = frames.clamp(0, 1).movedim(1, 2)
        if output_type == "np":
            frames = frames.movedim(2, -1).numpy()
        return WanPipelineOutput(frames=frames) if return_dict else (frames,)

    def _geometry(self, height: int, width: int) -> LatentGeometry:
        config, stride = self.transformer.config, self.codec.spatial_stride
        return transformer_geometry(config, stride, height, width, chunk_frames=self.card.chunk_frames)

    def _rollout(
        self,
        prompt: Prompts,
        height: int,
        width: int,
        chunks: int,
        negative_prompt: str,
        generator: torch.Generator | None,
        policy: ContextPolicy,
        first_latents: Tensor | None,
        callback: StepCallback | None,
    ) -> Rollout:
        geometry = self._geometry(height, width)
        starts = dict(prompt) if isinstance(prompt, Mapping) else {0: prompt}
        batches = {start: [one] if isinstance(one, str) else list(one) for start, one in starts.items()}
        texts = {start: self._text(batch, negative_prompt) for start, batch in batches.items()}
        shape = (geometry.latent_channels, geometry.chunk_frames, geometry.latent_height, geometry.latent_width)
        return Rollout(
            self.transformer,
            PromptSchedule(texts),
            GeneratorNoise(len(next(iter(batches.values()))), shape, generator),
            denoiser_of(self.card),
            chunks=chunks,
            policy=policy,
            guidance=self.card.guidance,
            start=None if first_latents is None else first_latents.to(self.transformer.device),
            observers=[] if callback is None else [_StepEnd(self, callback)],
        )

    def _text(self, prompts: Sequence[str], negative_prompt: str) -> TextContext:
        negative = [negative_prompt] * len(prompts) if self.card.guidance > 1 else []
        embeddings = self.text.encode([*prompts, *negative])
        return TextContext(embeddings.to(self.transformer.device, self.transformer.dtype))
