"""Wan transformers of a few thousand weights, for tests of equations: two channels, heads of twelve."""

from typing import Any

import torch
from diffusers import WanTransformer3DModel

from probekit.models.causal_wan import CausalWan

CHANNELS, TEXT_WIDTH, HEAD_WIDTH = 2, 8, 12


def tiny_wan(heads: int = 1, layers: int = 2, seed: int = 0) -> WanTransformer3DModel:
    """A bidirectional one with seeded weights, its output layer among them."""
    return _seeded(WanTransformer3DModel, heads, layers, seed)


def tiny_causal(heads: int = 1, layers: int = 2, seed: int = 0, **sizes: Any) -> CausalWan:
    """A causal one with seeded weights, its output layer among them; other sizes as diffusers names them."""
    model: CausalWan = _seeded(CausalWan, heads, layers, seed, **sizes)
    return model


def _seeded(kind: Any, heads: int, layers: int, seed: int, **changes: Any) -> Any:
    sizes = {
        "patch_size": (1, 2, 2), "num_attention_heads": heads, "attention_head_dim": HEAD_WIDTH, "text_dim": TEXT_WIDTH,
        "in_channels": CHANNELS, "out_channels": CHANNELS, "freq_dim": 8, "ffn_dim": 16, "num_layers": layers,
        **changes,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(**sizes).eval()
        torch.nn.init.normal_(model.proj_out.weight, std=0.3)
    return model
