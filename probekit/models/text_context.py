"""A batch of prompts as a model's cross-attention reads it, with keys and values computed once."""

import math
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
        merge: whether the padding is merged; the shapes then depend on the longest of the prompts.

    Attributes:
        mask: (1, 1, 1, kept tokens) added to attention scores; None without merged padding.
    """

    mask: Tensor | None

    def __init__(self, embeddings: Tensor, merge: bool = True) -> None:
        self._embeddings, self.mask = merge_padding(embeddings) if merge else (embeddings, None)
        self._projected: Tensor | None = None
        self._cached: dict[int, KeyValues] = {}

    def project(self, embedder: Callable[[Tensor], Tensor]) -> Tensor:
        """Embeddings in the model's width (B, tokens, W)."""
        if torch.is_grad_enabled():
            return embedder(self._embeddings)
        if self._projected is None:
            self._projected = embedder(self._embeddings)
        return self._projected

    def keys_values(self, attn: WanAttention, layer: int, projected: Tensor) -> KeyValues:
        """Keys and values (B, tokens, H, D) of one layer."""
        if torch.is_grad_enabled():
            return _keys_values(attn, projected)
        if layer not in self._cached:
            self._cached[layer] = _keys_values(attn, projected)
        return self._cached[layer]


def merge_padding(embeddings: Tensor) -> tuple[Tensor, Tensor | None]:
    """Merge the zero rows that end every prompt of a batch into one row that counts for all of them.

    Wan attends to its padding, whose rows are all zero and so have one key and one value. m equal keys weigh as much as
    one whose score is raised by log m: the sums of softmax are the same, and cross-attention costs the prompts' own
    length. On a GPU, where a mask rules out the fastest kernels, all rows stay.

    Args:
        embeddings: (B, tokens, text width).

    Returns:
        Embeddings (B, kept tokens, text width), and the mask (1, 1, 1, kept tokens) or None.
    """
    if embeddings.is_cuda:
        return embeddings, None
    written = embeddings.ne(0).any(dim=-1).any(dim=0)
    length = int(written.nonzero().max()) + 1 if bool(written.any()) else 0
    padding = embeddings.shape[1] - length
    if padding < 2:
        return embeddings, None
    mask = torch.zeros(1, 1, 1, length + 1, dtype=embeddings.dtype)
    mask[..., -1] = math.log(padding)
    return embeddings[:, : length + 1], mask


def _keys_values(attn: WanAttention, projected: Tensor) -> KeyValues:
    keys = attn.norm_k(attn.to_k(projected)).unflatten(2, (attn.heads, -1))
    return KeyValues(keys, attn.to_v(projected).unflatten(2, (attn.heads, -1)))
