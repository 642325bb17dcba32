"""Flows of many noisy chunks in one pass: teacher forcing and diffusion forcing."""

import torch
from torch import Tensor

from probekit.models.causal_attention import ParallelAttention, block_causal, teacher_forcing
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.text_context import TextContext


def teacher_forced_flow(
    model: CausalWan,
    clean: Tensor,
    noisy: Tensor,
    timestep: Tensor,
    text: TextContext,
    clean_timestep: Tensor | None = None,
    watched_layer: int | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Flow of noisy chunks, each of which sees the clean chunks before it and itself (Causal-Forcing, stage 1).

    Args:
        model: causal generator.
        clean: (B, C, L, h, w), without noise unless `clean_timestep` says so.
        noisy: noisy latents of the same shape.
        timestep: (B, N) in [0, 1000] of the noisy chunks.
        text: the B prompts.
        clean_timestep: (B, N) of the clean half where it is noised a little (noise augmentation); None is 0.
        watched_layer: zero-based block whose output on the noisy chunks is returned too.

    Returns:
        Flow (B, C, L, h, w), and for each noisy chunk the watched block's output (B, T, W).
    """
    frames, chunks = clean.shape[2], timestep.shape[1]
    both = torch.cat([clean, noisy], dim=2)
    rule = model.parallel(both, [*range(frames), *range(frames)], teacher_forcing(chunks))
    past = torch.zeros_like(timestep) if clean_timestep is None else clean_timestep
    flow, states = _watched_flow(model, both, torch.cat([past, timestep], dim=1), text, rule, watched_layer)
    return flow[:, :, frames:], states[chunks:]


def diffusion_forced_flow(
    model: CausalWan,
    noisy: Tensor,
    timestep: Tensor,
    text: TextContext,
    window_chunks: int | None = None,
    watched_layer: int | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Flow of noisy chunks, each of which sees the noisy chunks before it and itself (Diffusion Forcing, 2407.01392).

    Args:
        model: causal generator.
        noisy: (B, C, L, h, w), every chunk at a level of its own.
        timestep: (B, N) in [0, 1000].
        text: the B prompts.
        window_chunks: how many chunks a chunk sees, itself among them; None is all.
        watched_layer: zero-based block whose output is returned too.

    Returns:
        Flow (B, C, L, h, w), and for each chunk the watched block's output (B, T, W).
    """
    rule = model.parallel(noisy, range(noisy.shape[2]), block_causal(timestep.shape[1], window_chunks))
    return _watched_flow(model, noisy, timestep, text, rule, watched_layer)


def _watched_flow(
    model: CausalWan, latents: Tensor, levels: Tensor, text: TextContext, rule: ParallelAttention, layer: int | None
) -> tuple[Tensor, list[Tensor]]:
    with capture_blocks(model, [] if layer is None else [layer]) as captured:
        flow: Tensor = model(latents, levels, text, rule)
    if layer is None:
        return flow, []
    return flow, list(captured[layer].unflatten(0, (-1, levels.shape[1])).unbind(1))


def per_frame(level: Tensor, frames: int) -> Tensor:
    """Levels of chunks (B, N) as (B, 1, L, 1, 1)."""
    return level.repeat_interleave(frames // level.shape[1], dim=1)[:, None, :, None, None]
