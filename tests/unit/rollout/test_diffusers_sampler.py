"""Pipelines of diffusers sample suites under the same keys, noise and card as our own models."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from probekit.choices import Precision
from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.loading import load_transformer, model_name
from probekit.models.pipeline_folder import count_parameters, is_foreign, pipeline_class
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.diffusers_sampler import DiffusersSampler
from probekit.rollout.generation_runner import Request, VideoGenerator
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.speed import frame_source, measure
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.speed_record import read_speed
from probekit.run_folder.video_set_check import check_video_set
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.pipeline_folders import FORCING, PIPELINES, write_pipeline
from tests.helpers.places import REPOSITORY
from tests.helpers.warm_python import run_python

SUITE = load_suite("sprite-5s").reduced(2, 2)._replace(frames=9)
CHANGES: tuple[dict[str, object], ...] = (
    {"steps": 3}, {"guidance": 9.0}, {"shift": 8.0}, {"negative_prompt": "a green square"},
)  # fmt: skip
ONE_STEP, FAST = SamplingConfig(steps=1), SamplingConfig(steps=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {name: write_pipeline(root / name, name) for name in PIPELINES}


def requests(suite: Suite = SUITE) -> list[Request]:
    texts = suite.texts()
    return [Request(key, texts[key.prompt_id]) for key in suite.keys()]


def suite_for(name: str) -> Suite:
    """The shortest length that a pipeline can make beside one frame."""
    return SUITE if name == "LTXPipeline" else SUITE._replace(frames=5)


def probekit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_video_belongs_to_its_key_and_prompt_alone(folders: dict[str, Path], name: str) -> None:
    suite, some = suite_for(name), requests()[1:3]  # another sample, another prompt
    together = DiffusersSampler(folders[name], suite, ONE_STEP).generate(some)
    assert together.shape == (2, suite.frames, 32, 32, 3)
    alone = DiffusersSampler(folders[name], suite, ONE_STEP).generate([some[1]])
    assert (together[1] == alone[0]).all()
    assert (together[0] != together[1]).any()
    other_seed = DiffusersSampler(folders[name], suite, SamplingConfig(steps=1, seed=1)).generate([some[1]])
    assert (other_seed != alone).any()


def test_diffusion_forcing_is_one_of_any_pipelines(tmp_path: Path) -> None:
    """The SkyReels-V2 of the paper's table 5; nothing in the sampler knows it."""
    folder, suite = write_pipeline(tmp_path / "forcing", FORCING), suite_for(FORCING)
    assert is_foreign(folder)
    sampler = DiffusersSampler(folder, suite, ONE_STEP)
    first, again, other = (sampler.generate([request]) for request in (*requests()[:1] * 2, requests()[1]))
    assert (first == again).all()
    assert (first != other).any()
    assert sampler.card.sampler == f"{FORCING} UniPCMultistepScheduler"


def test_two_samples_of_a_prompt_differ(folders: dict[str, Path]) -> None:
    videos = DiffusersSampler(folders["LTXPipeline"], SUITE, ONE_STEP).generate(requests()[:2])
    assert (videos[0] != videos[1]).any()


@pytest.mark.parametrize("name", PIPELINES)
def test_the_card_says_how(folders: dict[str, Path], name: str) -> None:
    card = DiffusersSampler(folders[name], SUITE, SamplingConfig(steps=3, negative_prompt="blur", seed=7)).card
    assert card.sampler is not None
    assert card.sampler.startswith(f"{name} ")
    assert (card.model, card.seed, card.steps, card.negative_prompt) == (name, 7, 3, "blur")
    assert (card.frames, card.fps, card.height, card.width) == (9, 16, 32, 32)
    defaults = {"WanPipeline": (5.0, 3.0), "LTXPipeline": (3, 1.0), "SkyReelsV2Pipeline": (6.0, 3.0)}
    assert (card.guidance, card.shift) == defaults[name]
    assert card.codec == ("AutoencoderKLLTXVideo" if name == "LTXPipeline" else "AutoencoderKLWan")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        *(("LTXPipeline", changed) for changed in CHANGES),
        ("SkyReelsV2Pipeline", {"shift": 8.0}),
        ("WanPipeline", {"guidance": 9.0}),
    ],
)
def test_every_setting_reaches_the_pipeline(folders: dict[str, Path], name: str, changed: dict[str, object]) -> None:
    suite = suite_for(name)
    plain = DiffusersSampler(folders[name], suite, FAST)
    other = DiffusersSampler(folders[name], suite, SamplingConfig.model_validate({"steps": 2, **changed}))
    (field,) = changed
    assert plain.card.model_dump()[field] != other.card.model_dump()[field] == changed[field]
    assert (plain.generate(requests()[:1]) != other.generate(requests()[:1])).any()


def test_wans_own_pipeline_makes_the_video_that_our_sampler_makes(folders: dict[str, Path]) -> None:
    """Same noise by key, same solver: two implementations, one video up to the rounding of a grey level."""
    settings = SamplingConfig(steps=2, guidance=4.0, shift=4.0, negative_prompt="blur", seed=5)
    suite = suite_for("WanPipeline")
    ours = BidirectionalSampler(folders["WanPipeline"], suite, settings)
    theirs = DiffusersSampler(folders["WanPipeline"], suite, settings)
    a, b = (sampler.generate(requests()[:1]).astype(int) for sampler in (ours, theirs))
    assert np.abs(a - b).max() <= 1
    assert (a == b).mean() > 0.999
    expected = ours.card.model_copy(update={"sampler": theirs.card.sampler, "ema": None, "batch_size": 1})
    assert theirs.card.model_copy(update={"checkpoint_hash": expected.checkpoint_hash}) == expected
    assert theirs.card.checkpoint_hash is not None


@pytest.mark.parametrize("name", PIPELINES)
def test_a_length_that_a_pipeline_cannot_make_names_its_neighbours(folders: dict[str, Path], name: str) -> None:
    below, above = (9, 17) if name == "LTXPipeline" else (9, 13)
    with pytest.raises(UserError, match=rf"{name} makes videos .* not of 12.* {below} or {above} frames"):
        DiffusersSampler(folders[name], SUITE._replace(frames=12), FAST)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_size_that_a_pipeline_cannot_make_is_named(folders: dict[str, Path], name: str) -> None:
    with pytest.raises(
        UserError, match=rf"{name} (refuses|cannot make) .*frames of 32x40.*(multiples of 16|divisible by 32)"
    ):
        DiffusersSampler(folders[name], SUITE._replace(width=40), FAST).generate(requests()[:1])


def test_folders_that_no_pipeline_can_use_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    broken = shutil.copytree(folders["LTXPipeline"], tmp_path / "broken")
    shutil.rmtree(broken / "vae")
    with pytest.raises(UserError, match=r"cannot open .*broken"):
        DiffusersSampler(broken, SUITE, FAST)
    (broken / "model_index.json").write_text("{")
    with pytest.raises(UserError, match=r"model_index\.json is not JSON"):
        pipeline_class(broken)
    with pytest.raises(UserError, match="LTXPipeline finds its timestep shift itself"):
        DiffusersSampler(dynamic_shift(folders["LTXPipeline"], tmp_path / "dynamic"), SUITE, SamplingConfig(shift=2))


def dynamic_shift(source: Path, folder: Path) -> Path:
    import shutil

    from diffusers import FlowMatchEulerDiscreteScheduler

    shutil.copytree(source, folder)
    FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    return folder


def test_which_folders_need_their_own_pipeline(folders: dict[str, Path], tmp_path: Path) -> None:
    assert {name: is_foreign(folder) for name, folder in folders.items()} == {
        "WanPipeline": False, "LTXPipeline": True, "SkyReelsV2Pipeline": True,
    }  # fmt: skip
    two = write_pipeline(tmp_path / "two", "WanPipeline")
    index = (two / "model_index.json").read_text().replace('"expand_timesteps": false', '"expand_timesteps": true')
    (two / "model_index.json").write_text(index)
    assert is_foreign(two)
    assert not is_foreign(write_tiny_model(tmp_path / "sprite"))


def test_parameters_are_counted_from_headers(folders: dict[str, Path]) -> None:
    transformer = load_transformer(folders["WanPipeline"])
    assert count_parameters(folders["WanPipeline"]) == sum(p.numel() for p in transformer.parameters())


def test_a_hub_snapshot_has_the_models_name(tmp_path: Path) -> None:
    assert model_name(tmp_path / "models--Lightricks--LTX-Video" / "snapshots" / "abc") == "LTX-Video"
    assert model_name(tmp_path / "arm" / "export") == "arm"


@pytest.mark.long
def test_the_command_samples_scores_and_measures_another_system(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a small red circle north heading east over the night in the open\n")
    common = ["--prompts", tmp_path / "prompts.txt", "--size", "32x32", "--seconds", 0.1, "--steps", 1]
    arguments = ["sample", "--model", folders["LTXPipeline"], "--out", tmp_path / "run", *common]
    command = ["-c", "from probekit.cli.main import app; app()", *map(str, arguments)]
    options = ["--measure", "--warm-up", "0", "--repeats", "2"]
    result = run_python([*command, *options], tmp_path / "process", cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert "\r" not in result.stderr + result.stdout  # a log of plain lines
    videos = load_video_set(tmp_path / "run")
    assert check_video_set(videos) == []
    assert [row.model for row in videos.rows] == ["LTXPipeline"]
    assert videos.protocol.generation.steps == 1
    speed = read_speed(tmp_path / "run")
    assert speed is not None
    assert (len(speed.seconds), speed.warm_up, speed.frames, speed.streaming) == (2, 0, 9, False)
    assert speed.first_output_seconds == speed.seconds or max(speed.first_output_seconds) <= max(speed.seconds)
    assert speed.parameters == count_parameters(folders["LTXPipeline"])
    assert probekit("score", tmp_path / "run").exit_code == 0
    for option, value in (("--shard", "0/2"), ("--prompt-cache", tmp_path / "cache")):
        refused = probekit(*arguments, "--measure", option, value)
        assert refused.exit_code == 2
        assert f"without {option}" in refused.output


def test_a_suite_is_sampled_at_a_systems_own_size(folders: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["--prompts", 1, "--samples", 1, "--seconds", 0.1, "--size", "32x64", "--steps", 1]
    made = probekit("sample", "--model", folders["LTXPipeline"], "--out", tmp_path / "run", *arguments)
    assert made.exit_code == 0, made.output
    videos = load_video_set(tmp_path / "run")
    assert [(row.suite, row.height, row.width) for row in videos.rows] == [("sprite-5s", 32, 64)]
    assert (videos.protocol.generation.height, videos.protocol.generation.width) == (32, 64)


def test_a_folder_does_not_mix_pipelines(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\n")
    common = ["--prompts", tmp_path / "prompts.txt", "--size", "32x32", "--seconds", 0.1, "--steps", 1]
    assert probekit("sample", "--model", folders["LTXPipeline"], "--out", tmp_path / "run", *common).exit_code == 0
    other = probekit("sample", "--model", folders["SkyReelsV2Pipeline"], "--out", tmp_path / "run", *common)
    assert other.exit_code == 2
    assert "generation.model" in other.output


def test_speed_is_measured_after_the_warm_up_by_the_wall_clock() -> None:
    now = [0.0]
    videos: list[Request] = []

    def source(request: Request) -> Iterator[NDArray[np.uint8]]:
        videos.append(request)
        for _ in range(3):
            now[0] += 1.0 if len(videos) > 2 else 100.0
            yield np.zeros((1, 4, 2, 2, 3), np.uint8)

    timing = measure(source, requests()[0], warm_up=2, repeats=3, clock=lambda: now[0])
    assert timing == ((3.0, 3.0, 3.0), (1.0, 1.0, 1.0))
    assert len(videos) == 5


def test_a_streaming_generator_shows_chunks_and_the_same_video(tmp_path: Path) -> None:
    from probekit.models.causal_card import CausalCard, write_causal_card

    folder = write_tiny_model(tmp_path / "student")
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=1, shift=5.0, few_steps=(1000, 500)))
    sampler: VideoGenerator = StreamingSampler(folder, SUITE)
    chunks = list(frame_source(sampler)(requests()[0]))
    assert [chunk.shape[1] for chunk in chunks] == [1, 4, 4]
    whole = sampler.generate(requests()[:1])
    assert (np.concatenate(chunks, axis=1) == whole).all()
    whole_clip = BidirectionalSampler(folder, SUITE, SamplingConfig(steps=1))
    assert len(list(frame_source(whole_clip)(requests()[0]))) == 1


def test_half_precision_reaches_a_bidirectional_model(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    full, half = (
        BidirectionalSampler(folder, SUITE, SamplingConfig(steps=1, precision=precision))
        for precision in get_args(Precision)
    )
    a, b = (sampler.generate(requests()[:1]).astype(int) for sampler in (full, half))
    assert 0 < np.abs(a - b).mean() < 10
    assert (full.card.precision, half.card.precision) == (None, "bfloat16")


def test_half_precision_reaches_a_pipeline_and_its_card(folders: dict[str, Path]) -> None:
    full, half = (
        DiffusersSampler(folders["LTXPipeline"], SUITE, SamplingConfig(steps=1, precision=precision))
        for precision in get_args(Precision)
    )
    assert (full.card.precision, half.card.precision) == (None, "bfloat16")
    assert (full.generate(requests()[:1]) != half.generate(requests()[:1])).any()
