"""A session is its script: however it came to it, changes, forks and ways back give what the script alone gives."""

from pathlib import Path

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.live.film import film, mean_of, write_film, write_still
from probekit.live.live_rollout import LiveRollout
from probekit.live.live_session import LiveSession, Source, Step
from probekit.live.script import Change, Script
from probekit.media.image_files import read_image
from probekit.media.video_files import read_video
from probekit.rollout.streaming_sampler import StreamingSampler
from tests.helpers.live_examples import OTHER, PROMPT, SUITE, random_head, write_tiny_student

SCRIPT = Script(prompt=PROMPT, seed=3)


@pytest.fixture(scope="module")
def sources(sampler: StreamingSampler, tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    other = StreamingSampler(write_tiny_student(tmp_path_factory.mktemp("other") / "rival", seed=5), SUITE)
    return Source("student", sampler, random_head(sampler)), Source("rival", other)


def followed(sources: tuple[Source, ...], script: Script, chunks: int) -> list[Step]:
    session = LiveSession(sources, script)
    return [session.advance() for _ in range(chunks)]


def assert_same(steps: list[Step], others: list[Step]) -> None:
    assert len(steps) == len(others)
    for step, other in zip(steps, others, strict=True):
        assert [lane[:2] for lane in step] == [lane[:2] for lane in other]
        for (*_, live), (*_, again) in zip(step, other, strict=True):
            np.testing.assert_array_equal(live.frames, again.frames)
            assert (live.prompt, live.seed, live.errors, live.copies) == (
                again.prompt, again.seed, again.errors, again.copies,
            )  # fmt: skip
            for horizon, picture in live.readouts.items():
                np.testing.assert_array_equal(picture, again.readouts[horizon])


def test_two_models_in_step_are_two_rollouts_on_the_same_noise(sources: tuple[Source, Source]) -> None:
    steps = followed(sources, SCRIPT, 3)
    for model, source in enumerate(sources):
        alone = LiveRollout(source.sampler, PROMPT, 3, source.head)
        for step in steps:
            np.testing.assert_array_equal(step[model].live.frames, alone.advance().frames)
    assert (steps[1][0].live.frames != steps[1][1].live.frames).any()


def test_a_change_of_a_chunk_that_has_come_goes_back_to_the_state_before_it(sources: tuple[Source, Source]) -> None:
    session = LiveSession(sources, SCRIPT)
    for _ in range(4):
        session.advance()
    session.change(Change(chunk=2, seed=8))
    session.change(Change(chunk=2, prompt=OTHER))
    assert session.next_chunk == 2
    while session.next_chunk < 5:
        session.advance()
    script = SCRIPT.with_change(Change(chunk=2, seed=8, prompt=OTHER))
    assert session.script == script
    assert_same(session.steps, followed(sources, script, 5))
    plain = followed(sources, SCRIPT, 3)
    assert (session.steps[2][0].live.frames != plain[2][0].live.frames).any()


def test_forks_go_on_from_one_state_under_their_seeds_until_they_are_ended(sources: tuple[Source, Source]) -> None:
    script = SCRIPT.with_change(Change(chunk=1, forks=(3, 9))).with_change(Change(chunk=3, forks=()))
    steps = followed(sources, script, 4)
    assert [len(step) for step in steps] == [2, 6, 6, 2]
    for model in (0, 1):
        own, same, other = [lane.live for lane in steps[2] if lane.model == model]
        np.testing.assert_array_equal(own.frames, same.frames)
        assert (own.frames != other.frames).any()
        assert (own.seed, same.seed, other.seed) == (3, 3, 9)
    first = LiveRollout(sources[0].sampler, PROMPT, 3)
    first.advance()
    branch = first.fork(9)
    for step in steps[1:3]:
        np.testing.assert_array_equal(step[2].live.frames, branch.advance().frames)


def test_a_change_that_is_refused_changes_nothing(
    sources: tuple[Source, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = LiveSession(sources, SCRIPT)
    for _ in range(3):
        session.advance()
    session.seen(0)
    with pytest.raises(UserError, match=r"Chunk 0 cannot be changed now.* Choose a chunk from 1 to 3"):
        session.change(Change(chunk=0, seed=1))
    with pytest.raises(UserError, match="Chunk 4 cannot"):
        session.change(Change(chunk=4, seed=1))

    def refused(prompts: object) -> None:
        raise UserError("The prompt is too long.", "Shorten it.")

    monkeypatch.setattr(sources[1].sampler, "text", refused)  # the first model has taken it by then
    with pytest.raises(UserError, match="too long"):
        session.change(Change(chunk=1, prompt=OTHER, seed=2))
    monkeypatch.undo()
    session.advance()
    assert session.script == SCRIPT
    assert_same(session.steps, followed(sources, SCRIPT, 4))


def test_what_was_seen_frees_its_state(sources: tuple[Source, Source]) -> None:
    session = LiveSession(sources, SCRIPT)
    for chunk in range(4):
        session.advance()
        session.seen(chunk)
    session.change(Change(chunk=4, seed=1))
    with pytest.raises(UserError, match="from 4 to 4"):
        session.change(Change(chunk=3, seed=1))


def test_a_film_shows_present_readouts_what_had_been_read_and_forks_with_their_mean(
    sources: tuple[Source, Source],
) -> None:
    steps = followed(sources, SCRIPT.with_change(Change(chunk=3, forks=(9,))), 4)
    frames = film(steps)
    scale, step = 4, 136
    assert frames.shape == (45, 5 * step + 8, 3 * step + 8, 3)

    def cell(row: int, column: int) -> np.ndarray:
        top, left = 8 + row * step, 8 + column * step
        return frames[-12:, top : top + 128 : scale, left : left + 128 : scale]

    own, fork, rival, rivals_fork = (lane.live for lane in steps[3])
    np.testing.assert_array_equal(cell(0, 0), own.frames)
    np.testing.assert_array_equal(cell(0, 1)[5], own.readouts[1])
    np.testing.assert_array_equal(cell(0, 2)[0], own.readouts[3])
    np.testing.assert_array_equal(cell(1, 0)[0], own.frames[-1])
    np.testing.assert_array_equal(cell(1, 1)[0], steps[2][0].live.readouts[1])
    np.testing.assert_array_equal(cell(1, 2)[0], steps[0][0].live.readouts[3])
    np.testing.assert_array_equal(cell(2, 0), fork.frames)
    np.testing.assert_array_equal(cell(2, 1), mean_of([own, fork]))
    np.testing.assert_array_equal(cell(3, 0), rival.frames)
    np.testing.assert_array_equal(cell(4, 0), rivals_fork.frames)
    assert (frames[0, 8 + step : 8 + step + 128, 8 + step :] == frames[0, 0, 0]).all()  # nothing had been read before


def test_the_mean_of_futures_is_the_nearest_level() -> None:
    levels = [0, 1, 255]

    def future(level: int) -> object:
        return type("Future", (), {"frames": np.full((1, 1, 1, 3), level, np.uint8)})()

    for chosen, mean in (((0, 1), 1), ((0, 1, 255), 85), ((255, 255), 255), ((0, 0, 1), 0)):
        assert set(chosen) <= set(levels)
        assert mean_of([future(level) for level in chosen]).max() == mean  # type: ignore[misc]


def test_films_and_stills_of_equal_steps_have_equal_bytes(sources: tuple[Source, Source], tmp_path: Path) -> None:
    script = SCRIPT.with_change(Change(chunk=1, prompt=OTHER))
    for name in "ab":
        steps = followed(sources, script, 2)
        write_film(tmp_path / f"{name}.mp4", steps, SUITE.fps)
        write_still(tmp_path / f"{name}.png", steps, 20)
    for suffix in ("mp4", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert len(read_video(tmp_path / "a.mp4").frames) == 21
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), film(steps)[20])
    with pytest.raises(UserError, match="no frame 21 among 21"):
        write_still(tmp_path / "c.png", steps, 21)
    with pytest.raises(UserError, match="Nothing has been generated"):
        film([])
