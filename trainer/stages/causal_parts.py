"""What the causal stages share: opening the generator, the teacher-forced pass, the optimizer step, the export."""

from pathlib import Path
from typing import Final

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_attention import ParallelAttention, block_causal, teacher_forcing
from probekit.models.causal_card import CausalCard, Role, require_role, write_causal_card
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.loading import load_transformer
from probekit.models.model_folder import model_folder
from probekit.models.saving import complete_model_folder, save_weights
from probekit.models.text_context import TextContext
from trainer.config.run import CausalRunConfig
from trainer.distributed.sharding import whole_state
from trainer.distributed.world import World

STUDENT_ROLES: Final[tuple[Role | None, ...]] = ("ar_teacher", "ode_student")
"""Roles that few-step distillation starts from."""


def open_generator(model: str, allowed: tuple[Role | None, ...], chunk_frames: int, use: str) -> CausalWan:
    """A trainable causal generator in fp32 that starts from a model folder's transformer.

    Raises:
        UserError: if the folder's model has another role, chunk length or architecture.
    """
    folder = model_folder(model)
    require_role(folder, allowed, chunk_frames, use)
    plain = load_transformer(folder)
    generator = CausalWan(**dict(plain.config))
    generator.load_state_dict(plain.state_dict())
    trainable: CausalWan = generator.train().requires_grad_(True)
    return trainable


def open_score(model: str, chunk_frames: int, use: str, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """A bidirectional transformer, frozen; in bf16 all of it is, so that it can be sharded.

    Raises:
        UserError: if the folder holds a causal generator or another architecture.
    """
    folder = model_folder(model)
    require_role(folder, (None,), chunk_frames, use)
    transformer = load_transformer(folder, dtype)
    for tensor in (*transformer.parameters(), *transformer.buffers()):  # diffusers' own `to` leaves some in fp32
        tensor.data = tensor.data.to(dtype)
    return transformer


def check_frames(latent_frames: int, chunk_frames: int) -> int:
    """Chunks of a clip.

    Raises:
        UserError: if the clip is not whole chunks.
    """
    chunks, rest = divmod(latent_frames, chunk_frames)
    if rest or not chunks:
        raise UserError(
            f"latent_frames: {latent_frames} is not a multiple of chunk_frames: {chunk_frames}.",
            f"Use {max(1, chunks) * chunk_frames} latent frames, for example.",
        )
    return chunks


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
        noisy: of the same shape.
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


def export_causal(model: CausalWan, folder: Path, shared_from: Path, card: CausalCard, world: World) -> None:
    """Write a generator as a model folder whose transformer opens in stock diffusers, with its `causal.json`."""
    export_transformer(model, folder, shared_from, card.shift, world)
    if world.main:
        write_causal_card(folder, card)


def export_student(model: CausalWan, folder: Path, config: CausalRunConfig, role: Role, world: World) -> None:
    """Write a few-step student."""
    card = CausalCard(role=role, chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps)
    export_causal(model, folder, config.text_and_codec, card, world)


def export_transformer(
    model: WanTransformer3DModel, folder: Path, shared_from: Path, shift: float, world: World
) -> None:
    """Write a transformer as a model folder. Every process takes part; the main one writes.

    Args:
        model: may be sharded.
        folder: of the export.
        shared_from: model folder whose text encoder, tokenizer and codec are copied.
        shift: default timestep shift of the folder's scheduler.
        world: of the run.
    """
    weights = whole_state(model)
    if world.main:
        save_weights(dict(model.config), weights, folder)
        complete_model_folder(folder, model_folder(str(shared_from)), shift)
