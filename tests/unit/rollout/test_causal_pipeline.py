"""The pipeline: diffusers' conventions, and a stream that equals the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanPipeline, WanTransformer3DModel
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy
from probekit.models.text_context import TextContext
from probekit.models.wan_codec import WanVideoCodec
from probekit.rollout.causal_pipeline import CausalWanPipeline
from probekit.rollout.noise import GeneratorNoise
from probekit.rollout.prompt_schedule import PromptSchedule
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.rollout.streaming_sampler import denoiser_of
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


PROMPTS = [PROMPT, "a large blue square south heading west over the desert in the open"]
SHAPE = (16, 3, 8, 8)


def tiny(folder: Path, guidance: float = 1.0, **steps: Any) -> CausalWanPipeline:
    """A causal generator of two layers that takes two Euler steps, or the steps that are given."""
    card = CausalCard(
        role="dmd_student" if steps else "ar_teacher", chunk_frames=3, shift=5.0, guidance=guidance,
        **(steps or {"euler_steps": 2}),
    )  # fmt: skip
    write_causal_card(write_tiny_model(folder), card)
    return CausalWanPipeline.from_pretrained(folder)


@torch.no_grad()
def by_hand(made: CausalWanPipeline, texts: Any, videos: int, chunks: int = 2, **options: Any) -> Tensor:
    noise = GeneratorNoise(videos, SHAPE, seeded())
    denoiser = denoiser_of(made.card)
    return roll_out(
        Rollout(
            made.transformer, texts, noise, denoiser, chunks=chunks, guidance=made.card.guidance,
            **{"policy": TRAINED_WINDOW, **options},
        )
    )  # fmt: skip


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_latents_are_those_of_a_rollout_with_the_generators_noise_and_the_cards_guidance(
    tmp_path: Path, guidance: float
) -> None:
    made = tiny(tmp_path / "ar", guidance)
    negative = ["a blur"] * 2 if guidance > 1 else []
    expected = by_hand(made, TextContext(made.text.encode([*PROMPTS, *negative])), 2)
    given: dict[str, Any] = {**SIZE, "num_frames": 21, "output_type": "latent", "negative_prompt": "a blur"}
    found = made(PROMPTS, generator=seeded(), **given)
    torch.testing.assert_close(found.frames, expected)
    as_tuple = made(PROMPTS, generator=seeded(), return_dict=False, **given)
    assert isinstance(as_tuple, tuple)
    assert len(as_tuple) == 1
    assert torch.equal(as_tuple[0], found.frames)
    plain = made(PROMPTS, generator=seeded(), **{**given, "negative_prompt": "a circle"}).frames
    assert torch.equal(plain, found.frames) == (guidance == 1)


def test_prompts_by_chunk_of_one_video_or_of_several_and_a_policy_reach_the_rollout(tmp_path: Path) -> None:
    made = tiny(tmp_path / "student", few_steps=(1000, 500))
    one, both = ({0: texts[0], 1: texts[1]} for texts in (PROMPTS, (PROMPTS, PROMPTS[::-1])))
    for prompts, videos in ((one, 1), (both, 2)):
        texts = {
            start: TextContext(made.text.encode([text] if isinstance(text, str) else list(text)))
            for start, text in prompts.items()
        }
        policy = ContextPolicy(window_frames=3)
        expected = by_hand(made, PromptSchedule(texts), videos, policy=policy)
        found = made(prompts, **SIZE, num_frames=21, generator=seeded(), output_type="latent", policy=policy).frames
        torch.testing.assert_close(found, expected)


class Stretched:
    """A codec whose pixels leave [-1, 1], as those of a VAE do."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.spatial_stride = inner.spatial_stride

    def decode(self, latents: Tensor) -> Tensor:
        found: Tensor = 1.5 * self._inner.decode(latents)
        return found


def test_frames_are_half_of_what_the_codec_says_plus_one_cut_to_0_and_1(tmp_path: Path) -> None:
    own = tiny(tmp_path / "student", few_steps=(1000,))
    made = CausalWanPipeline(own.transformer, Stretched(own.codec), own.text, own.card)
    start = 5 * torch.randn(1, 16, 3, 8, 8, generator=seeded())
    options: dict[str, Any] = {**SIZE, "num_frames": 21, "first_latents": start}
    latents = made(PROMPT, generator=seeded(), output_type="latent", **options).frames
    assert latents.shape == (1, 16, 6, 8, 8)
    assert torch.equal(latents[:, :, :3], start)
    with torch.no_grad():
        raw = (made.codec.decode(latents) + 1) / 2
    assert raw.min() < -0.1
    assert raw.max() > 1.1
    as_tensor = made(PROMPT, generator=seeded(), output_type="pt", **options).frames
    torch.testing.assert_close(as_tensor, raw.clamp(0, 1).permute(0, 2, 1, 3, 4))
    as_array = made(PROMPT, generator=seeded(), **options).frames
    assert isinstance(as_array, np.ndarray)
    np.testing.assert_allclose(as_array, raw.clamp(0, 1).permute(0, 2, 3, 4, 1).numpy())


@pytest.mark.parametrize(
    ("guidance", "steps", "sigmas"),
    [(1.0, {"few_steps": (1000, 500)}, (1.0, 2.5 / 3)), (3.0, {}, (1.0, 2.5 / 3))],
)
def test_the_callback_sees_every_denoising_pass_by_its_number_and_timestep_and_no_commit(
    tmp_path: Path, guidance: float, steps: dict[str, Any], sigmas: tuple[float, ...]
) -> None:
    made, seen = tiny(tmp_path / "model", guidance, **steps), []

    def look(
        pipeline: CausalWanPipeline, number: int, timestep: float, tensors: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        seen.append((pipeline, number, timestep, tensors["latents"].clone()))
        return tensors

    made(PROMPT, **SIZE, num_frames=21, generator=seeded(), output_type="latent", callback_on_step_end=look)
    assert [number for _, number, _, _ in seen] == [0, 1, 2, 3]
    assert [timestep for _, _, timestep, _ in seen] == pytest.approx([1000 * sigma for sigma in sigmas] * 2)
    assert {id(pipeline) for pipeline, *_ in seen} == {id(made)}
    torch.testing.assert_close(seen[0][3], GeneratorNoise(1, SHAPE, seeded())(0, 0))


def test_a_stream_says_where_its_frames_belong_and_begins_with_what_was_given(tmp_path: Path) -> None:
    made = tiny(tmp_path / "student", few_steps=(1000,))
    start = torch.randn(2, 16, 3, 8, 8, generator=seeded())
    plain = list(made.stream(PROMPTS, **SIZE, num_chunks=2, generator=seeded()))
    assert [(part.chunk, part.first_frame, part.frames.shape[1]) for part in plain] == [(0, 0, 9), (1, 9, 12)]
    more = list(made.stream(PROMPTS, **SIZE, num_chunks=2, generator=seeded(), first_latents=start))
    assert [(part.chunk, part.first_frame) for part in more] == [(-1, 0), (0, 9), (1, 21)]
    whole = made(PROMPTS, **SIZE, num_frames=33, generator=seeded(), first_latents=start).frames
    streamed = np.concatenate([part.frames for part in more], axis=1)
    assert streamed.shape == whole.shape == (2, 33, 32, 32, 3)
    assert np.abs(streamed - 255 * whole).max() <= 0.5 + 1e-2
