"""Forked futures by hand: their noise, and that each is the video that its noise makes from the start."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import write_causal_card
from probekit.probing import futures as module
from probekit.probing.futures import BranchedNoise, continue_state, forked_videos
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import CARDS, write_tiny_model

SUITE = load_suite("sprite-5s").reduced(1, 1)._replace(frames=33)  # 3 chunks of 3 latent frames
REQUEST = Request(SUITE.keys()[0], SUITE.prompts[0].text)


class Named:
    """Noise that says where it comes from."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, chunk: int, step: int) -> Tensor:
        return torch.tensor([self.value, chunk, step])


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("student") / "student", seed=1)
    write_causal_card(folder, CARDS["student"])
    return folder


def test_a_fork_shares_its_noise_up_to_and_with_its_chunk() -> None:
    noise = BranchedNoise(Named(0.0), Named(1.0), last_shared=3)
    assert [float(noise(chunk, 0)[0]) for chunk in range(6)] == [0, 0, 0, 0, 1, 1]
    assert noise(5, 2).tolist() == [1.0, 5.0, 2.0]
    other = BranchedNoise(Named(0.0), Named(1.0), last_shared=1, rejoined=3)
    assert [float(other(chunk, 0)[0]) for chunk in range(5)] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("seed", [0, 3])
def test_past_and_first_future_are_the_video_of_the_run_seed_and_later_ones_of_the_next_seeds(
    student: Path, seed: int
) -> None:
    """Whatever seed the sampler itself was opened with; each future is rolled out here from the very start."""
    sampler = StreamingSampler(student, SUITE)
    found = forked_videos(sampler, REQUEST, 0, 2, 3, *([seed] if seed else []))
    own = StreamingSampler(student, SUITE, SamplingConfig(seed=seed)).generate([REQUEST])[0]
    assert found.shape == (3, 33, 32, 32, 3)
    np.testing.assert_array_equal(found[0], own)
    keys = [REQUEST.key] * sampler.batch_size
    shared, *others = (KeyedNoise(keys, sampler.chunk_shape(), seed + index) for index in range(3))
    for video, noise in zip(found[1:], others, strict=True):
        whole = sampler.rollout([REQUEST], noise=BranchedNoise(shared, noise, 0))
        decoded = sampler.decoded(sampler.parts.codec.decode, whole)[0]
        assert np.abs(video.astype(int) - decoded.astype(int)).max() <= 1
        np.testing.assert_array_equal(video[:9], own[:9])
        assert (video[9:] != own[9:]).any()


def test_more_futures_than_a_pass_holds_come_in_order(student: Path) -> None:
    sampler = StreamingSampler(student, SUITE)
    many = forked_videos(sampler, REQUEST, 1, 1, sampler.batch_size + 2)
    few = forked_videos(sampler, REQUEST, 1, 1, 2)
    assert len(many) == sampler.batch_size + 2
    np.testing.assert_array_equal(many[:2], few)
    assert len({video.tobytes() for video in many}) == len(many)


def test_a_continued_state_is_shown_as_the_last_frame_of_its_chunks(student: Path) -> None:
    sampler = StreamingSampler(student, SUITE)
    found = continue_state(sampler, REQUEST, 0, (1, 2))
    whole = sampler.generate([REQUEST])[0]
    assert found.continuations.shape == (4, 2, 32, 32, 3)
    assert found.horizons == (1, 2)
    np.testing.assert_array_equal(found.current, whole[8])
    np.testing.assert_array_equal(found.continuations[0], whole[[20, 32]])
    np.testing.assert_array_equal(found.continuations, forked_videos(sampler, REQUEST, 0, 2, 4)[:, [20, 32]])
    other = continue_state(sampler, REQUEST, 0, (1,), count=2, seed=5)
    np.testing.assert_array_equal(other.continuations[:, 0], forked_videos(sampler, REQUEST, 0, 1, 2, 5)[:, 20])


def test_a_future_beyond_the_video_is_refused(student: Path) -> None:
    sampler = StreamingSampler(student, SUITE)
    with pytest.raises(UserError, match=r"Chunk 1 of 3 has no future 2 chunks ahead.*Use a chunk up to 0"):
        forked_videos(sampler, REQUEST, 1, 2, 1)
    with pytest.raises(UserError, match="Chunk 2 of 3 has no future 1 chunks ahead"):
        continue_state(sampler, REQUEST, 2, (1,))
    assert continue_state(sampler, REQUEST, 1, (1,), count=1).continuations.shape[:2] == (1, 1)


def test_futures_are_made_without_a_graph(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def noise(keys: object, shape: object, seed: int) -> KeyedNoise:
        seen.append(torch.is_grad_enabled())
        return KeyedNoise(keys, shape, seed)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "KeyedNoise", noise)
    forked_videos(StreamingSampler(student, SUITE), REQUEST, 0, 1, 1)
    assert set(seen) == {False}
