"""Drives headless Chromium over its debugging pipe: no driver, no port, no further package."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,900",
    "--remote-debugging-pipe",
)


class Page:
    """One open page."""

    def __init__(self, process: subprocess.Popen[bytes], reading: int, writing: int) -> None:
        self._process = process
        self._reading = os.fdopen(reading, "rb")
        self._writing = os.fdopen(writing, "wb")
        self._number = 0
        self._session: str | None = None

    def __enter__(self) -> Self:
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        self._reading.close()
        self._writing.close()

    def emulate_dark(self) -> None:
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def open(self, page: Path) -> list[str]:
        """Load a file and return what the browser complained of meanwhile."""
        self._call("Page.enable")
        self._call("Log.enable")
        self._call("Runtime.enable")
        self._call("Page.navigate", url=page.as_uri())
        complaints: list[str] = []
        while True:
            event = self._receive()
            if event.get("method") == "Page.loadEventFired":
                return complaints
            if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                complaints.append(json.dumps(event["params"]))

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, awaited where it is a promise."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """PNG of the visible part."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        parts = []
        while (byte := self._reading.read(1)) != b"\0":
            assert byte, "Chromium closed the pipe"
            parts.append(byte)
        message: dict[str, Any] = json.loads(b"".join(parts))
        return message


@contextmanager
def chromium_page(profile: Path) -> Iterator[Page]:
    """Start Chromium with an empty profile; skip the running test where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium on PATH")
    to_browser, from_us = os.pipe()
    from_browser, to_us = os.pipe()
    # The browser reads commands from descriptor 3 and writes answers to descriptor 4.
    redirected = f'exec "$0" "$@" 3<&{to_browser} 4>&{to_us}'
    arguments = ["bash", "-c", redirected, program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        arguments, pass_fds=(to_browser, to_us), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(to_us)
    with Page(process, from_browser, from_us) as page:
        yield page
