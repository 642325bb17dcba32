"""A watched rollout is the rollout: streamed, changed and forked, it gives what one-shot rollouts give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from probekit.errors import UserError
from probekit.live.live_rollout import KEY, LiveChunk, LiveRollout
from probekit.probing.futures import BranchedNoise
from probekit.probing.recording import recording
from probekit.probing.reductions import Reduction
from probekit.probing.sites import Site
from probekit.probing.targets import pixels_of
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_rollout import roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from tests.helpers.live_examples import OTHER, PROMPT, SITE, SUITE
from tests.helpers.live_examples import random_head as head


def watched(rollout: LiveRollout, chunks: int) -> list[LiveChunk]:
    return [rollout.advance() for _ in range(chunks)]


def frames_of(chunks: list[LiveChunk]) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in chunks])


def decoded(sampler: StreamingSampler, change: Callable[[KeyedNoise], object] | None, seed: int = 0) -> np.ndarray:
    noise = KeyedNoise([KEY], sampler.chunk_shape(), seed)
    given = noise if change is None else change(noise)
    with torch.no_grad():
        video = roll_out(sampler.start([Request(KEY, PROMPT)], noise=given))  # type: ignore[arg-type]
    return sampler.decoded(sampler.parts.codec.decode, video)[0]


def test_what_is_watched_is_what_is_streamed(folder: Path, sampler: StreamingSampler) -> None:
    streamed = StreamingSampler(folder, SUITE, SamplingConfig(seed=4)).stream(Request(KEY, PROMPT))
    live = watched(LiveRollout(sampler, PROMPT, 4, head(sampler)), sampler.chunks)
    np.testing.assert_array_equal(frames_of(live), np.concatenate([part[0] for part in streamed]))
    assert [chunk.chunk for chunk in live] == list(range(sampler.chunks))
    assert {(chunk.prompt, chunk.seed) for chunk in live} == {(PROMPT, 4)}
    assert all(chunk.seconds > 0 for chunk in live)


def test_a_new_seed_holds_from_the_next_chunk_on(sampler: StreamingSampler) -> None:
    rollout = LiveRollout(sampler, PROMPT, 0)
    first = watched(rollout, 3)
    rollout.change(seed=9)
    found = frames_of([*first, *watched(rollout, 2)])
    other = KeyedNoise([KEY], sampler.chunk_shape(), 9)
    whole = decoded(sampler, lambda noise: BranchedNoise(noise, other, last_shared=2))
    np.testing.assert_array_equal(found, whole[: len(found)])


def test_a_new_prompt_holds_from_the_next_chunk_on(sampler: StreamingSampler) -> None:
    plain, changed = LiveRollout(sampler, PROMPT, 0), LiveRollout(sampler, PROMPT, 0)
    watched(plain, 2)
    watched(changed, 2)
    changed.change(prompt=OTHER)
    assert (plain.advance().frames != changed.advance().frames).any()
    same = LiveRollout(sampler, PROMPT, 0)
    watched(same, 2)
    same.change(prompt=PROMPT)
    again = LiveRollout(sampler, PROMPT, 0)
    np.testing.assert_array_equal(frames_of(watched(same, 2)), frames_of(watched(again, 4)[2:]))


def test_forks_share_the_past_and_disturb_nobody(sampler: StreamingSampler) -> None:
    rollout = LiveRollout(sampler, PROMPT, 0, head(sampler))
    watched(rollout, 2)
    same, other = rollout.fork(0), rollout.fork(5)
    ahead = [(rollout.advance(), same.advance(), other.advance()) for _ in range(3)]
    for own, twin, branch in ahead:
        np.testing.assert_array_equal(own.frames, twin.frames)
        assert (own.frames != branch.frames).any()
        assert own.errors == twin.errors
    whole = decoded(sampler, None)
    np.testing.assert_array_equal(frames_of([own for own, _, _ in ahead]), whole[21 : 21 + 36])
    third = KeyedNoise([KEY], sampler.chunk_shape(), 5)
    forked = decoded(sampler, lambda noise: BranchedNoise(noise, third, last_shared=1))
    np.testing.assert_array_equal(frames_of([branch for _, _, branch in ahead]), forked[21 : 21 + 36])


@pytest.mark.parametrize("site", [SITE, Site(0, None)])
def test_readouts_are_of_the_state_of_their_chunk_and_errors_of_what_arrived(
    sampler: StreamingSampler, site: Site
) -> None:
    own = head(sampler, site)
    live = watched(LiveRollout(sampler, PROMPT, 0, own), 5)
    with torch.no_grad(), recording(
        sampler.model, [site], steps=2, chunk_frames=3, reduction=Reduction()
    ) as recorder:  # fmt: skip
        rollout = sampler.start([Request(KEY, PROMPT)], [recorder], KeyedNoise([KEY], sampler.chunk_shape(), 0))
        roll_out(rollout)
        rollout.commit()
    states = recorder.states()[site].numpy()
    for index, chunk in enumerate(live):
        read = own.read(states[:, index : index + 1])
        assert set(chunk.readouts) == {0, 1, 3}
        for horizon, picture in chunk.readouts.items():
            np.testing.assert_array_equal(picture, pixels_of(read[horizon], 32, 32)[0])
        assert set(chunk.errors) == {horizon for horizon in (1, 3) if index >= horizon}
        for horizon, error in chunk.errors.items():
            seen = live[index - horizon].readouts[horizon].astype(float)
            assert error == pytest.approx(np.square((seen - chunk.frames[-1]) / 255).mean(), rel=1e-9)
        assert set(chunk.copies) == set(chunk.errors)
        for horizon, error in chunk.copies.items():
            present = live[index - horizon].frames[-1].astype(float)
            assert error == pytest.approx(np.square((present - chunk.frames[-1]) / 255).mean(), rel=1e-9)


def test_a_rollout_ends_where_its_suite_does_and_no_block_is_looked_into(sampler: StreamingSampler) -> None:
    rollout = LiveRollout(sampler, PROMPT, 0)
    watched(rollout, sampler.chunks)
    assert rollout.ended
    with pytest.raises(UserError, match="has all its 7 chunks"):
        rollout.advance()
    with pytest.raises(UserError, match="inside a block"):
        LiveRollout(sampler, PROMPT, 0, head(sampler, Site(0, 1, "attn1")))


def test_a_prompt_that_cannot_be_read_changes_nothing(
    sampler: StreamingSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(prompts: object) -> None:
        raise UserError("The prompt is too long.", "Shorten it.")

    rollout, twin = LiveRollout(sampler, PROMPT, 0), LiveRollout(sampler, PROMPT, 0)
    monkeypatch.setattr(sampler, "text", refused)
    with pytest.raises(UserError, match="too long"):
        rollout.change(prompt=OTHER, seed=9)
    monkeypatch.undo()
    assert (rollout.prompt, rollout.seed) == (PROMPT, 0)
    np.testing.assert_array_equal(rollout.advance().frames, twin.advance().frames)
