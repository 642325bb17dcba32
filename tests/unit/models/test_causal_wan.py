"""The causal model against diffusers' own: its passes of chunks, committing passes, and what hooks leave behind."""

from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.models.causal_attention import block_causal
from probekit.models.causal_wan import CausalWan, capture_blocks, first_blocks
from probekit.models.context_policy import ContextPolicy
from probekit.models.text_context import TextContext
from tests.helpers.tiny_wan import CHANNELS, TEXT_WIDTH, tiny_causal

FRAMES, HEIGHT, WIDTH = 2, 4, 12
PATCH = (1, 2, 3)
MODEL = tiny_causal(heads=2, layers=3, seed=4, patch_size=PATCH)
TEXT = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))


def latents(chunks: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(2, CHANNELS, chunks * FRAMES, HEIGHT, WIDTH, generator=rng)


def plain() -> WanTransformer3DModel:
    """The same weights in diffusers' class."""
    model = WanTransformer3DModel(**dict(MODEL.config)).eval()
    model.load_state_dict(MODEL.state_dict())
    return model


def test_chunks_that_see_nothing_but_themselves_are_diffusers_passes_of_each_at_its_timestep() -> None:
    """Rotary attention knows differences of positions only, so each chunk may count its frames from 0."""
    video, levels = latents(3), torch.tensor([[100.0, 500.0, 900.0], [800.0, 300.0, 20.0]])
    with torch.no_grad():
        rule = MODEL.parallel(video, range(3 * FRAMES), [[0], [1], [2]])
        found = MODEL(video, levels, TextContext(TEXT), rule)
        for chunk, part in enumerate(video.split(FRAMES, dim=2)):
            expected = plain()(part, levels[:, chunk], TEXT, return_dict=False)[0]
            torch.testing.assert_close(found.split(FRAMES, dim=2)[chunk], expected, rtol=1e-4, atol=1e-5)


def test_one_chunk_of_the_whole_video_is_diffusers_pass() -> None:
    video, level = latents(3), torch.tensor([300.0, 700.0])
    with torch.no_grad():
        found = MODEL(video, level[:, None], TextContext(TEXT), MODEL.parallel(video, range(3 * FRAMES), [[0]]))
        torch.testing.assert_close(found, plain()(video, level, TEXT, return_dict=False)[0], rtol=1e-4, atol=1e-5)


def test_a_streams_first_chunk_is_diffusers_pass_however_long_it_is() -> None:
    video, level = latents(3)[:, :, :5], torch.tensor([300.0, 700.0])
    with torch.no_grad():
        rule = MODEL.streaming(MODEL.new_cache(ContextPolicy(), video), video)
        found = MODEL(video, level[:, None], TextContext(TEXT), rule)
        torch.testing.assert_close(found, plain()(video, level, TEXT, return_dict=False)[0], rtol=1e-4, atol=1e-5)


def test_frames_that_leave_a_window_leave_the_rest_whole() -> None:
    """In one block keys and values are of a chunk alone: the one that stays is seen as if it had been the first."""
    model = tiny_causal(heads=2, layers=1, patch_size=PATCH)
    policy = ContextPolicy(window_frames=2 * FRAMES, rotary="re-indexed")
    flows = []
    for seeds in ((8, 3, 9), (3, 9)):
        cache = model.new_cache(policy, latents(1))
        for seed in seeds:
            rule = model.streaming(cache, latents(1, seed))
            rule.committing = True
            with torch.no_grad():
                flow = model(latents(1, seed), torch.full((2, 1), 600.0), TextContext(TEXT), rule)
            cache.close_chunk(FRAMES)
        flows.append(flow)
    torch.testing.assert_close(flows[0], flows[1], rtol=1e-4, atol=1e-5)


def test_the_token_grid_is_counted_in_patches_and_a_cache_holds_as_many_tokens_of_each_frame() -> None:
    assert MODEL.token_grid(latents(1)) == (HEIGHT // 2, WIDTH // 3)
    cache = MODEL.new_cache(ContextPolicy(), latents(1))
    commit(cache, latents(1))
    assert cache.frames == (0, 1)


def commit(cache: Any, chunk: Tensor, short: bool = False, level: float = 0.0) -> None:
    rule = MODEL.streaming(cache, chunk)
    rule.committing = True
    timestep = torch.full((2, 1), level)
    with torch.no_grad():
        (MODEL.write_keys if short else MODEL)(chunk, timestep, TextContext(TEXT), rule)
    cache.close_chunk(FRAMES)


def next_flow(cache: Any) -> Tensor:
    with torch.no_grad():
        given = latents(1, seed=9)
        return MODEL(given, torch.full((2, 1), 600.0), TextContext(TEXT), MODEL.streaming(cache, given))


@pytest.mark.parametrize("level", [0.0, 50.0])
def test_writing_keys_alone_leaves_what_a_whole_pass_leaves(level: float) -> None:
    caches = [MODEL.new_cache(ContextPolicy(), latents(1)) for _ in range(2)]
    for seed in (0, 1):
        for cache, short in zip(caches, (True, False), strict=True):
            commit(cache, latents(1, seed), short, level)
    torch.testing.assert_close(next_flow(caches[0]), next_flow(caches[1]), rtol=1e-5, atol=1e-6)


def test_writing_keys_does_not_run_the_last_block() -> None:
    cache = MODEL.new_cache(ContextPolicy(), latents(1))
    with capture_blocks(MODEL, [0, 1, 2]) as captured:
        commit(cache, latents(1), short=True)
    assert captured.keys() == {0, 1}


def test_blocks_are_repeated_in_the_backward_pass_only_if_told_to_and_gradients_are_the_same() -> None:
    video, levels = latents(2), torch.full((2, 2), 500.0)
    gradients, counts = [], []
    for recompute in (False, True):
        model = tiny_causal(heads=2, layers=3, seed=4, patch_size=PATCH)
        if recompute:
            model.train().enable_gradient_checkpointing()
        calls: list[int] = []
        model.blocks[1].register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        rule = model.parallel(video, range(4), block_causal(2))
        with torch.no_grad():
            model(video, levels, TextContext(TEXT), rule)
        assert len(calls) == 1
        model(video, levels, TextContext(TEXT), rule).square().mean().backward()
        counts.append(len(calls) - 1)
        gradients.append(model.blocks[0].attn1.to_q.weight.grad)
    assert counts == [1, 2]
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_first_blocks_run_within_the_context_alone_even_after_an_error(count: int) -> None:
    model, wrong = plain(), torch.zeros(2, 5, TEXT_WIDTH + 1)
    with torch.no_grad(), capture_blocks(model, [0, 1, 2]) as captured, first_blocks(model, count):
        model(latents(1), torch.zeros(2), TEXT)
    with pytest.raises(RuntimeError, match="shapes"), first_blocks(model, count):
        model(latents(1), torch.zeros(2), wrong)
    assert captured.keys() == set(range(count))
    assert len(model.blocks) == 3


def test_captured_outputs_are_those_of_the_blocks_named_and_no_hook_stays() -> None:
    video, level = latents(1), torch.full((2, 1), 300.0)
    rule = MODEL.parallel(video, range(FRAMES), [[0]])
    with torch.no_grad(), capture_blocks(MODEL, [2, 0]) as captured:
        MODEL(video, level, TextContext(TEXT), rule)
        first = dict(captured)
        MODEL(video + 1, level, TextContext(TEXT), rule)  # a later pass overwrites
        assert not torch.equal(captured[0], first[0])
    kept = dict(captured)
    with torch.no_grad():
        MODEL(video + 2, level, TextContext(TEXT), rule)
    assert captured.keys() == {0, 2}
    assert all(torch.equal(captured[layer], kept[layer]) for layer in kept)
    assert first[0].shape == (2, FRAMES * 2 * 4, 24)


def test_blocks_are_run_plainly_only_while_outputs_are_captured() -> None:
    model, video = tiny_causal(heads=2, layers=2, patch_size=PATCH), latents(1)
    run: list[int] = []

    def runner(block: Any, *arguments: Any) -> Tensor:
        run.append(1)
        found: Tensor = block.forward(*arguments)  # as a compiled block: no hook is called
        return found

    model.block_runner = runner
    counts = []
    for layers in ([], [0, 1]):
        with torch.no_grad(), capture_blocks(model, layers) as captured:
            model(video, torch.zeros(2, 1), TextContext(TEXT), model.parallel(video, range(FRAMES), [[0]]))
        counts.append((len(run), sorted(captured)))
    assert counts == [(2, []), (2, [0, 1])]
    assert model.block_runner is runner


def test_the_configuration_and_the_weights_names_are_wans() -> None:
    assert isinstance(MODEL, CausalWan)
    assert MODEL.config.num_layers == 3
    assert CausalWan.from_config(MODEL.config).config == MODEL.config
    assert MODEL.state_dict().keys() == plain().state_dict().keys()
