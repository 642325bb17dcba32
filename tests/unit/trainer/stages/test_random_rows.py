"""Random choices of a batch: the same for every split of it, and as likely as asked for."""

import pytest
import torch
from diffusers import WanTransformer3DModel

from probekit.seeding import counter_seed
from trainer.stages.random_rows import draw_rows, drop_captions, token_count

HIGH = 13
"""A step whose seed has both highest bits, of which torch takes 63."""


@pytest.mark.parametrize("columns", [None, 3])
def test_rows_of_a_batch_are_cut_from_the_draws_of_all_of_it(columns: int | None) -> None:
    assert counter_seed("noise", HIGH) >= 3 * 2**62
    whole = draw_rows(6, range(6), "noise", HIGH, columns=columns)
    assert whole.shape == ((6,) if columns is None else (6, 3))
    assert torch.equal(draw_rows(6, range(2, 5), "noise", HIGH, columns=columns), whole[2:5])
    rng = torch.Generator().manual_seed(counter_seed("noise", HIGH) % 2**63)
    assert torch.equal(torch.rand(whole.shape, generator=rng), whole)
    assert not torch.equal(draw_rows(6, range(6), "noise", HIGH + 1, columns=columns), whole)


def test_a_caption_is_dropped_where_its_rows_draw_is_below_the_probability() -> None:
    captions = [f"caption {row}" for row in range(40)]
    draws = draw_rows(40, range(40), "caption-dropout", 3, 9).tolist()
    expected = ["" if draw < 0.3 else caption for draw, caption in zip(draws, captions, strict=True)]
    assert drop_captions(captions, range(40), 40, 0.3, 3, 9) == expected
    assert drop_captions(captions[10:20], range(10, 20), 40, 0.3, 3, 9) == expected[10:20]
    assert 0 < expected.count("") < 40


def test_no_caption_and_every_caption_can_be_dropped() -> None:
    captions = ["a", "b", "c"]
    assert drop_captions(captions, range(3), 3, 0.0, 0, 0) == captions
    assert drop_captions(captions, range(3), 3, 1.0, 0, 0) == ["", "", ""]


def test_tokens_are_counted_in_patches_of_every_video() -> None:
    model = WanTransformer3DModel(
        patch_size=(3, 2, 5), num_attention_heads=1, attention_head_dim=12, in_channels=2, out_channels=2, text_dim=8,
        freq_dim=8, ffn_dim=8, num_layers=1,
    )  # fmt: skip
    assert token_count(model, (7, 16, 9, 8, 20)) == 7 * 3 * 4 * 4
    assert token_count(model, (7, 16, 11, 9, 24)) == 7 * 3 * 4 * 4  # whole patches alone
