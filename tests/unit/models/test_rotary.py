"""Rotary positions against their formula, diffusers' own table, and the property that gives them their name."""

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor

from probekit.models.rotary import RotaryTable, rotary_table, rotate

WIDTH, ROWS, COLUMNS = 12, 2, 3
ROPE = WanRotaryPosEmbed(WIDTH, (1, 2, 2), 1024)


def table(*frames: int) -> RotaryTable:
    return rotary_table(ROPE, frames, ROWS, COLUMNS)


def vectors(dtype: torch.dtype = torch.float32) -> Tensor:
    """Queries or keys (2, 12, 3, 12) of two latent frames."""
    return torch.randn(2, 2 * ROWS * COLUMNS, 3, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)


def test_each_pair_of_channels_turns_by_its_axis_position_times_its_frequency() -> None:
    """Frame 701, row 1, column 2; widths 4, 4 and 4 of 12: frequencies 1 and 10000^(-1/2) = 0.01 on every axis."""
    assert (ROPE.t_dim, ROPE.h_dim, ROPE.w_dim) == (4, 4, 4)
    found = table(5, 701)
    token = 1 * ROWS * COLUMNS + 1 * COLUMNS + 2
    angles = torch.tensor([701.0, 7.01, 1.0, 0.01, 2.0, 0.02], dtype=torch.float64)
    torch.testing.assert_close(found.cos[token, 0], angles.cos().float(), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sin[token, 0], angles.sin().float(), rtol=0, atol=1e-6)
    assert found.cos.shape == (12, 1, 6)


def test_the_table_of_the_first_frames_is_diffusers_own() -> None:
    cos, sin = ROPE(torch.zeros(1, 16, 3, 2 * ROWS, 2 * COLUMNS))
    found = table(0, 1, 2)
    torch.testing.assert_close(found.cos[:, 0], cos[0, :, 0, ::2], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sin[:, 0], sin[0, :, 0, 1::2], rtol=0, atol=1e-6)


def test_a_turn_multiplies_a_pair_as_a_complex_number() -> None:
    found = table(3, 4)
    pairs = torch.view_as_complex(vectors().unflatten(-1, (-1, 2)).contiguous())
    expected = torch.view_as_real(pairs * torch.exp(1j * torch.atan2(found.sin, found.cos))).flatten(-2)
    torch.testing.assert_close(rotate(vectors(), found), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_turn_as_float32_does_and_keep_their_type(dtype: torch.dtype) -> None:
    found = rotate(vectors(dtype), table(3, 4))
    assert found.dtype == dtype
    expected = rotate(vectors(dtype).float(), table(3, 4))
    torch.testing.assert_close(found.float(), expected, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6, atol=1e-2)


def test_a_product_of_queries_and_keys_knows_the_distance_alone() -> None:
    def products(shift: int) -> Tensor:
        queries = rotate(vectors(torch.float64), table(6 + shift, 9 + shift))
        keys = rotate(vectors(torch.float64).flip(1), table(2 + shift, 4 + shift))
        return torch.einsum("bshd,bthd->bhst", queries, keys)

    torch.testing.assert_close(products(0), products(40), rtol=1e-4, atol=1e-4)
    far = torch.einsum("bshd,bthd->bhst", rotate(vectors(torch.float64), table(6, 9)), vectors(torch.float64).flip(1))
    assert not torch.allclose(far, products(0), atol=1e-2)


def test_the_table_lies_where_the_module_is() -> None:
    assert {part.device for part in table(0)} == {ROPE.freqs_cos.device}
    assert [part.dtype for part in table(0)] == [torch.float32, torch.float32, torch.complex64]
