"""The server as a browser meets it: a real socket, real rollouts of a tiny student."""

import base64
import http.client
import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from probekit.errors import UserError
from probekit.live.live_session import LiveSession, Source, Step
from probekit.live.script import Change, Script
from probekit.live.server import LiveServer
from probekit.live.viewer import WINDOW
from probekit.live.watching import Watched, WatchShow
from probekit.media.video_files import read_video
from probekit.rollout.streaming_sampler import StreamingSampler
from tests.helpers.live_examples import (
    OTHER,
    PATIENCE,
    PROMPT,
    SUITE,
    Received,
    next_message,
    opened,
    random_head,
    running,
    tell,
    unpacked,
)
from tests.helpers.warm_python import start_python

SCRIPT = Script(prompt=PROMPT, seed=1)
SECONDS_TO_FREE = 5.0


@pytest.fixture(scope="module")
def watched(sampler: StreamingSampler) -> Watched:
    return Watched((Source("student", sampler, random_head(sampler)),), ("probekit", "watch", "student"), SUITE.fps)


@pytest.fixture(scope="module")
def served(folder: Path) -> Watched:
    """The server's own model: it may be at work while a test makes passes."""
    sampler = StreamingSampler(folder, SUITE)
    return Watched((Source("student", sampler, random_head(sampler)),), ("probekit", "watch", "student"), SUITE.fps)


@pytest.fixture(scope="module")
def server(served: Watched) -> Iterator[LiveServer]:
    with running(LiveServer(lambda nonce: f"<p>page {nonce}</p>", lambda: WatchShow(served, SCRIPT))) as started:
        yield started


def waits(until: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if until():
            return True
        time.sleep(0.02)
    return until()


def shown(connection: ClientConnection, chunks: int, first: int = 0) -> list[Received]:
    """Chunks that come as a page shows them."""
    steps = []
    for chunk in range(first, chunks):
        steps.append(next_message(connection, "step"))
        tell(connection, "shown", chunk=chunk)
    return steps


def assert_is(steps: list[Received], watched: Watched, script: Script) -> None:
    session = LiveSession(watched.sources, script)
    for step in steps:
        for lane, frames in zip(session.advance(), step.frames, strict=True):
            np.testing.assert_array_equal(frames, lane.live.frames)


def status(server: LiveServer, path: str | None = None, **headers: str) -> int:
    """Status of a request for the page."""
    host, _, rest = server.address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.putrequest("GET", f"/{rest}" if path is None else path, skip_host=True)
    for name, value in ({"Host": host} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    return found


def test_the_page_is_served_with_headers_that_bind_it_to_its_server(server: LiveServer) -> None:
    with urllib.request.urlopen(server.address, timeout=PATIENCE) as answer:
        text, headers = answer.read().decode(), answer.headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert f"'nonce-{text.removeprefix('<p>page ').removesuffix('</p>')}'" == rules["script-src"] == rules["style-src"]
    assert rules["connect-src"] == "ws://" + server.address.split("/")[2]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_wrong_token_a_foreign_host_and_a_foreign_origin_get_403(server: LiveServer) -> None:
    assert status(server) == 200
    assert status(server, "/") == status(server, "/wrong/") == status(server, "/wrong/socket") == 403
    assert status(server, Host="evil.example") == status(server, Host="evil.example:80") == 403
    assert status(server, Origin="http://evil.example") == 403
    for options in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
        with pytest.raises(InvalidStatus) as refused:
            opened(server, **options)
        assert refused.value.response.status_code == 403
    with opened(server, origin=server.address.rsplit("/", 2)[0]) as connection:
        assert next_message(connection, "started")["chunks"] == 7


def test_a_page_gets_the_rollout_of_its_script_and_its_changes(server: LiveServer, watched: Watched) -> None:
    with opened(server) as connection:
        started = next_message(connection, "started")
        assert started == {"kind": "started", "chunks": 7, "script": SCRIPT.model_dump(mode="json")}
        first = shown(connection, 2)
        tell(connection, "change", chunk=2, prompt=OTHER, seed=5, forks=[6, 7])
        changed = next_message(connection, "changed")
        script = SCRIPT.with_change(Change(chunk=2, prompt=OTHER, seed=5, forks=(6, 7)))
        assert changed == {"kind": "changed", "chunk": 2, "script": script.model_dump(mode="json")}
        rest = shown(connection, 7, 2)
        assert [step.head["chunk"] for step in first + rest] == list(range(7))
        assert [len(step.frames) for step in first + rest] == [1, 1, 3, 3, 3, 3, 3]
        assert_is(first + rest, watched, script)
        tell(connection, "start", prompt=OTHER, seed=2)
        assert next_message(connection, "started")["script"] == Script(prompt=OTHER, seed=2).model_dump(mode="json")
        assert_is(shown(connection, 2), watched, Script(prompt=OTHER, seed=2))


def test_two_pages_do_not_disturb_one_another(server: LiveServer, watched: Watched) -> None:
    with opened(server) as one, opened(server) as two:
        tell(two, "start", prompt=PROMPT, seed=9)
        next_message(two, "started")
        assert next_message(two, "started")["script"]["seed"] == 9
        steps: dict[ClientConnection, list[Received]] = {one: [], two: []}
        for chunk in range(3):
            for connection, found in steps.items():
                found += shown(connection, chunk + 1, chunk)
        assert_is(steps[one], watched, SCRIPT)
        assert_is(steps[two], watched, Script(prompt=PROMPT, seed=9))


def test_generation_waits_for_a_page_that_is_slow_and_drops_nothing(server: LiveServer, watched: Watched) -> None:
    with opened(server) as connection:
        steps = [next_message(connection, "step") for _ in range(WINDOW)]
        with pytest.raises(TimeoutError):
            connection.recv(1.0)
        tell(connection, "shown", chunk=0)
        steps.append(next_message(connection, "step"))
        with pytest.raises(TimeoutError):
            connection.recv(0.5)
        tell(connection, "shown", chunk=WINDOW)
        steps += [next_message(connection, "step") for _ in range(7 - len(steps))]
        assert [step.head["chunk"] for step in steps] == list(range(7))
        assert_is(steps, watched, SCRIPT)


def malformed() -> Iterator[str | bytes]:
    rng = np.random.default_rng(0)
    good = ['{"kind": "change", "chunk": 1, "seed": 3}', '{"kind": "start", "prompt": "a", "seed": 3}']
    whole = {
        "unknown": '{"kind": "quit"}', "early": '{"kind": "change", "chunk": 999, "seed": 1}',
        "unseen": '{"kind": "shown", "chunk": 500}', "past": '{"kind": "shown", "chunk": -1}',
        "frame": '{"kind": "export", "suffix": ".png", "frame": 100000}',
        "choice": '{"kind": "choice", "choice": "left"}',
        "deep": "[" * 9000, "huge": '"' + "x" * 40_000 + '"', "bytes": b"\x00\x01", "empty": "",
    }  # fmt: skip
    yield from whole.values()
    while True:
        text = bytearray(good[rng.integers(2)], "ascii")
        kind = rng.integers(3)
        if kind == 0:
            yield bytes(text)
        elif kind == 1:
            yield text[: rng.integers(1, len(text))].decode()
        else:
            yield text.decode().replace('"seed"', '"' + "s" * int(rng.integers(1, 4)) + '"')


def test_a_thousand_malformed_messages_get_errors_and_change_nothing(server: LiveServer, watched: Watched) -> None:
    with opened(server) as connection:
        assert_is([next_message(connection, "step") for _ in range(WINDOW)], watched, SCRIPT)
        source = malformed()
        for _ in range(1000):
            connection.send(next(source))
            answer = connection.recv(PATIENCE)
            assert isinstance(answer, str)
            error = json.loads(answer)
            assert error["kind"] == "error", error
            assert error["problem"].endswith(".")
        tell(connection, "shown", chunk=WINDOW - 1)
        rest = shown(connection, 7, WINDOW)
        assert [step.head["chunk"] for step in rest] == list(range(WINDOW, 7))
        session = LiveSession(watched.sources, SCRIPT)
        steps = [session.advance() for _ in range(7)]
        for step, lanes in zip(rest, steps[WINDOW:], strict=True):
            np.testing.assert_array_equal(step.frames[0], lanes[0].live.frames)


def test_a_closed_tab_frees_its_rollout(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[WatchShow]] = []
    make = WatchShow.__init__

    def noted(show: WatchShow, watched: Watched, script: Script) -> None:
        make(show, watched, script)
        made.append(weakref.ref(show))

    monkeypatch.setattr(WatchShow, "__init__", noted)
    others = len(server.viewers)
    for end in ("closed", "cut"):
        with opened(server) as connection:
            next_message(connection, "step")
            assert len(server.viewers) == others + 1
            if end == "cut":
                connection.socket.shutdown(socket.SHUT_RDWR)
        assert waits(lambda: len(server.viewers) == others, SECONDS_TO_FREE)
        assert waits(lambda: made[-1]() is None, SECONDS_TO_FREE)
    assert len(made) == 2


def test_the_page_is_served_while_the_networks_run(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, started, advance = threading.Event(), threading.Event(), WatchShow.advance

    def slow(show: WatchShow) -> Step:
        started.set()
        assert goes_on.wait(PATIENCE)
        return advance(show)

    monkeypatch.setattr(WatchShow, "advance", slow)
    with opened(server) as connection:
        assert started.wait(PATIENCE)
        assert status(server) == 200
        goes_on.set()
        assert next_message(connection, "step").head["chunk"] == 0


def test_a_film_comes_with_the_command_that_makes_it_again(
    server: LiveServer, watched: Watched, tmp_path: Path
) -> None:
    with opened(server) as connection:
        shown(connection, 2)
        tell(connection, "change", chunk=2, seed=4)
        next_message(connection, "changed")
        next_message(connection, "step")
        tell(connection, "export", suffix=".png", frame=3)
        still = next_message(connection, "file")
        assert still["command"].endswith("--frame 3 --out watched.png")
        assert " --at 2:seed=4 --chunks " in still["command"]
        tell(connection, "export", suffix=".mp4")
        message = next_message(connection, "file")
    (tmp_path / "film.mp4").write_bytes(base64.b64decode(message["content"]))
    assert len(read_video(tmp_path / "film.mp4").frames) in (33, 45, 57)


def test_a_port_that_is_taken_is_refused(server: LiveServer, watched: Watched) -> None:
    port = int(server.address.split(":")[2].split("/")[0])
    with pytest.raises(UserError, match=f"The port {port} cannot be used"):
        LiveServer(lambda nonce: "", lambda: WatchShow(watched, SCRIPT), port)


@pytest.mark.long
def test_ctrl_c_ends_the_command_cleanly_while_a_page_watches(folder: Path, tmp_path: Path) -> None:
    code = "from probekit.cli.entry import probekit; probekit()"
    process = start_python(["-c", code, "watch", str(folder), "--suite", "sprite-5s"], tmp_path, cwd=tmp_path)
    while "\n" not in process.output:
        assert process.returncode is None, process.errors
        time.sleep(0.01)
    address = process.output.split()[1]
    with urllib.request.urlopen(address, timeout=PATIENCE) as page:
        assert "probekit probe" in page.read().decode()  # there is no head, so the page says how to make one
    with connect(address.replace("http", "ws") + "socket", max_size=None, proxy=None) as connection:
        assert unpacked(next(part for part in connection if isinstance(part, bytes))).head["chunk"] == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert "Traceback" not in process.errors
    assert "Aborted!" in process.errors
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=PATIENCE)
