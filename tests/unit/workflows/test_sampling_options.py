"""Prompt files, lengths, policies, the prompt cache and the plan of `probekit sample`."""

import importlib.util
import logging
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.cli.options import parse_shard
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.models.prompt_cache import CachedPrompts
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.shard import Shard
from probekit.suites.prompt_files import suite_from_file
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

BASE = SHIPPED_MODELS / "sprite-base"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "student")
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sample", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_a_prompt_file_is_sampled_at_the_length_asked_for(student: Path, tmp_path: Path) -> None:
    (tmp_path / "my prompts.txt").write_text(
        "a small red circle north heading east over the night in the open\na green square\n"
    )
    arguments = ["--model", str(student), "--prompts", str(tmp_path / "my prompts.txt"), "--seconds", "1"]
    code, output = invoke(*arguments, "--out", str(tmp_path / "run"))
    assert code == 0, output
    videos = load_video_set(tmp_path / "run")
    assert [row.prompt for row in videos.rows] == [
        "a small red circle north heading east over the night in the open",
        "a green square",
    ]
    assert videos.protocol.generation.frames == SPRITE_GEOMETRY.frames_for(1) == 21
    assert videos.protocol.prompts.suite == "my-prompts"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "one\n\ntwo\n", "line 2: the prompt is empty"),
        ("a.txt", "", "holds no prompts"),
        ("a.csv", "prompt_id,prompt\nx,one\nx,two\n", "'x' is also on line 2"),
        ("a.csv", "prompt_id,prompt\n,one\n", "line 2: the prompt_id is empty"),
        ("a.csv", "prompt_id,prompt\na/b,one\n", "cannot be part of a file name"),
        ("a.csv", "id,text\n1,one\n", "no column prompt_id, and its column 'id' is not read"),
    ],
)
def test_prompt_files_that_would_lose_videos_are_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        suite_from_file(tmp_path / name, seconds=5, geometry=SPRITE_GEOMETRY)


def test_a_length_is_rounded_up_to_whole_chunks_of_the_model(tmp_path: Path) -> None:
    """A second is 5 latent frames: 6 in chunks of three, 5 in chunks of one."""
    folder = write_tiny_model(tmp_path / "framewise")
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=1, shift=5.0, few_steps=(1000,)))
    code, output = invoke("--model", str(folder), "--prompts", "1", "--seconds", "1", "--plan", "--out", str(tmp_path))
    assert code == 0, output
    assert "of 17 frames, 5 chunks of 16 tokens" in output


def test_policy_and_steps_reach_the_card(student: Path, tmp_path: Path) -> None:
    code, output = invoke(
        "--model", str(student), "--out", str(tmp_path), "--prompts", "1", "--samples", "1", "--few-steps", "1000",
        "--first-chunk-steps", "1000,750,500", "--window", "9", "--sink", "0", "--rotary", "absolute",
    )  # fmt: skip
    assert code == 0, output
    card = read_protocol(tmp_path).generation
    assert card.timesteps == (1000.0,)
    assert card.first_chunk_timesteps == pytest.approx((1000.0, 937.5, 833.3333), abs=1e-3)
    assert (card.window_policy, card.rope_policy) == ("window 9, sink 0", "absolute")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--window", "3", "--sink", "3"], "leave no room"),
        (["--few-steps", "fast"], "not a list of steps"),
        (["--prompts", "nothing.txt"], "no prompt file"),
        (["--seconds", "-1"], "cannot last"),
    ],
)
def test_bad_options_are_named(arguments: list[str], message: str, student: Path, tmp_path: Path) -> None:
    code, output = invoke("--model", str(student), "--out", str(tmp_path / "run"), *arguments)
    assert code == 2
    assert message in output


def test_too_long_for_absolute_positions_is_refused_before_anything_loads(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.rollout.streaming_sampler.load_model", lambda *_: pytest.fail("weights were read"))
    code, output = invoke(
        "--model", str(student), "--out", str(tmp_path / "run"), "--seconds", "600", "--rotary", "absolute"
    )
    assert code == 2
    assert "re-indexed" in output
    assert not (tmp_path / "run").exists()


def test_the_plan_prints_and_makes_nothing(student: Path, tmp_path: Path) -> None:
    code, output = invoke("--model", str(student), "--out", str(tmp_path / "run"), "--plan", "--suite", "sprite-30s")
    assert code == 0, output
    for word in ("200 of 489 frames, 41 chunks of 48 tokens", "TFLOP per video", "GiB: weights", "time"):
        assert word in output
    assert not (tmp_path / "run").exists()


def test_cached_prompts_equal_the_encoder_and_open_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [
        "a small red circle north heading east over the night in the open",
        "",
        "a large blue square south heading west over the desert",
    ]
    cached = CachedPrompts(BASE, tmp_path)
    assert cached.prepare([*prompts, prompts[0]]) == 3
    expected = load_text_encoder(BASE).encode(prompts)
    monkeypatch.setattr("probekit.models.prompt_cache.load_text_encoder", lambda folder: pytest.fail("opened again"))
    assert torch.equal(CachedPrompts(BASE, tmp_path).encode(prompts), expected)


def test_videos_do_not_depend_on_the_prompt_cache(student: Path, tmp_path: Path) -> None:
    suite = load_suite("sprite-5s").reduced(1, 1)
    from probekit.rollout.generation_runner import Request

    request = [Request(key, suite.texts()[key.prompt_id]) for key in suite.keys()]
    plain = StreamingSampler(student, suite).generate(request)
    cached = StreamingSampler(student, suite, text=CachedPrompts(student, tmp_path)).generate(request)
    assert (plain == cached).all()


def test_a_cut_prompt_is_reported_with_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    encoder = load_text_encoder(BASE)
    words = ["small", "red", "circle"] * encoder.max_tokens
    with caplog.at_level(logging.WARNING, logger="probekit"):
        encoder.encode([" ".join(words), "a red circle"])
    (record,) = [record for record in caplog.records if record.name == "probekit"]
    assert f"cut to {encoder.max_tokens}" in record.getMessage()
    assert "circle small red" in record.getMessage() or "red circle" in record.getMessage()


def test_steps_are_refused_of_a_generator_that_has_none(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "ar")
    write_causal_card(folder, CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, guidance=3.0))
    with pytest.raises(UserError, match="no few-step list"):
        StreamingSampler(folder, load_suite("sprite-5s"), SamplingConfig(few_steps=(1000,)))


def test_ranks_of_torchrun_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_shard(None) is None
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert parse_shard(None) == Shard(1, 3)
    assert parse_shard("0/2") == Shard(0, 2)


def test_suite_options_reach_the_suite(student: Path, tmp_path: Path) -> None:
    """A plan of temporal flickering alone: 75 entries of VBench, of 25 videos each."""
    if importlib.util.find_spec("vbench") is None:
        pytest.skip("needs the package vbench")
    options = ("--suite-option", "dimensions=temporal_flickering", "--suite-option", "flickering_samples=25")
    code, output = invoke("--model", str(student), "--out", str(tmp_path), "--suite", "vbench", *options, "--plan")
    assert code == 0, output
    assert "videos 1875 of 81 frames" in output


def test_options_that_a_suite_does_not_have_are_refused(student: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a green square\n")
    given = ("--model", str(student), "--out", str(tmp_path / "run"), "--suite-option", "frames=501")
    code, output = invoke(*given)
    assert code == 2
    assert "the options of sprite-5s: unknown key 'frames'" in output
    code, output = invoke(*given, "--prompts", str(tmp_path / "prompts.txt"))
    assert code == 2
    assert "A prompt file has no 'frames=501'" in output
