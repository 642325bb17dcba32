"""A batch of prompts as a model's cross-attention reads it, with keys and values computed once."""

from collections.abc import Callable

import torch
from diffusers.models.transformers.transformer_wan import WanAttention
from torch import Tensor

from probekit.models.kv_cache import KeyValues


class TextContext:
    """Prompt embeddings of one batch, for one state of one model's weights.

    Without gradient, each layer's keys and values are computed once and kept. With gradient they are computed in
    every pass, so that the text side of the model learns; nothing of such a pass is kept.

    Args:
        embeddings: (B, tokens, text width).
    """

    def __init__(self, embeddings: Tensor) -> None:
        self.embeddings = embeddings
        self._projected: Tensor | None = None
        self._cached: dict[int, KeyValues] = {}

    def project(self, embedder: Callable[[Tensor], Tensor]) -> Tensor:
        """Embeddings in the model's width (B, tokens, W)."""
        if torch.is_grad_enabled():
            return embedder(self.embeddings)
        if self._projected is None:
            self._projected = embedder(self.embeddings)
        return self._projected

    def keys_values(self, attn: WanAttention, layer: int, projected: Tensor) -> KeyValues:
        """Keys and values (B, tokens, H, D) of one layer."""
        if torch.is_grad_enabled():
            return _keys_values(attn, projected)
        if layer not in self._cached:
            self._cached[layer] = _keys_values(attn, projected)
        return self._cached[layer]


def _keys_values(attn: WanAttention, projected: Tensor) -> KeyValues:
    keys = attn.norm_k(attn.to_k(projected)).unflatten(2, (attn.heads, -1))
    return KeyValues(keys, attn.to_v(projected).unflatten(2, (attn.heads, -1)))
