"""Our sampler against diffusers' own pipeline, and its independence of batches."""

from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanPipeline

from probekit.diffusion.flow_matching import shift_sigma
from probekit.models.loading import load_text_encoder
from probekit.rollout.bidirectional_sampler import BidirectionalSampler, shifted_scheduler, solve_flow
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import tiny_transformer, tiny_vae, write_tiny_model

SCHEDULERS = {
    "unipc": UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0),
    "euler": FlowMatchEulerDiscreteScheduler(shift=1.0),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_solver_equals_the_diffusers_pipeline(name: str, guidance: float, tmp_path: Path) -> None:
    text = load_text_encoder(write_tiny_model(tmp_path))
    scheduler = shifted_scheduler(SCHEDULERS[name], 4, 3.0)
    transformer = tiny_transformer()
    pipeline = WanPipeline(
        tokenizer=None, text_encoder=None, vae=tiny_vae(), scheduler=scheduler, transformer=transformer
    )
    pipeline.set_progress_bar_config(disable=True)
    embedded, negative = (
        text.encode(["a small red circle north heading east over the night in the open"]),
        text.encode([""]),
    )
    noise = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    theirs = pipeline(
        prompt_embeds=embedded,
        negative_prompt_embeds=negative,
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=4,
        guidance_scale=guidance,
        latents=noise.clone(),
        output_type="latent",
    ).frames
    with torch.no_grad():
        ours = solve_flow(transformer, shifted_scheduler(SCHEDULERS[name], 4, 3.0), noise, embedded, negative, guidance)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_unipc_scheduler_uses_the_shift_formula() -> None:
    scheduler = shifted_scheduler(SCHEDULERS["unipc"], 5, 3.0)
    uniform = torch.cat([torch.linspace(1, 1 / 1000, 6)[:-1], torch.zeros(1)])
    torch.testing.assert_close(scheduler.sigmas, shift_sigma(uniform, 3.0), atol=1e-5, rtol=1e-4)


def test_a_video_depends_on_its_key_and_prompt_alone(tmp_path: Path) -> None:
    suite = load_suite("sprite-5s").reduced(3, 2)._replace(frames=9)
    sampler = BidirectionalSampler(write_tiny_model(tmp_path), suite, SamplingConfig(steps=2, seed=5))
    requests = [Request(key, suite.texts()[key.prompt_id]) for key in suite.keys()]
    together = sampler.generate(requests).astype(int)
    assert together.shape == (6, 9, 32, 32, 3)
    alone = sampler.generate(requests[4:5]).astype(int)
    reversed_order = sampler.generate(requests[::-1]).astype(int)
    assert abs(together[4] - alone[0]).max() <= 1
    assert abs(together[::-1] - reversed_order).max() <= 1
    assert abs(together[4] - together[5]).max() > 1


def test_observers_see_every_step(tmp_path: Path) -> None:
    text = load_text_encoder(write_tiny_model(tmp_path)).encode(
        ["a small red circle north heading east over the night in the open"]
    )
    seen = []
    with torch.no_grad():
        result = solve_flow(
            tiny_transformer(),
            shifted_scheduler(SCHEDULERS["unipc"], 3, 4.0),
            torch.randn(1, 16, 1, 4, 4),
            text,
            text,
            1.0,
            observe=lambda index, latents: seen.append((index, latents)),
        )
    assert [index for index, _ in seen] == [0, 1, 2]
    assert torch.equal(seen[-1][1], result)
