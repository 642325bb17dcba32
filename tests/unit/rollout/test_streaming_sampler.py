"""Sampling with a causal model folder: cards, resumption by key, refusal of what cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, read_causal_card, require_role, write_causal_card
from probekit.models.context_policy import ContextPolicy
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.protocol_card import read_protocol
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s")


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
