"""Hidden states of a bidirectional Wan that reads a finished video, up to one block: the foresight encoder."""

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_attention import block_causal
from probekit.models.causal_wan import CausalWan, capture_blocks, first_blocks
from probekit.models.text_context import TextContext


def check_layer(model: WanTransformer3DModel, layer: int, name: str) -> None:
    """Refuse a block index that the model does not have.

    Raises:
        UserError: naming the setting and the indices that exist.
    """
    if not 0 <= layer < len(model.blocks):
        raise UserError(
            f"{name} is {layer}, but the model has {len(model.blocks)} blocks.",
            f"Use a zero-based index from 0 to {len(model.blocks) - 1}.",
        )


def read_features(model: WanTransformer3DModel, latents: Tensor, timestep: Tensor, text: Tensor, layer: int) -> Tensor:
    """Output of block `layer` (zero-based) for a whole video; the blocks after it do not run (arXiv 2606.03971).

    Args:
        model: plain, bidirectional.
        latents: (B, C, L, h, w).
        timestep: (B,) in [0, 1000]; 0 says that the video is clean.
        text: (B, tokens, text width).
        layer: zero-based.

    Returns:
        (B, L, tokens per frame, model width).

    Raises:
        UserError: if the model has no such block.
    """
    check_layer(model, layer, "layer")
    with first_blocks(model, layer + 1), capture_blocks(model, [layer]) as captured:
        model(hidden_states=latents, timestep=timestep, encoder_hidden_states=text, return_dict=False)
    features: Tensor = captured[layer].unflatten(1, (latents.shape[2] // model.config.patch_size[0], -1))
    return features


def read_causal_features(model: CausalWan, latents: Tensor, text: Tensor, chunks: int, layer: int) -> list[Tensor]:
    """Output of block `layer` of a causal model that reads a clean video in one block-causal pass.

    Args:
        model: causal generator.
        latents: (B, C, L, h, w).
        text: (B, tokens, text width).
        chunks: N; L is a multiple of it.
        layer: zero-based.

    Returns:
        For each chunk (B, tokens per chunk, model width).

    Raises:
        UserError: if the model has no such block.
    """
    check_layer(model, layer, "layer")
    rule = model.parallel(latents, range(latents.shape[2]), block_causal(chunks))
    clean = torch.zeros(len(latents), chunks, device=latents.device)
    with first_blocks(model, layer + 1), capture_blocks(model, [layer]) as captured:
        model(latents, clean, TextContext(text), rule)
    return list(captured[layer].unflatten(0, (-1, chunks)).unbind(1))
