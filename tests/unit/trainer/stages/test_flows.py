"""Flows of many chunks in one pass against a stream: chunk after chunk through a cache, as sampling does it."""

import pytest
import torch
from torch import Tensor

from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.context_policy import ContextPolicy
from probekit.models.text_context import TextContext
from tests.helpers.tiny_wan import CHANNELS, TEXT_WIDTH, tiny_causal
from trainer.stages.flows import diffusion_forced_flow, per_frame, teacher_forced_flow

CHUNKS, FRAMES = 3, 2
MODEL = tiny_causal(layers=2, seed=4)
TEXT = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))
LEVELS = torch.tensor([[900.0, 400.0, 650.0], [100.0, 700.0, 300.0]])


def latents(seed: int) -> Tensor:
    return torch.randn(2, CHANNELS, CHUNKS * FRAMES, 4, 4, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def streamed(
    model: CausalWan, noisy: Tensor, levels: Tensor, kept: Tensor, kept_levels: Tensor, policy: ContextPolicy
) -> tuple[Tensor, list[Tensor]]:
    """Each noisy chunk after the chunks that are kept before it; flows, and outputs of block 1."""
    cache, text = model.new_cache(policy, noisy), TextContext(TEXT)
    flows, states = [], []
    for chunk, (asked, committed) in enumerate(zip(noisy.split(FRAMES, 2), kept.split(FRAMES, 2), strict=True)):
        rule = model.streaming(cache, asked)
        with capture_blocks(model, [1]) as captured:
            flows.append(model(asked, levels[:, chunk : chunk + 1], text, rule))
        states.append(captured[1])
        rule.committing = True
        model(committed, kept_levels[:, chunk : chunk + 1], text, rule)
        cache.close_chunk(FRAMES)
    return torch.cat(flows, dim=2), states


def assert_same(found: tuple[Tensor, list[Tensor]], expected: tuple[Tensor, list[Tensor]]) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
    assert len(found[1]) == CHUNKS
    for state, other in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(state, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("noised", [False, True])
def test_under_teacher_forcing_a_noisy_chunk_sees_what_a_stream_of_clean_chunks_left(noised: bool) -> None:
    """Clean chunks are told timestep 0, or the little noise that they were given."""
    clean, noisy = latents(0), latents(1)
    past = LEVELS.flip(1) / 10 if noised else None
    with torch.no_grad():
        found = teacher_forced_flow(MODEL, clean, noisy, LEVELS, TextContext(TEXT), past, watched_layer=1)
    kept = torch.zeros(2, CHUNKS) if past is None else past
    assert_same(found, streamed(MODEL, noisy, LEVELS, clean, kept, ContextPolicy()))


@pytest.mark.parametrize("window", [None, 1, 2, 3])
def test_under_diffusion_forcing_a_chunk_sees_the_noisy_chunks_of_its_window(window: int | None) -> None:
    noisy = latents(1)
    with torch.no_grad():
        found = diffusion_forced_flow(MODEL, noisy, LEVELS, TextContext(TEXT), window, watched_layer=1)
    policy = ContextPolicy(window_frames=None if window is None else window * FRAMES)
    assert_same(found, streamed(MODEL, noisy, LEVELS, noisy, LEVELS, policy))


def test_states_are_returned_only_if_a_block_is_named() -> None:
    noisy = latents(1)
    with torch.no_grad():
        assert diffusion_forced_flow(MODEL, noisy, LEVELS, TextContext(TEXT))[1] == []
        assert teacher_forced_flow(MODEL, noisy, noisy, LEVELS, TextContext(TEXT))[1] == []
        first = diffusion_forced_flow(MODEL, noisy, LEVELS, TextContext(TEXT), watched_layer=0)[1]
    assert len(first) == CHUNKS


def test_levels_of_chunks_are_repeated_for_each_of_their_frames() -> None:
    found = per_frame(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), 6)
    assert found.shape == (3, 1, 6, 1, 1)
    assert found.flatten().tolist() == [level for level in range(1, 7) for _ in range(3)]
