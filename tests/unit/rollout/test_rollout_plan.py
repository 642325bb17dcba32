"""The arithmetic of a rollout before it runs, against what torch counts; and memory that does not grow with length."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.live_memory import LiveTensors
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
from probekit.models.context_policy import FULL_CONTEXT, TRAINED_WINDOW, ContextPolicy
from probekit.models.flops import RolloutShape, parameter_count, pass_flops, rollout_flops, rollout_memory
from probekit.models.presets import WAN_1_3B, WAN_14B, sprite_transformer_config
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.streaming_rollout import Rollout

NARROW_WAN = {**WAN_1_3B, "num_attention_heads": 1, "num_layers": 6, "ffn_dim": 896, "text_dim": 64}
SHORT_WINDOW = ContextPolicy(window_frames=9, sink_frames=3, rotary="re-indexed")
TEXT_TOKENS = 24


def causal(config: dict[str, object]) -> CausalWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: CausalWan = CausalWan(**config).eval().requires_grad_(False)
    return model


def run(model: CausalWan, size: tuple[int, int], chunks: int, policy: ContextPolicy, steps: int = 4) -> None:
    text = torch.randn(1, TEXT_TOKENS, model.config.text_dim, generator=torch.Generator().manual_seed(1))
    noise = SeededNoise(("plan",), range(1), (16, 3, *size))
    denoiser = FewStepDenoiser(few_step_sigmas()[:steps])
    with torch.no_grad():
        for _ in Rollout(model, TextContext(text), noise, denoiser, chunks=chunks, policy=policy):
            pass


@pytest.mark.long
@pytest.mark.parametrize("policy", [FULL_CONTEXT, TRAINED_WINDOW, SHORT_WINDOW])
@pytest.mark.parametrize(
    ("config", "size"),
    [
        (sprite_transformer_config(3, 4, 64), (8, 8)),
        (sprite_transformer_config(3, 8, 64), (8, 8)),
        (NARROW_WAN, (12, 14)),
    ],
    ids=["sprite-base", "sprite-large", "narrow Wan"],
)
def test_operations_and_memory_are_those_that_torch_counts(
    config: dict[str, object], size: tuple[int, int], policy: ContextPolicy
) -> None:
    model, chunks = causal(config), 5
    shape = RolloutShape(chunks, 3 * size[0] * size[1] // 4, 3, TEXT_TOKENS, 4)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run(model, size, chunks, policy)
    assert rollout_flops(config, policy, shape) == pytest.approx(counter.get_total_flops(), rel=0.01)
    with LiveTensors() as live:
        run(model, size, chunks, policy)
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert rollout_memory(config, policy, shape).total == pytest.approx(live.peak + weights, rel=0.15)


@pytest.mark.parametrize(("config", "count"), [(WAN_1_3B, 1_418_996_800), (WAN_14B, 14_288_491_584)])
def test_parameters_are_counted_exactly(config: dict[str, object], count: int) -> None:
    assert parameter_count(config) == count


def test_a_chunk_of_wan_costs_what_the_arithmetic_of_the_papers_says() -> None:
    """Four denoising passes and a commit of 3 frames of 832x480 at 21 frames of context: about 202 TFLOP."""
    tokens = 3 * 1560
    passes = 5 * pass_flops(WAN_1_3B, tokens, 18 * 1560, 512)
    assert passes / 1e12 == pytest.approx(202.0, rel=0.02)


@pytest.mark.long
def test_memory_does_not_grow_with_length() -> None:
    model = causal(sprite_transformer_config(1, 2))
    peaks = []
    for chunks in (41, 321):  # 30 s and 240 s
        with LiveTensors() as live:
            run(model, (4, 4), chunks, TRAINED_WINDOW, steps=1)
        peaks.append(live.peak)
    assert peaks[1] <= 1.02 * peaks[0]
