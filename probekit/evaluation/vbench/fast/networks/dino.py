"""DINO ViT-B/16 (Caron et al., ICCV 2021) on timm's vision transformer, with DINO's own rule for other image sizes."""

from math import isqrt
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from probekit.evaluation.vbench.fast.networks.weight_reading import count_blocks, filled, read_state, require

NAME: Final = "DINO"
_HEAD_WIDTH: Final = 64
_AVOIDS_FLOORING: Final = 0.1


class Dino(nn.Module):
    """Class token of DINO.

    timm resamples position embeddings with antialiasing and to an exact size; DINO does neither (facebookresearch/dino,
    vision_transformer.py, `interpolate_pos_encoding`), so its rule stands here.

    Args:
        width: width of the tokens, a multiple of 64.
        depth: number of blocks.
        positions: tokens that have a position embedding, the class token among them.
        patch: side of a patch in pixels.
    """

    def __init__(self, width: int, depth: int, positions: int, patch: int) -> None:
        super().__init__()
        from timm.models.vision_transformer import VisionTransformer

        self.vit = VisionTransformer(
            img_size=patch * isqrt(positions - 1),
            patch_size=patch,
            embed_dim=width,
            depth=depth,
            num_heads=width // _HEAD_WIDTH,
            num_classes=0,
            dynamic_img_size=True,
            weight_init="skip",
        )
        self.patch = patch

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to features (N, width). Pixels beyond the last whole patch are not seen."""
        height, width = images.shape[2] // self.patch, images.shape[3] // self.patch
        images = images[:, :, : height * self.patch, : width * self.patch]
        patches = self.vit.patch_embed(images).flatten(1, 2)
        class_token, positions = self.vit.cls_token, self.vit.pos_embed
        assert class_token is not None
        assert positions is not None
        tokens = torch.cat([class_token.expand(len(images), -1, -1), patches], dim=1)
        tokens = tokens + dino_positions(positions, height, width)
        *blocks, last = self.vit.blocks
        for block in blocks:
            tokens = block(tokens)
        features: Tensor = self.vit.norm(_class_token(last, tokens))
        return features


def _class_token(block: Any, tokens: Tensor) -> Tensor:
    """Class token (N, C) after timm's block: only it is read of the last one, so only its query is answered."""
    width, heads = tokens.shape[2], block.attn.num_heads
    normed, weight, bias = block.norm1(tokens), block.attn.qkv.weight, block.attn.qkv.bias
    query = F.linear(normed[:, :1], weight[:width], bias[:width])
    key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1)
    query, key, value = (rearrange(x, "n t (h c) -> n h t c", h=heads) for x in (query, key, value))
    answer = rearrange(F.scaled_dot_product_attention(query, key, value), "n h t c -> n t (h c)")
    token = tokens[:, :1] + block.attn.proj(answer)
    out: Tensor = token + block.mlp(block.norm2(token))
    return out[:, 0]


def dino_positions(embedding: Tensor, height: int, width: int) -> Tensor:
    """Position embeddings (1, 1 + g * g, C) resampled to a grid of patches: (1, 1 + height * width, C).

    The scale is passed to the bicubic interpolation, with a tenth of a patch added, instead of the size.
    """
    grid = isqrt(embedding.shape[1] - 1)
    if (height, width) == (grid, grid):
        return embedding
    patches = embedding[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
    scale = ((height + _AVOIDS_FLOORING) / grid, (width + _AVOIDS_FLOORING) / grid)
    patches = F.interpolate(patches, scale_factor=scale, mode="bicubic")
    return torch.cat([embedding[:, :1], patches.flatten(2).transpose(1, 2)], dim=1)


def load_dino(path: Path) -> Dino:
    """DINO of the size that the file has. Raises UserError as `read_state` and `filled`."""
    state = read_state(path, NAME)
    kernel, positions = require(state, "patch_embed.proj.weight", NAME), require(state, "pos_embed", NAME)
    network = Dino(kernel.shape[0], count_blocks(state, "blocks."), positions.shape[1], kernel.shape[-1])
    filled(network.vit, state, NAME)
    return network
