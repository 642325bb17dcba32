import io
import logging
import sys
from collections.abc import Iterator
from itertools import count

import pytest

from probekit.progress import _lines, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_items_pass_unchanged_and_first_and_last_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    assert list(track("abc", "reading")) == ["a", "b", "c"]
    first, last = _messages(caplog)
    assert first.startswith("reading 1/3 eta ")
    assert last == "reading 3/3 done in 00:00"


def test_at_most_one_line_in_15_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    seconds = count(0, 6)
    list(_lines(range(10), "scoring", 10, lambda: next(seconds)))
    assert _messages(caplog) == [
        "scoring 1/10 eta 00:54",
        "scoring 4/10 eta 00:36",
        "scoring 7/10 eta 00:18",
        "scoring 10/10 done in 01:00",
    ]


def test_unknown_length(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    assert list(track(iter(range(3)), "reading")) == [0, 1, 2]
    assert _messages(caplog) == ["reading 1", "reading 3/3 done in 00:00"]


def test_given_total_is_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    list(track(iter(range(2)), "reading", total=2))
    assert _messages(caplog)[0].startswith("reading 1/2")


def test_nothing_to_do_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    assert list(track([], "reading")) == []
    assert _messages(caplog) == []


def test_hours_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "probekit")
    seconds = count(0, 3600)
    list(_lines(range(3), "training", 3, lambda: next(seconds)))
    assert _messages(caplog)[0] == "training 1/3 eta 2:00:00"


@pytest.mark.parametrize(("stream", "control"), [(io.StringIO, False), (Terminal, True)])
def test_control_characters_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], control: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream())
    assert list(track(_three(), "reading", total=3)) == [0, 1, 2]
    written = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert ("\x1b" in written or "\r" in written) == control


def _three() -> Iterator[int]:
    yield from range(3)
