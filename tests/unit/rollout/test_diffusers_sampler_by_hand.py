"""What a pipeline of diffusers is asked, by its signature, and what becomes of its answer, by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from probekit.errors import UserError
from probekit.rollout import diffusers_sampler as module
from probekit.rollout.diffusers_sampler import DiffusersSampler
from probekit.rollout.generation_runner import Request
from probekit.rollout.initial_noise import initial_noise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.seeding import counter_seed
from probekit.suites.registry import load_suite
from tests.helpers.pipeline_folders import write_pipeline

SUITE = load_suite("sprite-5s").reduced(2, 2)._replace(frames=9)
SIZES = {"height": 32, "width": 32, "num_frames": 9, "output_type": "np"}


class Bare(DiffusionPipeline):  # type: ignore[misc]
    """A text-to-video pipeline that has neither steps nor guidance nor negative prompts."""

    def __call__(
        self,
        prompt: object,
        height: int = 8,
        width: int = 8,
        num_frames: int = 9,
        generator: object = None,
        output_type: str = "np",
    ) -> None: ...


class Unguided(DiffusionPipeline):  # type: ignore[misc]
    """One that takes a negative prompt, and has no scale of guidance unless it is given one."""

    def __call__(
        self,
        prompt: object = None,
        height: int = 8,
        width: int = 8,
        num_frames: int = 9,
        generator: object = None,
        output_type: str = "np",
        negative_prompt: object = None,
        guidance_scale: float | None = None,
    ) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("pipelines") / "LTXPipeline", "LTXPipeline")


def test_a_pipeline_is_asked_for_the_suites_size_and_keeps_its_own_defaults() -> None:
    arguments, steps, guidance, negative = module._call(diffusers.WanPipeline, SUITE, SamplingConfig())
    assert arguments == {**SIZES, "negative_prompt": ""}
    assert (steps, guidance, negative) == (50, 5.0, "")
    assert module._call(diffusers.LTXPipeline, SUITE, SamplingConfig()).arguments["frame_rate"] == SUITE.fps


def test_what_is_chosen_stands_among_the_arguments_and_on_the_card() -> None:
    asked = SamplingConfig(steps=3, guidance=1.5, negative_prompt="a blur")
    call = module._call(diffusers.WanPipeline, SUITE, asked)
    chosen = {"num_inference_steps": 3, "guidance_scale": 1.5, "negative_prompt": "a blur"}
    assert call.arguments == {**SIZES, **chosen}
    assert (call.steps, call.guidance, call.negative_prompt) == (3, 1.5, "a blur")


def test_without_guidance_the_card_states_no_negative_prompt() -> None:
    call = module._call(diffusers.WanPipeline, SUITE, SamplingConfig(guidance=1.0, negative_prompt="a blur"))
    assert (call.guidance, call.negative_prompt, call.arguments["negative_prompt"]) == (1.0, None, "a blur")
    call = module._call(Unguided, SUITE, SamplingConfig(negative_prompt="a blur"))
    assert (call.guidance, call.negative_prompt) == (None, None)


def test_a_pipeline_with_no_options_is_asked_for_none_and_refuses_those_that_are_set() -> None:
    assert module._call(Bare, SUITE, SamplingConfig()) == (SIZES, None, None, None)
    for asked, name in (
        ({"steps": 3}, "num_inference_steps"), ({"guidance": 2.0}, "guidance_scale"),
        ({"negative_prompt": "a blur"}, "negative_prompt"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"Bare takes no {name}"):
            module._call(Bare, SUITE, SamplingConfig.model_validate(asked))


def test_pipelines_that_make_no_video_or_need_more_than_a_prompt_are_refused() -> None:
    with pytest.raises(UserError, match="StableDiffusionPipeline is no text-to-video pipeline: it takes no num_frames"):
        module._call(diffusers.StableDiffusionPipeline, SUITE, SamplingConfig())
    with pytest.raises(UserError, match="WanImageToVideoPipeline needs more than a prompt: image"):
        module._call(diffusers.WanImageToVideoPipeline, SUITE, SamplingConfig())


@pytest.mark.parametrize("name", ["vae_scale_factor_temporal", "vae_temporal_compression_ratio"])
def test_lengths_are_one_frame_and_whole_strides(name: str) -> None:
    pipeline = type("Strided", (), {name: 8})()
    for frames in (1, 9, 17, 81):
        module._check_length(pipeline, frames)
    for frames, below, above in ((2, 1, 9), (8, 1, 9), (10, 9, 17), (16, 9, 17), (18, 17, 25)):
        with pytest.raises(
            UserError, match=rf"Strided makes .* 1 \+ 8·n frames, not of {frames}\..* {below} or {above} "
        ):
            module._check_length(pipeline, frames)
    module._check_length(type("Free", (), {})(), 10)
    module._check_length(type("Unknown", (), {name: None})(), 10)


@pytest.mark.parametrize(
    ("scheduler", "own"),
    [
        (FlowMatchEulerDiscreteScheduler(shift=2.0), 2.0),
        (UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0), 3.0),
        (FlowMatchEulerDiscreteScheduler(shift=2.0, use_dynamic_shifting=True), None),
    ],
)
def test_a_shift_is_set_under_the_schedulers_own_name_unless_it_finds_it_itself(scheduler: Any, own: float) -> None:
    pipeline: Any = SimpleNamespace(scheduler=scheduler)
    assert module._shift(pipeline, None) == own
    assert pipeline.scheduler is scheduler
    if own is None:
        with pytest.raises(UserError, match="finds its timestep shift itself"):
            module._shift(pipeline, 7.0)
        return
    assert module._shift(pipeline, 7.0) == 7.0
    settings = pipeline.scheduler.config
    assert type(pipeline.scheduler) is type(scheduler)
    assert settings["flow_shift" if "flow_shift" in settings else "shift"] == 7.0


def answering(folder: Path, frames: Any, seed: int = 0) -> tuple[DiffusersSampler, list[dict[str, Any]]]:
    """A sampler whose pipeline gives these frames, or raises them, and what it is asked."""
    sampler, asked = DiffusersSampler(folder, SUITE, SamplingConfig(steps=1, seed=seed)), []

    def answer(**given: Any) -> Any:
        asked.append(given)
        if isinstance(frames, Exception):
            raise frames
        return SimpleNamespace(frames=frames[None])

    sampler._pipeline = answer
    return sampler, asked


def requests() -> list[Request]:
    return [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()]


def test_pixels_are_cut_to_0_and_1_and_rounded_to_the_nearest_level(folder: Path) -> None:
    levels = np.resize(np.array([-0.5, 0.0, 0.1, 0.5, 0.999, 1.0, 1.7]), (9, 32, 32, 3))
    sampler, _ = answering(folder, levels)
    (video,) = sampler.generate(requests()[:1])
    assert video.dtype == np.uint8
    assert video.ravel()[:7].tolist() == [0, 0, 26, 128, 255, 255, 255]


def test_every_video_is_one_call_with_its_own_prompt_and_seed(folder: Path) -> None:
    sampler, asked = answering(folder, np.zeros((9, 32, 32, 3)), seed=4)
    assert sampler.generate(requests()).shape == (4, 9, 32, 32, 3)
    assert sampler.card.batch_size == 1
    assert [given["prompt"] for given in asked] == [[request.prompt] for request in requests()]
    for given, request in zip(asked, requests(), strict=True):
        (source,) = given["generator"]
        key = request.key
        assert source.initial_seed() == counter_seed("pipeline", 4, key.prompt_id, key.sample)
        assert "latents" not in given
        assert given["num_inference_steps"] == 1


def test_answers_of_another_shape_or_without_numbers_and_refusals_are_named(folder: Path) -> None:
    for shape in ((5, 32, 24, 3), (9, 32, 32, 4)):
        made = f"made {shape[0]} frames of {shape[1]}x{shape[2]}, not 9 frames of 32x32"
        with pytest.raises(UserError, match=made):
            answering(folder, np.zeros(shape))[0].generate(requests()[:1])
    broken = np.zeros((9, 32, 32, 3))
    broken[3, 1, 2, 0] = np.nan
    with pytest.raises(UserError, match="pixels that are not numbers"):
        answering(folder, broken)[0].generate(requests()[:1])
    with pytest.raises(UserError, match="LTXPipeline refuses 9 frames of 32x32: no such size"):
        answering(folder, ValueError("no such size"))[0].generate(requests()[:1])


def test_without_a_configuration_the_pipelines_own_is_sampled(folder: Path) -> None:
    card = DiffusersSampler(folder, SUITE).card
    assert (card.seed, card.steps, card.guidance, card.precision) == (0, 50, 3, None)
    assert DiffusersSampler(folder, SUITE, SamplingConfig(seed=5, steps=2)).card.seed == 5


@pytest.mark.parametrize(
    ("frames", "height", "width", "message"),
    [
        (7, 32, 32, r"WanPipeline makes videos of 1 \+ 4·n frames, not of 7\..* 5 or 9 frames"),
        (9, 36, 32, "WanPipeline refuses frames of 36x32: no multiples of 8"),
        (9, 32, 36, "WanPipeline refuses frames of 32x36: no multiples of 8"),
    ],
)
def test_wans_lengths_and_sizes_are_refused_before_a_weight_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, height: int, width: int, message: str
) -> None:
    wan = write_pipeline(tmp_path / "wan", "WanPipeline")
    monkeypatch.setattr(module, "open_pipeline", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(UserError, match=message):
        DiffusersSampler(wan, SUITE._replace(frames=frames, height=height, width=width))


def test_wan_starts_from_the_noise_of_our_own_samplers(tmp_path: Path) -> None:
    sampler = DiffusersSampler(write_pipeline(tmp_path / "wan", "WanPipeline"), SUITE, SamplingConfig(seed=2))
    key = SUITE.keys()[1]
    given = sampler._noise(key)
    assert sampler._geometry is not None
    expected = initial_noise(sampler._geometry, 3, 2, key)
    assert given["latents"].shape == (1, 16, 3, 4, 4)
    assert torch.equal(given["latents"][0], expected)


def test_the_steps_of_a_video_show_no_bar(folder: Path) -> None:
    """The run shows one of its own."""
    pipeline = DiffusersSampler(folder, SUITE)._pipeline
    assert pipeline.progress_bar(total=1).disable
