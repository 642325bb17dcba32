"""Sampling with a causal model folder: cards, resumption by key, refusal of what cannot be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, read_causal_card, require_role, write_causal_card
from probekit.models.context_policy import ContextPolicy
from probekit.models.video_codec import to_uint8_frames
from probekit.rollout import streaming_sampler as module
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler, card_with
from probekit.run_folder.protocol_card import read_protocol
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s")
SHORT = SUITE._replace(frames=21)  # 2 chunks of 3 latent frames


def causal_folder(folder: Path, card: CausalCard, seed: int = 0) -> Path:
    write_causal_card(write_tiny_model(folder, seed), card)
    return folder


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    return causal_folder(tmp_path_factory.mktemp("models") / "student", card)


def requests(count: int) -> list[Request]:
    return [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()[:count]]


def test_a_video_depends_on_its_own_key_alone(student: Path) -> None:
    sampler = StreamingSampler(student, SUITE)
    together, alone = sampler.generate(requests(3)), sampler.generate(requests(3)[2:])
    assert together.shape == (3, 81, 32, 32, 3)
    assert np.abs(together[2].astype(int) - alone[0].astype(int)).max() <= 1  # another place in the pass
    assert np.array_equal(together[:1], sampler.generate(requests(1)))


def test_the_long_suite_begins_as_the_short_one(student: Path) -> None:
    """The same key gives the same stream, whatever its length, as long as the window holds all of it."""
    long = load_suite("sprite-30s")
    short_video, long_video = (StreamingSampler(student, suite).rollout(requests(1))[0] for suite in (SUITE, long))
    assert long_video.shape == (16, 123, 8, 8)
    assert torch.equal(long_video[:, :21], short_video)


def test_the_command_streams_and_the_card_says_how(student: Path, tmp_path: Path) -> None:
    arguments = ["sample", "--model", str(student), "--out", str(tmp_path), "--prompts", "2", "--samples", "1"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    card = read_protocol(tmp_path).generation
    assert card.sampler == "streaming ode_student"
    assert card.timesteps == pytest.approx((1000.0, 833.3333), abs=1e-3)
    assert (card.steps, card.chunk_frames, card.guidance) == (2, 3, 1.0)
    assert (card.window_policy, card.rope_policy) == ("window 21, sink 3", "re-indexed")


def test_an_ar_teacher_samples_with_euler_steps_and_guidance(tmp_path: Path) -> None:
    card = CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, guidance=3.0)
    sampler = StreamingSampler(causal_folder(tmp_path / "ar", card), SUITE)
    assert (sampler.card.steps, sampler.card.guidance, sampler.card.negative_prompt) == (2, 3.0, "")
    assert sampler.generate(requests(1)).shape == (1, 81, 32, 32, 3)


def teacher(**changes: Any) -> CausalCard:
    return CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, **changes)


def test_only_a_student_takes_another_list_of_steps(student: Path) -> None:
    card = read_causal_card(student)
    assert card_with(card, SamplingConfig()) == card
    assert card_with(card, SamplingConfig(first_chunk_steps=(1000,))) == card
    assert card_with(card, SamplingConfig(few_steps=(1000,))) == card.model_copy(update={"few_steps": (1000,)})
    assert card_with(teacher(), SamplingConfig()) == teacher()
    for asked in (SamplingConfig(few_steps=(1000,)), SamplingConfig(first_chunk_steps=(1000,))):
        with pytest.raises(UserError, match="no few-step list to replace"):
            card_with(teacher(), asked)
    with pytest.raises(UserError, match="no use for steps"):
        card_with(card, SamplingConfig(steps=3))


def test_the_card_states_the_levels_of_both_lists_of_steps(student: Path) -> None:
    """1000 times 5·s / (1 + 4·s), the first chunk's where it has its own."""
    card = StreamingSampler(student, SHORT, SamplingConfig(first_chunk_steps=(1000, 250))).card
    assert card.timesteps == pytest.approx((1000.0, 1000 * 2.5 / 3))
    assert card.first_chunk_timesteps == pytest.approx((1000.0, 1000 * 1.25 / 2))
    assert StreamingSampler(student, SHORT).card.first_chunk_timesteps is None


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_negative_prompts_stand_behind_the_prompts_where_there_is_any_guidance(tmp_path: Path, guidance: float) -> None:
    folder = causal_folder(tmp_path / "ar", teacher(guidance=guidance))
    sampler = StreamingSampler(folder, SHORT, SamplingConfig(negative_prompt="a blur"))
    rows = ["a red circle", "a blue square", *(["a blur"] * 2 if guidance > 1 else [])]
    assert torch.equal(sampler.text(rows[:2]).project(torch.clone), sampler.parts.text.encode(rows))
    assert sampler.card.negative_prompt == ("a blur" if guidance > 1 else None)


def test_the_padding_of_one_prompt_alone_is_merged(student: Path) -> None:
    sampler = StreamingSampler(student, SHORT)
    merged = [sampler.text(["a red circle"] * count).mask is not None for count in (1, 2, 3)]
    assert merged == [True, False, False]


@pytest.mark.parametrize(("asked", "works", "stated"), [(False, True, None), (True, True, True), (True, False, None)])
def test_a_card_says_that_blocks_are_compiled_if_they_are(
    student: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, works: bool, stated: bool | None
) -> None:
    compiled: list[object] = []

    def compile_blocks(model: object) -> bool:
        compiled.append(model)
        return works

    monkeypatch.setattr(module, "compile_blocks", compile_blocks)
    sampler = StreamingSampler(student, SHORT, SamplingConfig(compile=asked))
    assert sampler.card.compile is stated
    assert compiled == ([sampler.model] if asked else [])


def test_a_given_noise_takes_the_place_of_the_keys(student: Path) -> None:
    sampler = StreamingSampler(student, SHORT)
    other = KeyedNoise([requests(1)[0].key] * sampler.batch_size, sampler.chunk_shape(), 4)
    expected = StreamingSampler(student, SHORT, SamplingConfig(seed=4)).rollout(requests(1))
    assert torch.equal(sampler.rollout(requests(1), noise=other), expected)
    assert not torch.equal(sampler.rollout(requests(1)), expected)


def test_videos_are_sampled_decoded_and_streamed_without_a_graph(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler, seen = StreamingSampler(student, SHORT), []

    def frames(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(torch.is_grad_enabled())
        return to_uint8_frames(pixels.detach())

    monkeypatch.setattr(module, "to_uint8_frames", frames)
    sampler.model.register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    sampler.rollout(requests(1))
    sampler.generate(requests(1))
    assert [part.shape[1] for part in sampler.stream(requests(1)[0])] == [9, 12]
    assert len(seen) > 10
    assert not any(seen)


def test_frames_that_are_not_whole_chunks_are_refused(student: Path) -> None:
    with pytest.raises(UserError, match="not whole chunks of 3"):
        StreamingSampler(student, SUITE._replace(frames=77))


def test_a_length_beyond_the_rotary_table_is_refused(student: Path) -> None:
    with pytest.raises(UserError, match="re-indexed"):
        StreamingSampler(student, SUITE._replace(frames=1 + 4 * 1199), SamplingConfig(policy=ContextPolicy()))


def test_a_broken_card_is_named(student: Path, tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    (tmp_path / "causal.json").write_text(json.dumps({"role": "teacher", "chunk_frames": 3, "shift": 5.0}))
    with pytest.raises(UserError, match=r"causal\.json.*role"):
        read_causal_card(tmp_path)
    (tmp_path / "causal.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_causal_card(tmp_path)
    with pytest.raises(ValueError, match="either few_steps or euler_steps"):
        CausalCard(role="ode_student", chunk_frames=3, shift=5.0)
    with pytest.raises(UserError, match="which cannot be probed"):
        require_role(student, ("dmd_student",), 3, "probed")


@pytest.mark.parametrize(("window", "sink"), [(3, 3), (2, 5)])
def test_a_sink_that_fills_the_window_is_refused(window: int, sink: int) -> None:
    with pytest.raises(ValueError, match="leave no room"):
        ContextPolicy(window_frames=window, sink_frames=sink)


def test_a_chunk_that_does_not_fit_beside_the_sink_is_refused() -> None:
    with pytest.raises(UserError, match="exceed a window of 4"):
        ContextPolicy(window_frames=4, sink_frames=2).kept_slots(6, 3)
