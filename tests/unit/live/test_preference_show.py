"""Blind choices: nothing tells the models apart, every choice is on disk, and what was answered is not asked again."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.live.live_session import LiveSession, Source
from probekit.live.messages import Chosen, Shown
from probekit.live.preference_show import PreferenceShow, PreferenceTable
from probekit.live.script import Script
from probekit.live.server import LiveServer
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.preferences import Preference, read_preferences
from tests.helpers.live_examples import SUITE, next_message, opened, running, tell, write_tiny_student

PROMPTS = SUITE.prompts[:3]
CHUNKS = 2


@pytest.fixture(scope="module")
def sources(sampler: StreamingSampler, tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    other = StreamingSampler(write_tiny_student(tmp_path_factory.mktemp("rival") / "rival", seed=5), SUITE)
    return Source("student", sampler), Source("rival", other)


def table(path: Path, sources: tuple[Source, ...], order_seed: int = 0) -> PreferenceTable:
    return PreferenceTable(path, sources, PROMPTS, 4, order_seed, CHUNKS)


def looked(show: PreferenceShow) -> None:
    while not show.ended:
        show.seen(show.advance()[0].live.chunk)


def test_a_choice_is_on_disk_with_prompt_seed_and_sides(sources: tuple[Source, Source], tmp_path: Path) -> None:
    show = PreferenceShow(table(tmp_path / "choices.jsonl", sources))
    trials = []
    for choice in ("left", "tie", "right", "left"):
        trials.append(show.trial)
        looked(show)
        show.answer(Chosen(kind="choice", choice=choice))  # type: ignore[arg-type]
        assert len(read_preferences(tmp_path / "choices.jsonl")) == len(trials)
    found = read_preferences(tmp_path / "choices.jsonl")
    assert [(row.prompt_id, row.prompt, row.seed) for row in found] == [
        (prompt.prompt_id, prompt.text, seed) for seed, prompt in [*((4, one) for one in PROMPTS), (5, PROMPTS[0])]
    ]
    for trial, row in zip(trials, found, strict=True):
        assert (row.left, row.right) == (("rival", "student") if trial.swapped else ("student", "rival"))
        assert row.left_hash == {source.name: source.sampler.parts.checkpoint_hash for source in sources}[row.left]
        assert (row.order_seed, row.chunks) == (0, CHUNKS)


def test_what_stands_left_is_what_is_shown_left(sources: tuple[Source, Source], tmp_path: Path) -> None:
    show = PreferenceShow(table(tmp_path / "choices.jsonl", sources))
    step = show.advance()
    order = sources[::-1] if show.trial.swapped else sources
    alone = LiveSession(order, Script(prompt=show.trial.prompt.text, seed=4)).advance()
    for lane, other in zip(step, alone, strict=True):
        np.testing.assert_array_equal(lane.live.frames, other.live.frames)
    assert (step[0].live.frames != step[1].live.frames).any()


def test_sides_are_drawn_evenly_and_are_a_function_of_the_seed(sources: tuple[Source, Source], tmp_path: Path) -> None:
    def sides(order_seed: int) -> list[bool]:
        trials = table(tmp_path / "none.jsonl", sources, order_seed)._trials()
        return [next(trials).swapped for _ in range(300)]

    assert sides(1) == sides(1) != sides(2)
    assert 120 < sum(sides(1)) < 180


def test_answered_questions_are_not_asked_again_and_two_pages_ask_two(
    sources: tuple[Source, Source], tmp_path: Path
) -> None:
    path = tmp_path / "choices.jsonl"
    show = PreferenceShow(table(path, sources))
    looked(show)
    show.answer(Chosen(kind="choice", choice="tie"))
    path.write_bytes(path.read_bytes() + b'{"left": "stud')  # a kill in the middle of the next one
    later = table(path, sources)
    assert later.answered == 1
    first, second = PreferenceShow(later), PreferenceShow(later)
    assert first.trial.prompt == PROMPTS[1]
    assert second.trial.prompt == PROMPTS[2]
    del second
    looked(first)
    first.answer(Chosen(kind="choice", choice="left"))
    assert first.trial.prompt == PROMPTS[2]
    assert [row.choice for row in read_preferences(path)] == ["tie", "left"]


def test_an_answer_before_the_end_and_other_messages_change_nothing(
    sources: tuple[Source, Source], tmp_path: Path
) -> None:
    show = PreferenceShow(table(tmp_path / "choices.jsonl", sources))
    trial = show.trial
    with pytest.raises(UserError, match="not been shown to their end"):
        show.answer(Chosen(kind="choice", choice="left"))
    looked(show)
    with pytest.raises(UserError, match="Nothing can be changed"):
        show.answer(Shown(kind="shown", chunk=0))
    assert show.trial == trial
    assert not (tmp_path / "choices.jsonl").exists()


def test_one_model_or_two_of_one_name_are_refused(sources: tuple[Source, Source], tmp_path: Path) -> None:
    for given in (sources[:1], (sources[0], sources[0])):
        with pytest.raises(UserError, match="two models with two names"):
            table(tmp_path / "choices.jsonl", given)


@pytest.fixture
def server(sources: tuple[Source, Source], tmp_path: Path) -> Iterator[LiveServer]:
    asked = table(tmp_path / "choices.jsonl", sources)
    with running(LiveServer(lambda nonce: "", lambda: PreferenceShow(asked))) as started:
        yield started


def test_nothing_that_a_page_gets_names_a_model(server: LiveServer, sources: tuple[Source, Source]) -> None:
    with opened(server) as connection:
        question = next_message(connection, "trial")
        told = [json.dumps(question)]
        for chunk in range(CHUNKS):
            step = next_message(connection, "step")
            told.append(json.dumps(step.head))
            assert [lane["model"] for lane in step.head["lanes"]] == [0, 1]
            tell(connection, "shown", chunk=chunk)
        tell(connection, "choice", choice="right")
        assert next_message(connection, "trial")["answered"] == 1
    for source in sources:
        assert not any(source.name in text or str(source.sampler.parts.checkpoint_hash)[:8] in text for text in told)


def row(**changes: object) -> dict[str, object]:
    made = Preference(
        left="a", right="b", left_hash="1", right_hash="2", prompt_id="p", prompt="p", seed=0, order_seed=0, chunks=2,
        choice="tie",
    ).model_dump()  # fmt: skip
    return made | changes


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "holds no choice"),
        ([row(choice="both")], "line 1: choice = 'both' is not allowed"),
        ([row(), row(right="a")], "line 2: .*compared with itself"),
        ([row(), {"left": "a"}], "line 2: missing key"),
        ([row(), row(left_hash="9")], "two models named a"),
        ([row(surplus=1)], "unknown key 'surplus'"),
    ],
)
def test_a_file_of_something_else_is_refused(lines: list[dict[str, object]], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "choices.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=problem):
        read_preferences(path)
    with pytest.raises(UserError, match="no file of choices"):
        read_preferences(tmp_path / "absent.jsonl")
