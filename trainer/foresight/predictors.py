"""Predictors from the generator's states to the encoder's features; they are thrown away after training."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from probekit.seeding import counter_seed


class DitBlock(nn.Module):
    """A transformer block over the tokens of one chunk, with learned scale, shift and gate vectors.

    The paper's block with its constant condition folded in: the official zero condition leaves the modulation
    matrices without gradient, so that its bias vectors are all that ever acts.

    Args:
        width: of the tokens.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.out = nn.Linear(width, width)
        self.norm_q = nn.RMSNorm(width, eps=1e-6)
        self.norm_k = nn.RMSNorm(width, eps=1e-6)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.modulation = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) to the same shape; the identity as long as the gates are zero."""
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulation
        x = x + gate1 * self._attend(self.norm(x) * (1 + scale1) + shift1)
        fed: Tensor = self.ffn(self.norm(x) * (1 + scale2) + shift2)
        out: Tensor = x + gate2 * fed
        return out

    def _attend(self, x: Tensor) -> Tensor:
        query, key, value = (linear(x) for linear in self.qkv)
        split = (
            rearrange(part, "B T (H D) -> B H T D", H=self.heads)
            for part in (self.norm_q(query), self.norm_k(key), value)
        )
        mixed = functional.scaled_dot_product_attention(*split)
        result: Tensor = self.out(rearrange(mixed, "B H T D -> B T (H D)"))
        return result


class DitPredictor(nn.Module):
    """DiT blocks, then one linear map without bias into the encoder's width.

    Args:
        width: of the generator.
        encoder_width: of the encoder.
        blocks: how many DiT blocks; 0 leaves the linear map.
        heads: of their attention.
    """

    def __init__(self, width: int, encoder_width: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([DitBlock(width, heads) for _ in range(blocks)])
        self.projection = nn.Linear(width, encoder_width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """States (B, T, W) of one chunk to predicted features (B, T, E)."""
        for block in self.blocks:
            states = block(states)
        predicted: Tensor = self.projection(states)
        return predicted


def build_predictor(width: int, encoder_width: int, blocks: int, heads: int, seed: int) -> DitPredictor:
    """A seeded predictor: Xavier matrices, zero biases, zero modulation; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("predictor", seed) % 2**63)
        predictor = DitPredictor(width, encoder_width, blocks, heads)
        for block in predictor.blocks:
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)
    return predictor
