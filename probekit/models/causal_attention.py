"""Attention of the causal Wan: what a chunk may see, and the processors that plug it into diffusers' blocks.

diffusers' block hands its `rotary_emb` and `encoder_hidden_states` to the attention processors untouched; ours receive
`LayerAttention` and `LayerText` there. So modulation, residuals and feed-forward are diffusers' own code.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttention, WanRotaryPosEmbed
from torch import Tensor

from probekit.models.kv_cache import KeyValues, KVCache
from probekit.models.rotary import rotary_table, rotate
from probekit.models.text_context import TextContext

# Shape suffixes: B batch, N chunks, T tokens per chunk, S = N·T tokens, H heads, D head width, W model width.


class ChunkAttention(Protocol):
    """Which keys the queries of each chunk see."""

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Self-attention of one layer; all arguments and the result (B, S, H, D), queries and keys unrotated."""
        ...


class LayerAttention(NamedTuple):
    """The attention rule, as one block receives it; the batch axis holds `chunks` chunks of each video."""

    rule: ChunkAttention
    layer: int
    chunks: int


class LayerText(NamedTuple):
    """The prompt, as one block receives it, embedded in the model's width (B, tokens, W)."""

    context: TextContext
    layer: int
    projected: Tensor


class StreamingAttention:
    """One chunk that sees the committed past and itself, in both directions.

    Args:
        cache: cache with its chunk opened by this object; reading it does not change it.
        rope: rotary embedding of the model.
        frames: latent frames of the chunk.
        rows: token rows of a frame.
        columns: token columns of a frame.
    """

    def __init__(self, cache: KVCache, rope: WanRotaryPosEmbed, frames: int, rows: int, columns: int) -> None:
        positions = cache.open_chunk(frames)
        self._table = rotary_table(rope, positions.chunk, rows, columns)
        cache.use_table(rotary_table(rope, positions.context, rows, columns))
        self._cache = cache
        self._seen = cache.frames
        self.committing = False

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend to the past and the chunk; while `committing`, also write the chunk into the cache.

        A pass with gradient writes nothing: it may be an earlier pass of the chunk that activation checkpointing
        repeats after the commit.
        """
        seen = self._cache.attended(layer, KeyValues(rotate(keys, self._table), values), self._seen)
        if self.committing and not torch.is_grad_enabled():
            self._cache.commit(layer, keys)
        out: Tensor = dispatch_attention_fn(rotate(queries, self._table), seen.keys, seen.values)
        return out

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Commit a layer's keys and values without attending."""
        self._cache.attended(layer, KeyValues(rotate(keys, self._table), values), self._seen)
        self._cache.commit(layer, keys)


class ParallelAttention:
    """Many chunks in one pass, each of which sees the chunks that it names; no mask is built.

    Args:
        rope: rotary embedding of the model.
        positions: rotary position of every latent frame.
        visible: chunks that each chunk sees, itself among them.
        rows: token rows of a frame.
        columns: token columns of a frame.
    """

    def __init__(
        self,
        rope: WanRotaryPosEmbed,
        positions: Sequence[int],
        visible: Sequence[Sequence[int]],
        rows: int,
        columns: int,
    ) -> None:
        self._table = rotary_table(rope, positions, rows, columns)
        self._visible = visible

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend chunk by chunk."""
        queries, keys = rotate(queries, self._table), rotate(keys, self._table)
        parts = [
            self._attend_chunk(query, keys, values, seen)
            for query, seen in zip(queries.chunk(len(self._visible), dim=1), self._visible, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def _attend_chunk(self, query: Tensor, keys: Tensor, values: Tensor, seen: Sequence[int]) -> Tensor:
        runs = _runs(seen)
        size = keys.shape[1] // len(self._visible)
        if len(runs) == 1:  # neighbours are a view; nothing is copied
            start, end = runs[0][0] * size, runs[0][1] * size
            view: Tensor = dispatch_attention_fn(query, keys[:, start:end], values[:, start:end])
            return view
        joined = (torch.cat([x[:, a * size : b * size] for a, b in runs], dim=1) for x in (keys, values))
        out: Tensor = dispatch_attention_fn(query, *joined)
        return out


def _runs(seen: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring chunk numbers as ranges (first, last + 1)."""
    runs: list[tuple[int, int]] = []
    for chunk in seen:
        if runs and runs[-1][1] == chunk:
            runs[-1] = (runs[-1][0], chunk + 1)
        else:
            runs.append((chunk, chunk + 1))
    return runs


def block_causal(chunks: int, window_chunks: int | None = None) -> list[list[int]]:
    """Chunk i sees chunks 0 … i, or the newest `window_chunks` of them."""
    window = chunks if window_chunks is None else window_chunks
    return [list(range(max(0, i + 1 - window), i + 1)) for i in range(chunks)]


def teacher_forcing(chunks: int) -> list[list[int]]:
    """[clean | noisy]: clean chunk i sees clean 0 … i; noisy chunk i sees clean 0 … i-1 and itself."""
    return block_causal(chunks) + [[*range(i), chunks + i] for i in range(chunks)]


def split_heads(x: Tensor, heads: int, chunks: int) -> Tensor:
    """(B·N, T, W) to (B, S, H, D)."""
    return x.reshape(x.shape[0] // chunks, -1, heads, x.shape[-1] // heads)


def keys_and_values(attn: WanAttention, hidden: Tensor, chunks: int) -> KeyValues:
    """Unrotated keys and the values (B, S, H, D) of tokens (B·N, T, W)."""
    keys = split_heads(attn.norm_k(attn.to_k(hidden)), attn.heads, chunks)
    return KeyValues(keys, split_heads(attn.to_v(hidden), attn.heads, chunks))


class CausalSelfAttention:
    """Self-attention processor that follows a `ChunkAttention`."""

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Tensor,
        encoder_hidden_states: None,
        attention_mask: None,
        rotary_emb: LayerAttention,
    ) -> Tensor:
        """Attend among the tokens of all chunks; hidden states (B·N, T, W) to the same shape."""
        rule, layer, chunks = rotary_emb
        queries = split_heads(attn.norm_q(attn.to_q(hidden_states)), attn.heads, chunks)
        mixed = rule.attend(layer, queries, *keys_and_values(attn, hidden_states, chunks))
        out: Tensor = attn.to_out[0](mixed.reshape(hidden_states.shape).type_as(hidden_states))
        return out


class CachedCrossAttention:
    """Cross-attention processor that takes the prompt's keys and values from a `TextContext`."""

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Tensor,
        encoder_hidden_states: LayerText,
        attention_mask: None,
        rotary_emb: None,
    ) -> Tensor:
        """Attend to the prompt; hidden states (B·N, T, W) to the same shape."""
        text = encoder_hidden_states
        keys, values = text.context.keys_values(attn, text.layer, text.projected)
        chunks = hidden_states.shape[0] // keys.shape[0]
        queries = split_heads(attn.norm_q(attn.to_q(hidden_states)), attn.heads, chunks)
        mixed = dispatch_attention_fn(queries, keys, values, attn_mask=text.context.mask)
        out: Tensor = attn.to_out[0](mixed.reshape(hidden_states.shape).type_as(hidden_states))
        return out
