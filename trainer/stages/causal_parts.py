"""What the causal stages share: opening the generator, the teacher-forced pass, the optimizer step, the export."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from torch.optim import Optimizer

from probekit.errors import UserError
from probekit.models.causal_attention import block_causal, teacher_forcing
from probekit.models.causal_card import CausalCard, Role, require_role, write_causal_card
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.loading import load_transformer, model_folder
from probekit.models.saving import complete_model_folder, save_transformer
from probekit.models.text_context import TextContext
from trainer.errors import NonFiniteTraining
from trainer.optimizer_config import OptimizerConfig
from trainer.optimizers import learning_rate_factor


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


def open_score(model: str, chunk_frames: int, use: str) -> WanTransformer3DModel:
    """A bidirectional transformer in fp32, frozen.

    Raises:
        UserError: if the folder holds a causal generator or another architecture.
    """
    folder = model_folder(model)
    require_role(folder, (None,), chunk_frames, use)
    return load_transformer(folder)


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
    levels = torch.cat([past, timestep], dim=1)
    layers = [] if watched_layer is None else [watched_layer]
    with capture_blocks(model, layers) as captured:
        flow: Tensor = model(both, levels, text, rule)
    states = [captured[layer].unflatten(0, (-1, 2 * chunks))[:, chunks:].unbind(1) for layer in layers]
    return flow[:, :, frames:], list(states[0]) if states else []


def diffusion_forced_flow(
    model: CausalWan, noisy: Tensor, timestep: Tensor, text: TextContext, window_chunks: int | None = None
) -> Tensor:
    """Flow of noisy chunks, each of which sees the noisy chunks before it and itself (Diffusion Forcing, 2407.01392).

    Args:
        model: causal generator.
        noisy: (B, C, L, h, w), every chunk at a level of its own.
        timestep: (B, N) in [0, 1000].
        text: the B prompts.
        window_chunks: how many chunks a chunk sees, itself among them; None is all.

    Returns:
        (B, C, L, h, w).
    """
    rule = model.parallel(noisy, range(noisy.shape[2]), block_causal(timestep.shape[1], window_chunks))
    flow: Tensor = model(noisy, timestep, text, rule)
    return flow


def per_frame(level: Tensor, frames: int) -> Tensor:
    """Levels of chunks (B, N) as (B, 1, L, 1, 1)."""
    return level.repeat_interleave(frames // level.shape[1], dim=1)[:, None, :, None, None]


def set_learning_rate(optimizer: Optimizer, config: OptimizerConfig, step: int, total: int) -> float:
    """Set the rate of a zero-based step; returns it."""
    rate = config.learning_rate * learning_rate_factor(step, total, config)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def optimizer_step(
    optimizer: Optimizer,
    parameters: Iterable[nn.Parameter],
    loss: Tensor,
    clip_norm: float,
    step: int,
    seed: int,
    prompts: Sequence[str],
) -> float:
    """Backward pass and one update; returns the gradient norm before clipping.

    Raises:
        NonFiniteTraining: if the loss or the norm is not finite; no weight has been changed.
    """
    optimizer.zero_grad()
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm))
    value = float(loss.detach())
    if not math.isfinite(value) or not math.isfinite(norm):
        raise NonFiniteTraining(step, value, norm, seed, prompts)
    optimizer.step()
    return norm


def export_causal(model: CausalWan, folder: Path, shared_from: Path, card: CausalCard) -> None:
    """Write a generator as a model folder whose transformer opens in stock diffusers, with its `causal.json`."""
    save_transformer(model, folder)
    complete_model_folder(folder, shared_from, card.shift)
    write_causal_card(folder, card)
