"""The pipeline: diffusers' conventions, and a stream that equals the whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline, WanTransformer3DModel

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard
from probekit.models.wan_codec import WanVideoCodec
from probekit.rollout.causal_pipeline import CausalWanPipeline
from tests.helpers.model_folders import tiny_vae, write_tiny_model

PROMPT = "a small red circle north heading east over the night in the open"
SIZE = {"height": 32, "width": 32}


@pytest.fixture(scope="module")
def pipeline() -> CausalWanPipeline:
    return CausalWanPipeline.from_pretrained("sprite-dmd-baseline")


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.long
def test_the_stream_equals_the_whole(pipeline: CausalWanPipeline) -> None:
    whole = pipeline(PROMPT, **SIZE, num_frames=81, generator=seeded()).frames
    assert whole.shape == (1, 81, 32, 32, 3)
    assert 0 <= whole.min() <= whole.max() <= 1
    parts = list(pipeline.stream(PROMPT, **SIZE, num_chunks=7, generator=seeded()))
    assert [part.first_frame for part in parts] == [0, 9, 21, 33, 45, 57, 69]
    streamed = np.concatenate([part.frames for part in parts], axis=1)
    assert np.abs(streamed - 255 * whole).max() <= 0.5 + 1e-3


def test_wans_codec_streams_too(pipeline: CausalWanPipeline) -> None:
    """Streaming decode with the VAE's feature cache equals one-shot decode."""
    wan = CausalWanPipeline(pipeline.transformer, WanVideoCodec(tiny_vae()), pipeline.text, pipeline.card)
    size = {"height": 64, "width": 64}
    whole = wan(PROMPT, **size, num_frames=21, generator=seeded(), output_type="pt").frames
    assert whole.shape == (1, 21, 3, 64, 64)
    streamed = np.concatenate([p.frames for p in wan.stream(PROMPT, **size, num_chunks=2, generator=seeded())], axis=1)
    assert np.abs(streamed - 255 * whole.movedim(2, -1).numpy()).max() <= 0.5 + 1e-2


def test_frames_come_before_the_video_is_done(pipeline: CausalWanPipeline) -> None:
    seen: list[int] = []

    def count(pipe: object, index: int, timestep: float, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.append(index)
        return tensors

    stream = pipeline.stream(PROMPT, **SIZE, num_chunks=100, generator=seeded(), callback_on_step_end=count)
    next(stream)
    assert seen == [0, 1, 2, 3]


def test_latents_can_begin_a_video_and_prompts_can_change(pipeline: CausalWanPipeline) -> None:
    latents = pipeline(PROMPT, **SIZE, num_frames=21, generator=seeded(), output_type="latent", return_dict=False)[0]
    assert latents.shape == (1, 16, 6, 8, 8)
    more = pipeline(PROMPT, **SIZE, num_frames=33, first_latents=latents, output_type="latent").frames
    assert torch.equal(more[:, :, :6], latents)
    switched = pipeline({0: PROMPT, 1: "a large blue square south heading west over the desert"}, **SIZE, num_frames=21,
                        generator=seeded(), output_type="latent").frames  # fmt: skip
    assert torch.equal(switched[:, :, :3], latents[:, :, :3])
    assert not torch.equal(switched[:, :, 3:], latents[:, :, 3:])


def test_several_prompts_make_several_videos(pipeline: CausalWanPipeline) -> None:
    assert pipeline([PROMPT, "a green square"], **SIZE, num_frames=9).frames.shape == (2, 9, 32, 32, 3)


def test_the_transformer_opens_in_stock_diffusers(pipeline: CausalWanPipeline, tmp_path: Path) -> None:
    pipeline.transformer.save_pretrained(tmp_path / "plain")
    stock = WanTransformer3DModel.from_pretrained(tmp_path / "plain")
    assert all(map(torch.equal, stock.state_dict().values(), pipeline.transformer.state_dict().values()))
    assert issubclass(type(pipeline), WanPipeline.__mro__[1])


def test_bad_requests_are_named(pipeline: CausalWanPipeline, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not whole chunks of 3"):
        pipeline(PROMPT, **SIZE, num_frames=77)
    with pytest.raises(UserError, match="multiples of 8"):
        pipeline(PROMPT, height=30, width=32, num_frames=81)
    with pytest.raises(UserError, match="not a causal generator"):
        CausalWanPipeline.from_pretrained(write_tiny_model(tmp_path))
    with pytest.raises(UserError, match="does not know torch_type"):
        CausalWanPipeline.from_pretrained("sprite-ode", torch_type=torch.float16)


def test_half_precision_runs(pipeline: CausalWanPipeline) -> None:
    half = CausalWanPipeline.from_pretrained("sprite-dmd-baseline", torch_dtype=torch.bfloat16)
    assert half.card == CausalCard.model_validate(pipeline.card.model_dump())
    assert half.transformer.dtype == torch.bfloat16
    assert half.transformer.blocks[0].scale_shift_table.dtype == torch.float32
    assert half.transformer.blocks[0].ffn.net[2].weight.dtype == torch.bfloat16
    video = half(PROMPT, **SIZE, num_frames=21, generator=seeded(), output_type="latent").frames
    exact = pipeline(PROMPT, **SIZE, num_frames=21, generator=seeded(), output_type="latent").frames
    assert (video - exact).abs().mean() < 0.1 * exact.abs().mean()
