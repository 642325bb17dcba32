"""Wan made causal: diffusers' modules and parameter names, attention over chunks of latent frames.

Self-Forcing, arXiv 2506.08009, section 3; one timestep per chunk, so modulation is never copied to tokens.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from einops import rearrange
from torch import Tensor, nn

from probekit.models.causal_attention import (
    CachedCrossAttention,
    CausalSelfAttention,
    ChunkAttention,
    LayerAttention,
    LayerText,
    ParallelAttention,
    StreamingAttention,
    keys_and_values,
)
from probekit.models.context_policy import ContextPolicy
from probekit.models.kv_cache import KVCache
from probekit.models.text_context import TextContext

# Shape suffixes: B batch, N chunks, T tokens per chunk, W model width.


class BlockRunner(Protocol):
    """Another way to run a block, see `compiled_blocks`."""

    def __call__(
        self,
        block: WanTransformerBlock,
        hidden: Tensor,
        text: LayerText,
        modulation: Tensor,
        attention: LayerAttention,
    ) -> Tensor:
        """Output (B·N, T, W) of a block."""
        ...


class CausalWan(WanTransformer3DModel):  # type: ignore[misc]
    """A `WanTransformer3DModel` whose attention follows a `ChunkAttention`; state dict and configuration are Wan's.

    Attributes:
        block_runner: runs the blocks of passes without gradient; None calls them.
    """

    block_runner: BlockRunner | None = None

    # diffusers reads the configuration's keys off this signature
    @functools.wraps(WanTransformer3DModel.__init__)  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for block in self.blocks:
            block.attn1.set_processor(CausalSelfAttention())
            block.attn2.set_processor(CachedCrossAttention())

    def forward(self, latents: Tensor, timestep: Tensor, text: TextContext, attention: ChunkAttention) -> Tensor:
        """Predict the flow of N chunks of each video in one pass.

        Args:
            latents: (B, C, L, h, w), L a multiple of N.
            timestep: (B, N) in [0, 1000], one for each chunk.
            text: the B prompts.
            attention: which chunks each chunk sees.

        Returns:
            Flow (B, C, L, h, w).
        """
        hidden, embedded, modulation, (frames, rows, columns) = self._embed(latents, timestep)
        hidden = self._run_blocks(hidden, modulation, text, attention, timestep.shape[1], len(self.blocks))
        patches = self._output(hidden, embedded)
        _, rows_a_patch, columns_a_patch = self.config.patch_size
        chunks = timestep.shape[1]
        return rearrange(
            patches,
            "(B N) (n r c) (p q C) -> B C (N n) (r p) (c q)",
            N=chunks,
            n=frames // chunks,
            r=rows,
            c=columns,
            p=rows_a_patch,
            q=columns_a_patch,
        )

    def write_keys(self, latents: Tensor, timestep: Tensor, text: TextContext, attention: StreamingAttention) -> None:
        """A committing pass without its output: the last block stops once it has its keys and values.

        Arguments as `forward`, for one chunk.
        """
        hidden, _, modulation, _ = self._embed(latents, timestep)
        last = len(self.blocks) - 1
        hidden = self._run_blocks(hidden, modulation, text, attention, 1, last)
        block = self.blocks[last]
        shift, scale = (block.scale_shift_table + modulation.float()).chunk(6, dim=1)[:2]
        normed = (block.norm1(hidden.float()) * (1 + scale) + shift).type_as(hidden)
        attention.write(last, *keys_and_values(block.attn1, normed, 1))

    def _embed(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor, Tensor, torch.Size]:
        """Tokens (B·N, T, W), time embedding, modulation, and the token grid (L, rows, columns)."""
        tokens = self.patch_embedding(latents)
        hidden = rearrange(tokens, "B W (N n) r c -> (B N) (n r c) W", N=timestep.shape[1])
        return hidden, *self._time_states(timestep.flatten(), hidden), tokens.shape[2:]

    def _run_blocks(
        self, hidden: Tensor, modulation: Tensor, text: TextContext, attention: ChunkAttention, chunks: int, count: int
    ) -> Tensor:
        projected = text.project(self.condition_embedder.text_embedder)
        for layer, block in enumerate(self.blocks[:count]):
            arguments = (LayerText(text, layer, projected), modulation, LayerAttention(attention, layer, chunks))
            hidden = self._run_block(block, hidden, *arguments)
        return hidden

    def _run_block(
        self, block: WanTransformerBlock, hidden: Tensor, text: LayerText, modulation: Tensor, attention: LayerAttention
    ) -> Tensor:
        out: Tensor
        if self.gradient_checkpointing and torch.is_grad_enabled():
            out = self._gradient_checkpointing_func(block, hidden, text, modulation, attention)
        elif self.block_runner is None or torch.is_grad_enabled():
            out = block(hidden, text, modulation, attention)
        else:
            out = self.block_runner(block, hidden, text, modulation, attention)
        return out

    def _time_states(self, timestep: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Time embedding (B·N, W) and modulation (B·N, 6, W)."""
        embedder = self.condition_embedder
        frequencies = embedder.timesteps_proj(timestep).to(embedder.time_embedder.linear_1.weight.dtype)
        embedded = embedder.time_embedder(frequencies).type_as(like)
        return embedded, embedder.time_proj(embedder.act_fn(embedded)).unflatten(1, (6, -1))

    def _output(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        shift, scale = (self.scale_shift_table + embedded[:, None]).chunk(2, dim=1)
        out: Tensor = self.proj_out((self.norm_out(hidden.float()) * (1 + scale) + shift).type_as(hidden))
        return out

    def streaming(self, cache: KVCache, latents: Tensor) -> StreamingAttention:
        """Open the next chunk of a stream: the rule by which latents (B, C, n, h, w) see the cache."""
        return StreamingAttention(cache, self.rope, latents.shape[2], *self.token_grid(latents))

    def parallel(
        self, latents: Tensor, positions: Sequence[int], visible: Sequence[Sequence[int]]
    ) -> ParallelAttention:
        """The rule of one pass over many chunks; see `ParallelAttention`."""
        return ParallelAttention(self.rope, positions, visible, *self.token_grid(latents))

    def token_grid(self, latents: Tensor) -> tuple[int, int]:
        """Token rows and columns of one latent frame."""
        _, rows, columns = self.config.patch_size
        return latents.shape[-2] // rows, latents.shape[-1] // columns

    def new_cache(self, policy: ContextPolicy, latents: Tensor) -> KVCache:
        """An empty cache for streams of latents of this size."""
        rows, columns = self.token_grid(latents)
        return KVCache(len(self.blocks), policy, rows * columns)


@contextmanager
def first_blocks(model: WanTransformer3DModel, count: int) -> Iterator[None]:
    """Passes within the context run the first `count` blocks alone; what they return is not a flow."""
    blocks = model.blocks
    model.blocks = blocks[:count]
    try:
        yield
    finally:
        model.blocks = blocks


@contextmanager
def capture_blocks(model: WanTransformer3DModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Collect the outputs (B·N, T, W) of blocks, zero-based, in passes within the context; a later pass overwrites.

    A causal generator whose blocks are compiled runs the plain ones meanwhile: compiled blocks call no hook.
    """
    captured: dict[int, Tensor] = {}

    def keep(layer: int, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        captured[layer] = output

    handles = [model.blocks[layer].register_forward_hook(functools.partial(keep, layer)) for layer in layers]
    try:
        with _plain_blocks(model) if layers and isinstance(model, CausalWan) else nullcontext():
            yield captured
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _plain_blocks(model: CausalWan) -> Iterator[None]:
    runner, model.block_runner = model.block_runner, None
    try:
        yield
    finally:
        model.block_runner = runner
