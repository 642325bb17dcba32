"""Every message of a page fits a schema or is refused in words."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.live.live_session import LiveSession, Source
from probekit.live.messages import LONGEST_MESSAGE, Message, error_text, file_text, parse_message, step_bytes
from probekit.live.script import Change, Script
from probekit.rollout.streaming_sampler import StreamingSampler
from tests.helpers.live_examples import PROMPT, random_head, unpacked

GOOD = [
    {"kind": "shown", "chunk": 0},
    {"kind": "change", "chunk": 3, "prompt": "a red square", "seed": 4, "forks": [1, 2]},
    {"kind": "change", "chunk": 3},
    {"kind": "start", "prompt": "a", "seed": 2**53 - 1},
    {"kind": "export", "suffix": ".png", "frame": 7},
    {"kind": "export", "suffix": ".mp4"},
    {"kind": "choice", "choice": "tie"},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def survives(content: str | bytes | None) -> Message | None:
    """A message is read or refused; anything but a `UserError` fails."""
    try:
        return parse_message(content)
    except UserError as error:
        json.loads(error_text(error))
        return None


@pytest.mark.parametrize("good", GOOD, ids=json.dumps)
def test_what_the_page_sends_is_read(good: dict[str, object]) -> None:
    message = survives(json.dumps(good))
    assert message is not None
    assert message.model_dump(mode="json", exclude_unset=True) == good


@given(st.text() | st.binary() | JSON.map(json.dumps))
@example("[" * 5000)
@example('{"kind": ' * 2000)
@example('{"kind": ["shown"]}')
@example('{"kind": "shown", "kind": "shown", "chunk": 1}')
@example('{"kind": "shown", "chunk": ' + "9" * 5000 + "}")
@example('{"kind": "start", "seed": 1, "prompt": "\\ud800"}')
def test_whatever_comes_is_refused_in_words(content: str | bytes) -> None:
    assert survives(content) is None


@given(st.sampled_from(GOOD), st.data())
def test_a_message_with_one_value_that_does_not_fit_is_refused(good: dict[str, object], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*good, "surplus"]))
    wrong = data.draw(st.sampled_from([[], {}, True, -1, 1.5, "", " ", "\n", "x" * 3000, 2**60, [-1], [[1]], "1"]))
    message = survives(json.dumps({**good, key: wrong}))
    if message is not None:  # the few that fit: an empty list ends forks, a short text is a prompt
        assert (key, wrong) in [("forks", []), ("prompt", "1")]


def test_a_message_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert survives(json.dumps(GOOD[0]) + " " * (LONGEST_MESSAGE - 30)) is not None
    with pytest.raises(UserError, match="has 16385 characters"):
        parse_message(" " * (LONGEST_MESSAGE + 1))
    with pytest.raises(UserError, match="not text"):
        parse_message(b"{}")


def test_a_change_keeps_what_was_asked_and_nothing_else() -> None:
    message = parse_message(json.dumps(GOOD[1]))
    assert message.change() == Change(chunk=3, prompt="a red square", seed=4, forks=(1, 2))  # type: ignore[union-attr]


def test_a_step_is_unpacked_to_what_was_packed(sampler: StreamingSampler) -> None:
    session = LiveSession([Source("one", sampler, random_head(sampler))], Script(prompt=PROMPT))
    session.change(Change(chunk=0, forks=(4,)))
    for _ in range(2):
        step = session.advance()
        found = unpacked(step_bytes(step))
        assert found.head["chunk"] == step[0].live.chunk
        for lane, frames, readouts, (model, forked, live) in zip(
            found.head["lanes"], found.frames, found.readouts, step, strict=True
        ):
            assert (lane["model"], lane["forked"], lane["seed"], lane["prompt"]) == (
                model,
                forked,
                live.seed,
                live.prompt,
            )
            assert lane["errors"] == {str(horizon): error for horizon, error in live.errors.items()}
            assert lane["copies"] == {str(horizon): error for horizon, error in live.copies.items()}
            np.testing.assert_array_equal(frames, live.frames)
            assert lane["readouts"] == list(live.readouts)
            for found_one, picture in zip(readouts, live.readouts.values(), strict=True):
                np.testing.assert_array_equal(found_one, picture)


def test_a_file_comes_with_its_command() -> None:
    message = json.loads(file_text("a.png", b"\x00\xff", "probekit watch"))
    assert message == {"kind": "file", "name": "a.png", "content": "AP8=", "command": "probekit watch"}
