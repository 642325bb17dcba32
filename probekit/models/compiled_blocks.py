"""The blocks of a causal Wan through `torch.compile`: all of a block whose shapes stay the same from chunk to chunk.

The two attentions stay as they are, each one kernel already. The length of the cache grows with every chunk, and in a
buffer of the full length behind a mask every chunk would pay for the longest past. The length of the text is the
prompt's. So three graphs serve every block, step, chunk and prompt, and the cache write too; and no video depends on
which prompts came before it.
"""

import functools
import logging
import os
import shutil
from typing import Final, NamedTuple

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from torch import Tensor

from probekit.models.causal_attention import LayerAttention, LayerText, keys_and_values, split_heads
from probekit.models.causal_wan import CausalWan
from probekit.models.kv_cache import KeyValues

LOGGER = logging.getLogger("probekit")

COMPILED_TOLERANCE: Final = 2e-4
"""Largest difference of latents, which are about as large as 1, between a compiled and a plain rollout in float32."""


class _Projected(NamedTuple):
    """Unrotated queries and keys, and values (B, S, H, D)."""

    queries: Tensor
    own: KeyValues


class CompiledBlocks:
    """Runs blocks in three graphs, before, between and behind the attentions; implements `BlockRunner`.

    Args:
        mode: mode of `torch.compile`; None is its default.
        backend: what makes code of the graphs; "eager" runs them as they were captured.
    """

    def __init__(self, mode: str | None = None, backend: str = "inductor") -> None:
        compiled = functools.partial(torch.compile, mode=mode, backend=backend, dynamic=False)
        self._before = compiled(_before)
        self._between = compiled(_between)
        self._behind = compiled(_behind)

    def __call__(
        self,
        block: WanTransformerBlock,
        hidden: Tensor,
        text: LayerText,
        modulation: Tensor,
        attention: LayerAttention,
    ) -> Tensor:
        """Output of a block; arguments and result as the block's own."""
        rule, layer, chunks = attention
        queries, own = self._before(block, hidden, modulation, chunks)
        mixed = rule.attend(layer, queries, *own).reshape(hidden.shape)
        known = text.context.keys_values(block.attn2, layer, text.projected)
        hidden, queries = self._between(block, hidden, mixed, modulation, hidden.shape[0] // known.keys.shape[0])
        read = dispatch_attention_fn(queries, *known, attn_mask=text.context.mask).reshape(hidden.shape)
        out: Tensor = self._behind(block, hidden, read, modulation)
        return out


def _before(block: WanTransformerBlock, hidden: Tensor, modulation: Tensor, chunks: int) -> _Projected:
    """Tokens (B·N, T, W) and modulation (B·N, 6, W) to what self-attention reads."""
    shift, scale = (block.scale_shift_table + modulation.float()).chunk(6, dim=1)[:2]
    normed = (block.norm1(hidden.float()) * (1 + scale) + shift).type_as(hidden)
    attn = block.attn1
    queries = split_heads(attn.norm_q(attn.to_q(normed)), attn.heads, chunks)
    return _Projected(queries, keys_and_values(attn, normed, chunks))


def _between(
    block: WanTransformerBlock, hidden: Tensor, mixed: Tensor, modulation: Tensor, chunks: int
) -> tuple[Tensor, Tensor]:
    """Tokens after self-attention, and their queries (B, S, H, D) to the text."""
    gate = (block.scale_shift_table + modulation.float()).chunk(6, dim=1)[2]
    hidden = (hidden.float() + block.attn1.to_out[0](mixed.type_as(hidden)) * gate).type_as(hidden)
    attn = block.attn2
    queries = attn.norm_q(attn.to_q(block.norm2(hidden.float()).type_as(hidden)))
    return hidden, split_heads(queries, attn.heads, chunks)


def _behind(block: WanTransformerBlock, hidden: Tensor, read: Tensor, modulation: Tensor) -> Tensor:
    """Tokens after the attention to the text and the feed-forward."""
    shift, scale, gate = (block.scale_shift_table + modulation.float()).chunk(6, dim=1)[3:]
    hidden = hidden + block.attn2.to_out[0](read.type_as(hidden))
    normed = (block.norm3(hidden.float()) * (1 + scale) + shift).type_as(hidden)
    out: Tensor = (hidden.float() + block.ffn(normed).float() * gate).type_as(hidden)
    return out


def compile_blocks(model: CausalWan, mode: str | None = None) -> bool:
    """Let a generator's passes without gradient run compiled blocks; the first pass then takes up to a minute.

    Outputs agree with the plain blocks' within rounding, see `COMPILED_TOLERANCE`. Hooks on blocks are not called;
    `capture_blocks` runs the plain ones.

    Args:
        model: generator on its device.
        mode: mode of `torch.compile`; None is its default.

    Returns:
        Whether it is compiled. Without a working compiler the model stays as it was, and the log says so in a line.
    """
    fault = compiler_fault(model.device.type)
    if fault is not None:
        LOGGER.warning("not compiled: %s", fault)
        return False
    model.block_runner = CompiledBlocks(mode)
    return True


def missing_compiler(device: str) -> str | None:
    """Why nothing can be compiled for a kind of device, "cpu" or "cuda", by the programs that there are; else None."""
    names = (os.environ.get("CXX", "g++"), "g++", "clang++")
    if device == "cpu" and not any(shutil.which(name) for name in names):
        return "a CPU needs a C++ compiler, and none of g++ and clang++ is installed"
    return None


@functools.cache
def compiler_fault(device: str) -> str | None:
    """Why nothing can be compiled for a kind of device, found by compiling a small function; None where that works."""
    missing = missing_compiler(device)
    if missing is not None:
        return missing
    try:
        torch.compile(_trial)(torch.zeros(64, device=device))
    except (RuntimeError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:200]
    return None


def _trial(x: Tensor) -> Tensor:
    return x.sin() + 1
