"""Rotary position embedding of Wan for latent frames at any positions (RoFormer, arXiv 2104.09864; axes as Wan's)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor

# Shape suffixes: B batch, S tokens, H heads, D head width, E half of it.

_THETA: Final = 10000.0


class RotaryTable(NamedTuple):
    """Cosines and sines (S, 1, E) float32 of a sequence of tokens, and cos + i·sin for the float32 product."""

    cos: Tensor
    sin: Tensor
    turn: Tensor


def rotary_table(rope: WanRotaryPosEmbed, frames: Sequence[int], rows: int, columns: int) -> RotaryTable:
    """Table for latent frames at the given positions, `rows` x `columns` tokens each.

    Angles are computed in fp64 here rather than read off the module's buffer, which loses them when a model is cast to
    half precision.
    """
    grid = [
        _angles(frames, rope.t_dim)[:, None, None],
        _angles(range(rows), rope.h_dim)[None, :, None],
        _angles(range(columns), rope.w_dim)[None, None],
    ]
    shape = (len(frames), rows, columns, -1)
    angles = torch.cat([axis.expand(shape) for axis in grid], dim=-1).flatten(0, 2)[:, None]
    device = rope.freqs_cos.device
    cos, sin = angles.cos().float().to(device), angles.sin().float().to(device)
    return RotaryTable(cos, sin, torch.complex(cos, sin))


def _angles(positions: Sequence[int], width: int) -> Tensor:
    """(positions, width / 2) in fp64."""
    frequency = _THETA ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.outer(torch.tensor(positions, dtype=torch.float64), frequency)


def rotate(x_BSHD: Tensor, table: RotaryTable) -> Tensor:
    """Turn each pair of channels by its token's angle, in float32.

    On a CPU one complex product is seven times as fast as four real ones and a stack; half precision has no complex.
    """
    if x_BSHD.dtype == torch.float32:
        return torch.view_as_real(torch.view_as_complex(x_BSHD.unflatten(-1, (-1, 2))) * table.turn).flatten(-2)
    even, odd = x_BSHD.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * table.cos - odd * table.sin, even * table.sin + odd * table.cos), dim=-1)
    return turned.flatten(-2).type_as(x_BSHD)
