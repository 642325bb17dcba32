"""Rotary position embedding of Wan for latent frames at any positions (RoFormer, arXiv 2104.09864; axes as Wan's)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor

# Shape suffixes: B batch, S tokens, H heads, D head width, E half of it.


class RotaryTable(NamedTuple):
    """Cosines and sines (S, 1, E) float32 of a sequence of tokens."""

    cos: Tensor
    sin: Tensor


def rotary_table(rope: WanRotaryPosEmbed, frames: Sequence[int], rows: int, columns: int) -> RotaryTable:
    """Table for latent frames at the given positions, `rows` x `columns` tokens each."""
    sizes = [rope.t_dim, rope.h_dim, rope.w_dim]
    index = torch.tensor(frames, dtype=torch.long, device=rope.freqs_cos.device)

    def expand(table: Tensor) -> Tensor:
        # diffusers repeats each frequency for the two numbers that it turns
        t, h, w = (part[:, ::2] for part in table.split(sizes, dim=1))
        shape = (len(frames), rows, columns, -1)
        grid = [
            t[index][:, None, None].expand(shape),
            h[:rows][None, :, None].expand(shape),
            w[:columns][None, None].expand(shape),
        ]
        return torch.cat(grid, dim=-1).flatten(0, 2)[:, None]

    return RotaryTable(expand(rope.freqs_cos), expand(rope.freqs_sin))


def rotate(x_BSHD: Tensor, table: RotaryTable) -> Tensor:
    """Turn each pair of channels by its token's angle."""
    even, odd = x_BSHD.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * table.cos - odd * table.sin, even * table.sin + odd * table.cos), dim=-1)
    return turned.flatten(-2).type_as(x_BSHD)
