"""Samplers against what they are told: noise of keys, prompts, noise levels, guidance; and that cards say the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from torch import Tensor

from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy
from probekit.models.loading import load_text_encoder
from probekit.models.text_context import TextContext
from probekit.rollout.bidirectional_sampler import BidirectionalSampler, shifted_scheduler
from probekit.rollout.chunk_denoisers import EulerDenoiser, FewStepDenoiser
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import CARDS, write_tiny_models
from tests.helpers.network_calls import Calls

SUITE = load_suite("sprite-5s").reduced(2, 1)
CLIPS, STREAMS = SUITE._replace(frames=9), SUITE._replace(frames=33)  # 3 latent frames, and 3 chunks of 3
REQUESTS = [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()]
SHAPE = (16, 3, 8, 8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_tiny_models(tmp_path_factory.mktemp("models"))


def texts(folder: Path, *prompts: str) -> Tensor:
    return load_text_encoder(folder).encode(list(prompts))


def filled(size: int) -> list[Request]:
    """The requests, and the last one again up to a whole pass."""
    return [*REQUESTS, *[REQUESTS[-1]] * (size - len(REQUESTS))]


@pytest.mark.parametrize(
    ("config", "steps", "guidance", "shift"),
    [
        (None, 10, 2.0, 4.0),
        (SamplingConfig(steps=3, guidance=1.0, shift=2.0, seed=7), 3, 1.0, 2.0),
        (SamplingConfig(steps=1, guidance=2.0, negative_prompt="a blurry square", seed=7), 1, 2.0, 4.0),
    ],
)
def test_a_clip_is_solved_from_its_keys_noise_with_the_steps_guidance_and_shift_of_the_configuration(
    folders: dict[str, Path], config: SamplingConfig | None, steps: int, guidance: float, shift: float
) -> None:
    sampler = BidirectionalSampler(folders["clip"], CLIPS, config)
    with Calls(sampler._transformer) as calls:
        videos = sampler.generate(REQUESTS)
    assert videos.shape == (2, 9, 32, 32, 3)
    size = sampler.card.batch_size
    assert size is not None
    asked, seed = filled(size), 0 if config is None else config.seed
    negative = (config and config.negative_prompt) or ""
    halves = 2 if guidance > 1 else 1
    expected = texts(folders["clip"], *(one.prompt for one in asked), *([negative] * size if halves == 2 else []))
    noise = KeyedNoise([one.key for one in asked], SHAPE, seed)(0, 0)
    torch.testing.assert_close(calls.given[0]["hidden_states"], torch.cat([noise] * halves))
    for given, level in zip(
        calls.given, shifted_scheduler(sampler._parts.scheduler, steps, shift).timesteps, strict=True
    ):
        torch.testing.assert_close(given["encoder_hidden_states"], expected)
        assert torch.equal(given["timestep"], level.expand(halves * size))
    card = sampler.card
    assert (card.steps, card.guidance, card.shift, card.seed) == (steps, guidance, shift, seed)
    assert card.negative_prompt == (negative if halves == 2 else None)
    assert (card.frames, card.fps, card.height, card.width, card.ema) == (9, SUITE.fps, 32, 32, sampler._parts.ema)


def euler_scheduler(shift: float) -> Any:
    return FlowMatchEulerDiscreteScheduler(shift=shift)


def unipc_scheduler(shift: float) -> Any:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)


@pytest.mark.parametrize("made", [euler_scheduler, unipc_scheduler])
def test_a_schedule_is_shifted_anew_whatever_the_scheduler_calls_its_shift(made: Any) -> None:
    """A copy of the one with shift 3 is the one that was made with shift 5, and the one with shift 3 stays."""
    kept, expected = made(3.0), made(5.0)
    expected.set_timesteps(4)
    assert torch.equal(shifted_scheduler(kept, 4, 5.0).timesteps, expected.timesteps)
    assert kept.config == made(3.0).config
    assert len(kept.timesteps) == 1000


def test_a_clip_is_sampled_without_a_graph(folders: dict[str, Path]) -> None:
    sampler, seen = BidirectionalSampler(folders["clip"], CLIPS, SamplingConfig(steps=2, guidance=1.0)), []
    sampler._transformer.register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    assert sampler.generate(REQUESTS[:1]).shape == (1, 9, 32, 32, 3)
    assert seen == [False, False]


LEVELS = {1000: 1.0, 500: 5 * 0.5 / (1 + 4 * 0.5)}


@pytest.mark.parametrize(
    ("kind", "values", "denoiser", "first"),
    [
        ("student", {"seed": 7}, FewStepDenoiser((LEVELS[1000], LEVELS[500])), None),
        ("student", {"few_steps": (1000,)}, FewStepDenoiser((1.0,)), None),
        (
            "student",
            {"first_chunk_steps": (1000,), "policy": ContextPolicy(window_frames=6)},
            FewStepDenoiser((LEVELS[1000], LEVELS[500])),
            FewStepDenoiser((1.0,)),
        ),
        ("ar", {"negative_prompt": "a blurry square"}, EulerDenoiser((1.0, LEVELS[500], 0.0)), None),
    ],
)
def test_a_stream_is_the_rollout_of_its_keys_noise_with_the_cards_steps_and_guidance(
    folders: dict[str, Path], kind: str, values: dict[str, Any], denoiser: Any, first: Any
) -> None:
    config = SamplingConfig.model_validate(values)
    sampler = StreamingSampler(folders[kind], STREAMS, config)
    asked = filled(sampler.batch_size)
    guidance = CARDS[kind].guidance
    negative = [config.negative_prompt or ""] * len(asked) if guidance > 1 else []
    embeddings = texts(folders[kind], *(one.prompt for one in asked), *negative)
    with torch.no_grad():
        expected = roll_out(
            Rollout(
                sampler.model, TextContext(embeddings, merge=False),
                KeyedNoise([one.key for one in asked], SHAPE, config.seed), denoiser, chunks=3,
                policy=config.policy or TRAINED_WINDOW, guidance=guidance, first_denoiser=first,
            )
        )  # fmt: skip
    torch.testing.assert_close(sampler.rollout(REQUESTS), expected, rtol=1e-4, atol=1e-5)
    assert sampler.card.steps == (2 if kind == "ar" else len(config.few_steps or (1000, 500)))
    assert sampler.card.negative_prompt == (config.negative_prompt if guidance > 1 else None)


def test_a_streams_frames_come_chunk_by_chunk_and_are_those_of_the_whole_video(folders: dict[str, Path]) -> None:
    sampler = StreamingSampler(folders["student"], STREAMS)
    parts = list(sampler.stream(REQUESTS[0]))
    assert [part.shape[1] for part in parts] == [9, 12, 12]
    whole = sampler.generate(REQUESTS)
    assert whole.shape == (2, 33, 32, 32, 3)
    assert np.abs(np.concatenate(parts, axis=1)[0].astype(int) - whole[0].astype(int)).max() <= 1


def test_a_streams_network_has_the_folders_weights_and_does_not_learn(folders: dict[str, Path]) -> None:
    sampler = StreamingSampler(folders["student"], STREAMS)
    given = sampler.parts.transformer.state_dict()
    assert sampler.model.state_dict().keys() == given.keys()
    assert all(torch.equal(tensor, given[name]) for name, tensor in sampler.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in sampler.model.parameters())
    assert not sampler.model.training
