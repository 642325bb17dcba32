"""Predictors from the generator's states to the encoder's features; they are thrown away after training."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Protocol

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from probekit.errors import UserError
from probekit.seeding import counter_seed
from trainer.config.foresight import ForesightConfig
from trainer.distributed.sharding import whole

_FFN_RATIO = 4


class Predictor(Protocol):
    """Maps states (B, T, W) of one chunk to predicted features (B, T, E)."""

    def __call__(self, states: Tensor, offset: int | None = None) -> Tensor:
        """Predict; `offset` is the index of the offset, None for a fused target."""
        ...


class DitBlock(nn.Module):
    """A transformer block over the tokens of one chunk, modulated by scale, shift and gate vectors.

    The paper's block with its constant condition folded in: the official zero condition leaves the modulation
    matrices without gradient, so that its bias vectors are all that ever acts.

    Args:
        width: width of the tokens.
        heads: heads of the attention.
        conditions: number of conditions with a modulation of their own (DiT-AdaLN); 0 for a constant one.
        dead_modulation: whether to carry the official, never trained modulation matrix.
    """

    def __init__(self, width: int, heads: int, conditions: int = 0, dead_modulation: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.out = nn.Linear(width, width)
        self.norm_q = nn.RMSNorm(width, eps=1e-6)
        self.norm_k = nn.RMSNorm(width, eps=1e-6)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        hidden = _FFN_RATIO * width
        self.ffn = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.modulation = nn.Parameter(torch.zeros(6, width))
        self.condition = nn.Linear(width, 6 * width, bias=False) if conditions or dead_modulation else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(B, T, W) to the same shape; the identity as long as the gates are zero."""
        modulation = self.modulation
        if self.condition is not None:
            given = torch.zeros_like(modulation[0]) if condition is None else condition
            modulation = modulation + self.condition(functional.silu(given)).view(6, -1)
        scale1, shift1, gate1, scale2, shift2, gate2 = modulation
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

    def gate_size(self) -> float:
        """Mean magnitude of the two gates; 0 means that the block is still the identity."""
        return float(whole(self.modulation.detach())[[2, 5]].abs().mean())


class DitPredictor(nn.Module):
    """DiT blocks, then one linear map without bias into the encoder's width.

    Args:
        width: width of the generator.
        encoder_width: width of the encoder.
        blocks: how many DiT blocks; 0 leaves the linear map.
        heads: heads of their attention.
        offsets: DiT-AdaLN: the index of the offset is the condition; 0 for a plain DiT.
        dead_modulation: whether the blocks carry the official, never trained modulation matrix.

    Raises:
        UserError: if the heads do not divide the width.
    """

    def __init__(
        self,
        width: int,
        encoder_width: int,
        blocks: int,
        heads: int,
        offsets: int = 0,
        dead_modulation: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            fitting = max(count for count in range(1, heads) if width % count == 0)
            raise UserError(
                f"foresight.predictor_heads: {heads} do not divide the generator's width {width}.",
                f"Use {fitting} heads, for example.",
            )
        self.blocks = nn.ModuleList([DitBlock(width, heads, offsets, dead_modulation) for _ in range(blocks)])
        self.projection = nn.Linear(width, encoder_width, bias=False)
        self.offset_embedding = nn.Embedding(offsets, width) if offsets else None
        self._recompute = False

    def enable_gradient_checkpointing(self) -> None:
        """Keep the blocks' inputs alone and repeat their passes in the backward pass."""
        self._recompute = True

    def forward(self, states: Tensor, offset: int | None = None) -> Tensor:
        """States (B, T, W) of one chunk to predicted features (B, T, E)."""
        condition = None
        if self.offset_embedding is not None and offset is not None:
            condition = self.offset_embedding.weight[offset]
        for block in self.blocks:
            if self._recompute and torch.is_grad_enabled():
                states = checkpoint(block, states, condition, use_reentrant=False)
            else:
                states = block(states, condition)
        predicted: Tensor = self.projection(states)
        return predicted


class MlpPredictor(nn.Module):
    """One MLP for each token, or one for each offset (Multi-MLP).

    Args:
        width: width of the generator.
        encoder_width: width of the encoder.
        depth: linear layers, at least 1.
        heads: MLPs; 1 is shared by all offsets.
    """

    def __init__(self, width: int, encoder_width: int, depth: int, heads: int = 1) -> None:
        super().__init__()
        sizes = [width, *[_FFN_RATIO * width] * (max(1, depth) - 1), encoder_width]
        self.heads = nn.ModuleList(_mlp(sizes) for _ in range(heads))

    def forward(self, states: Tensor, offset: int | None = None) -> Tensor:
        """States (B, T, W) to predicted features (B, T, E)."""
        predicted: Tensor = self.heads[0 if offset is None or len(self.heads) == 1 else offset](states)
        return predicted


def _mlp(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.GELU()] if layers else []
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


def _dit(config: ForesightConfig, width: int, encoder_width: int, offsets: int = 0) -> nn.Module:
    blocks, heads = config.predictor_blocks, config.predictor_heads
    return DitPredictor(width, encoder_width, blocks, heads, offsets, config.dead_modulation)


def _dit_of_offsets(config: ForesightConfig, width: int, encoder_width: int) -> nn.Module:
    return _dit(config, width, encoder_width, len(config.offsets))


def _one_mlp(config: ForesightConfig, width: int, encoder_width: int, heads: int = 1) -> nn.Module:
    return MlpPredictor(width, encoder_width, config.predictor_blocks, heads)


def _mlp_of_each_offset(config: ForesightConfig, width: int, encoder_width: int) -> nn.Module:
    return _one_mlp(config, width, encoder_width, len(config.offsets))


PREDICTORS: Final[Mapping[str, Callable[[ForesightConfig, int, int], nn.Module]]] = MappingProxyType(
    {"dit": _dit, "mlp": _one_mlp, "multi_mlp": _mlp_of_each_offset, "dit_adaln": _dit_of_offsets}
)
"""What makes each predictor of `ForesightConfig`, from the widths of generator and encoder."""


def new_predictor(config: ForesightConfig, width: int, encoder_width: int) -> nn.Module:
    """The predictor that a recipe names, with torch's default weights. Raises UserError where its sizes do not fit."""
    return PREDICTORS[config.predictor](config, width, encoder_width)


def predictor_size(config: ForesightConfig, width: int, encoder_width: int) -> dict[str, int]:
    """Parameters of the predictor's parts by name; nothing is allocated."""
    with torch.device("meta"):
        predictor = new_predictor(config, width, encoder_width)
    sizes: dict[str, int] = {}
    for name, parameter in predictor.named_parameters():
        first, second, *_ = name.split(".")
        part = f"{first}.{second}" if first in ("blocks", "heads") else first
        sizes[part] = sizes.get(part, 0) + parameter.numel()
    return sizes


def build_predictor(config: ForesightConfig, width: int, encoder_width: int, seed: int) -> nn.Module:
    """A seeded predictor: Xavier matrices, zero biases, zero modulation; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("predictor", seed) % 2**63)
        predictor = new_predictor(config, width, encoder_width)
        _initialise(predictor)
    return predictor.to(torch.bfloat16) if config.master_dtype == "bfloat16" else predictor


def _initialise(predictor: nn.Module) -> None:
    blocks = predictor.blocks if isinstance(predictor, DitPredictor) else [predictor]
    for block in blocks:
        for module in block.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    for block in _dit_blocks(predictor):
        if block.condition is not None:
            nn.init.zeros_(block.condition.weight)


def _dit_blocks(predictor: nn.Module) -> Sequence[DitBlock]:
    return [module for module in predictor.modules() if isinstance(module, DitBlock)]


def gate_sizes(predictor: nn.Module) -> dict[str, float]:
    """Mean gate of each DiT block, for logs."""
    return {f"foresight_gate_{index}": block.gate_size() for index, block in enumerate(_dit_blocks(predictor))}
