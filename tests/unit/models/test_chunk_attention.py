"""Which chunks each chunk may attend to, and that it attends to them as plain attention under a mask does."""

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanRotaryPosEmbed
from torch import Tensor

from probekit.models.causal_attention import (
    CachedCrossAttention,
    CausalSelfAttention,
    LayerAttention,
    LayerText,
    ParallelAttention,
    StreamingAttention,
    block_causal,
    teacher_forcing,
)
from probekit.models.context_policy import ContextPolicy
from probekit.models.kv_cache import KVCache
from probekit.models.rotary import rotary_table, rotate
from probekit.models.text_context import TextContext


def test_a_chunk_sees_itself_and_every_chunk_before_it() -> None:
    assert block_causal(3) == [[0], [0, 1], [0, 1, 2]]


def test_a_window_keeps_the_newest_chunks() -> None:
    assert block_causal(4, window_chunks=2) == [[0], [0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_under_teacher_forcing_a_noisy_chunk_sees_every_earlier_clean_chunk_and_itself(chunks: int) -> None:
    clean, noisy = teacher_forcing(chunks)[:chunks], teacher_forcing(chunks)[chunks:]
    assert clean == block_causal(chunks)
    for index, seen in enumerate(noisy):
        assert set(seen) == set(range(index)) | {chunks + index}
        assert len(seen) == index + 1


WIDTH, HEADS, ROWS, COLUMNS, FRAMES = 12, 2, 1, 2, 2
ROPE = WanRotaryPosEmbed(WIDTH, (1, 2, 2), 1024)
SIZE = FRAMES * ROWS * COLUMNS


def tokens(chunks: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (2, S, H, D) of some chunks."""
    rng = torch.Generator().manual_seed(seed)
    queries, keys, values = torch.randn(3, 2, chunks * SIZE, HEADS, WIDTH, generator=rng)
    return queries, keys, values


def masked(queries: Tensor, keys: Tensor, values: Tensor, visible: list[list[int]]) -> Tensor:
    """Attention of all tokens at once under a mask of the chunks that each chunk sees."""
    allowed = torch.zeros(len(visible), len(visible), dtype=torch.bool)
    for chunk, seen in enumerate(visible):
        allowed[chunk, seen] = True
    mask = allowed.repeat_interleave(SIZE, 0).repeat_interleave(SIZE, 1)
    heads = (part.transpose(1, 2) for part in (queries, keys, values))
    return torch.nn.functional.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize(
    "visible",
    [
        block_causal(3),
        block_causal(4, window_chunks=2),
        teacher_forcing(2),
        [[0], [1], [0, 2], [0, 1, 3]],
        [[0], [1], [2], [0, 2, 3]],
        [[0, 2], [1], [0, 1, 2]],
    ],
    ids=str,
)
def test_each_chunk_attends_to_the_chunks_that_it_names_as_under_a_mask(visible: list[list[int]]) -> None:
    queries, keys, values = tokens(len(visible))
    positions = [7 + frame for frame in range(FRAMES * len(visible))]
    found = ParallelAttention(ROPE, positions, visible, ROWS, COLUMNS).attend(0, queries, keys, values)
    table = rotary_table(ROPE, positions, ROWS, COLUMNS)
    expected = masked(rotate(queries, table), rotate(keys, table), values, visible)
    torch.testing.assert_close(found, expected)


def test_a_stream_of_chunks_is_the_block_causal_pass() -> None:
    queries, keys, values = tokens(3)
    whole = ParallelAttention(ROPE, range(3 * FRAMES), block_causal(3), ROWS, COLUMNS).attend(0, queries, keys, values)
    cache = KVCache(1, ContextPolicy(), ROWS * COLUMNS)
    parts = (part.chunk(3, dim=1) for part in (queries, keys, values))
    for chunk, (query, key, value) in enumerate(zip(*parts, strict=True)):
        rule = StreamingAttention(cache, ROPE, FRAMES, ROWS, COLUMNS)
        with torch.no_grad():
            rule.attend(0, query + 1, key + 1, value + 1)  # a noisy pass leaves nothing behind
            rule.committing = True
            found = rule.attend(0, query, key, value)
        cache.close_chunk(FRAMES)
        torch.testing.assert_close(found, whole.chunk(3, dim=1)[chunk])


def test_a_chunk_is_committed_when_asked_and_without_gradient_alone() -> None:
    for committing, gradient in ((False, False), (True, True)):
        cache = KVCache(1, ContextPolicy(), ROWS * COLUMNS)
        rule = StreamingAttention(cache, ROPE, FRAMES, ROWS, COLUMNS)
        rule.committing = committing
        with torch.set_grad_enabled(gradient):
            rule.attend(0, *tokens(1))
        with pytest.raises(RuntimeError, match="layer 0 was not committed"):
            cache.close_chunk(FRAMES)


def test_a_written_chunk_is_a_committed_one() -> None:
    queries, keys, values = tokens(1)
    later = tokens(1, seed=1)
    found = []
    for write in (True, False):
        cache = KVCache(1, ContextPolicy(), ROWS * COLUMNS)
        rule = StreamingAttention(cache, ROPE, FRAMES, ROWS, COLUMNS)
        assert rule.committing is False
        rule.committing = True
        with torch.no_grad():
            if write:
                rule.write(0, keys, values)
            else:
                rule.attend(0, queries, keys, values)
            cache.close_chunk(FRAMES)
            found.append(StreamingAttention(cache, ROPE, FRAMES, ROWS, COLUMNS).attend(0, *later))
    torch.testing.assert_close(found[0], found[1])


def attention(cross: bool) -> WanAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        width = HEADS * WIDTH
        processor = CachedCrossAttention() if cross else CausalSelfAttention()
        return WanAttention(width, heads=HEADS, dim_head=WIDTH, cross_attention_dim_head=WIDTH if cross else None,
                            processor=processor).eval()  # fmt: skip


class FirstChunkOnly:
    """A rule that hands back the values, and keeps what it was given."""

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        self.given = (layer, queries, keys, values)
        return values


def test_heads_of_all_chunks_of_a_video_lie_behind_one_another() -> None:
    """Six rows of the batch are three videos of two chunks; a head takes neighbouring channels."""
    attn, rule = attention(cross=False), FirstChunkOnly()
    hidden = torch.randn(6, SIZE, HEADS * WIDTH, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        out = attn(hidden, None, None, LayerAttention(rule, 5, 2))
        queries, values = attn.norm_q(attn.to_q(hidden)), attn.to_v(hidden)
        keys = attn.norm_k(attn.to_k(hidden))
        expected = attn.to_out[0](values)
    assert rule.given[0] == 5
    for given, plain in zip(rule.given[1:], (queries, keys, values), strict=True):
        assert given.shape == (3, 2 * SIZE, HEADS, WIDTH)
        for row, token, head in ((0, 1, 0), (1, 3, 1), (2, 0, 1), (3, 2, 0), (5, 3, 1)):
            part = plain[row, token, head * WIDTH : (head + 1) * WIDTH]
            torch.testing.assert_close(given[row // 2, row % 2 * SIZE + token, head], part)
    torch.testing.assert_close(out, expected)


def test_each_chunk_reads_the_prompt_of_its_video_in_every_head() -> None:
    """Six rows of the batch are three videos of two chunks; each has a prompt of five tokens."""
    attn, rng = attention(cross=True), torch.Generator().manual_seed(3)
    hidden = torch.randn(6, SIZE, HEADS * WIDTH, generator=rng)
    projected = torch.randn(3, 5, HEADS * WIDTH, generator=rng)
    context = TextContext(torch.ones(3, 5, 7), merge=False)

    def heads(tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (HEADS, WIDTH)).transpose(1, 2)

    with torch.no_grad():
        found = attn(hidden, LayerText(context, 0, projected), None, None)
        for row in range(6):
            prompt = projected[row // 2][None]
            query, key = attn.norm_q(attn.to_q(hidden[row][None])), attn.norm_k(attn.to_k(prompt))
            scores = heads(query) @ heads(key).transpose(2, 3) / WIDTH**0.5
            mixed = (scores.softmax(dim=-1) @ heads(attn.to_v(prompt))).transpose(1, 2).flatten(2)
            torch.testing.assert_close(found[row], attn.to_out[0](mixed)[0])
