"""What a frozen bidirectional model sees in finished videos: the features that foresight distils (arXiv 2606.03971)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import is_causal
from probekit.models.depth import block_at
from probekit.models.feature_reader import read_features
from probekit.models.loading import ModelParts, load_model
from probekit.progress import track
from probekit.rollout.fixed_batch import filled, fixed_batch_size, row_blocks


@torch.no_grad()
def encoder_features(
    folder: Path, latents: NDArray[np.float32], prompts: Sequence[str], depth: float, *, device: str = "cpu"
) -> NDArray[np.float16]:
    """Output of a block that has read the whole clean video, at timestep 0.

    Args:
        folder: bidirectional model in diffusers layout; its text encoder reads the prompts.
        latents: clean videos (V, C, L, h, w).
        prompts: text of each video.
        depth: relative depth in [0, 1) of the block, floor(depth · blocks).
        device: device of the networks.

    Returns:
        (V, L, tokens per frame, E) float16.

    Raises:
        UserError: the model is a causal one, or its latents have other channels.
    """
    if is_causal(folder):
        raise UserError(f"{folder.name} is a causal generator.", "Give a bidirectional model, such as sprite-base.")
    parts = load_model(folder).to(device)
    _check_channels(parts, latents.shape[1])
    height, width = (side * parts.codec.spatial_stride for side in latents.shape[3:])
    size = fixed_batch_size(parts.geometry(height, width).tokens(latents.shape[2]))
    found = [
        _features(parts, latents, prompts, filled(rows, size), depth)[: len(rows)]
        for rows in track(row_blocks(len(latents), size), f"reading videos with {parts.name}")
    ]
    return np.concatenate(found)


def _features(
    parts: ModelParts, latents: NDArray[np.float32], prompts: Sequence[str], rows: Sequence[int], depth: float
) -> NDArray[np.float16]:
    device = parts.transformer.device
    video = torch.from_numpy(latents[list(rows)]).to(device)
    text: Tensor = parts.text.encode([prompts[row] for row in rows]).to(device)
    layer = block_at(depth, len(parts.transformer.blocks))
    read = read_features(parts.transformer, video, torch.zeros(len(video), device=device), text, layer)
    found: NDArray[np.float16] = read.to("cpu", torch.float16).numpy()
    return found


def _check_channels(parts: ModelParts, channels: int) -> None:
    own = int(parts.transformer.config.in_channels)
    if own != channels:
        raise UserError(
            f"{parts.name} reads latents of {own} channels, and the videos have {channels}.",
            "Give the encoder that the generator was trained with.",
        )
