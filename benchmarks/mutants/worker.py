"""The process that runs tests: it imports the libraries once and forks for each change.

Started by its path, with the copy of the project as working folder and on the module path; it imports nothing of the
project itself. Requests and answers are lines of JSON on standard input and output.
"""

import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest

IMPORTED: Final = ""
"""Stands for "while test files are imported" among the tests."""
PYTEST_ARGUMENTS: Final = ("-x", "-q", "-p", "no:cacheprovider", "--no-header")
LEFT_OUT: Final = "not slow and not dist and not gpu"
POLL_SECONDS: Final = 0.01


class Session:
    """A pytest plugin: chosen tests in a given order, no shrinking, and a time limit for each test."""

    def __init__(self, order: list[str] | None, limits: dict[str, float], failed_at: Path) -> None:
        self._order = order
        self._limits = limits
        self._failed_at = failed_at

    def pytest_sessionstart(self) -> None:
        """A change is noticed once a property fails: the smallest example is not looked for."""
        if "hypothesis" not in sys.modules:
            return
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.default, phases=phases, database=None, derandomize=True)
        settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen tests, in their order."""
        if self._order is not None:
            places = {name: place for place, name in enumerate(self._order)}
            items[:] = sorted((item for item in items if item.nodeid in places), key=lambda item: places[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """End the process if a test takes much longer than it did: SIGALRM kills by default, in C code too."""
        limit = self._limits.get(item.nodeid)
        if limit is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, limit)
        result = yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the name of the test that failed."""
        if report.failed:
            self._failed_at.write_text(report.nodeid)


class Trace:
    """A pytest plugin that records which functions of the project each test calls, and how long it takes."""

    def __init__(self, root: Path, packages: list[str]) -> None:
        self._prefixes = tuple(f"{root / package}{os.sep}" for package in packages)
        self._root = root
        self._known: dict[int, CodeType | None] = {}
        self._kept: list[CodeType] = []
        self._current: set[int] = set()
        self.calls: dict[str, set[int]] = {IMPORTED: self._current}
        self.seconds: dict[str, float] = {}
        self.outcomes: dict[str, str] = {}

    def start(self) -> None:
        """Record from now on, in threads too."""
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        key = id(code)
        if key not in self._known:
            self._kept.append(code)  # an address is used again once its object is gone
            self._known[key] = code if code.co_filename.startswith(self._prefixes) else None
        if self._known[key] is not None:
            self._current.add(key)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Calls of a test. What its fixtures call counts for every test of the file: others may use the same ones."""
        self._current = self.calls.setdefault(item.nodeid.partition("::")[0], set())
        sys.settrace(self._called)
        result = yield
        self._current = self.calls[IMPORTED]
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        """Calls of the test itself."""
        fixtures = self._current
        self._current = self.calls.setdefault(item.nodeid, set())
        try:
            return (yield)
        finally:
            self._current = fixtures

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Time and outcome of a test, its fixtures included."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def record(self) -> dict[str, Any]:
        """Everything as JSON: functions by file and first line."""
        places = {key: self._place(code) for key, code in self._known.items() if code is not None}
        return {
            "calls": {name: sorted(places[key] for key in keys) for name, keys in self.calls.items()},
            "seconds": self.seconds,
            "outcomes": self.outcomes,
            "libraries": self._libraries(),
        }

    def _libraries(self) -> list[str]:
        """Modules that can be imported by their name and are not the project's, in the order of their import."""
        own = _own_modules([])
        named = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None) is not None]
        return [name for name in named if name not in own]

    def _place(self, code: CodeType) -> tuple[str, int]:
        return Path(code.co_filename).relative_to(self._root).as_posix(), code.co_firstlineno


def run_forked(request: dict[str, Any]) -> dict[str, Any]:
    """Run tests in a child; its outcome, its seconds and the test that failed."""
    output = Path(request["output"])
    failed_at = output.with_suffix(".failed")
    failed_at.unlink(missing_ok=True)
    gc.freeze()  # a collection in the child would copy every page
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(request, output, failed_at)
    status = _wait(child, began + request["timeout"])
    failed = failed_at.read_text() if failed_at.exists() else ""
    return {"outcome": _outcome(status), "seconds": time.monotonic() - began, "failed": failed}


def _child(request: dict[str, Any], output: Path, failed_at: Path) -> None:
    os.setsid()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = 70
    try:
        status = _run_tests(request, failed_at)
    finally:
        sys.stdout.flush()
        os._exit(status)


def _run_tests(request: dict[str, Any], failed_at: Path) -> int:
    packages = request["packages"]
    for name in _own_modules(packages):
        del sys.modules[name]
    plugins: list[object] = [Session(request.get("order"), request.get("limits", {}), failed_at)]
    trace = Trace(Path.cwd(), packages) if "trace" in request else None
    if trace is not None:
        plugins.append(trace)
        trace.start()
    status = int(pytest.main([*PYTEST_ARGUMENTS, "-m", LEFT_OUT, *request["files"]], plugins=plugins))
    if trace is not None:
        sys.settrace(None)
        Path(request["trace"]).write_text(json.dumps(trace.record()))
    return status


def _own_modules(packages: list[str]) -> set[str]:
    """Loaded modules of the project: those of its packages, and those whose files lie in the copy."""
    here = f"{Path.cwd()}{os.sep}"
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    return {name for name, file in files.items() if name.partition(".")[0] in packages or file.startswith(here)}


def _wait(child: int, until: float) -> int | None:
    """Status of a child, or None if it had to be killed; what it started goes with it."""
    status: int | None = None
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(POLL_SECONDS)
    else:
        status = None
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if status is None:
        os.waitpid(child, 0)
    return status


def _outcome(status: int | None) -> str:
    """`passed`, `failed`, `timeout`, or `none` if no test was run."""
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM):
        return "timeout"
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == pytest.ExitCode.NO_TESTS_COLLECTED:
        return "none"
    return "passed" if status == 0 else "failed"


def preload(libraries: list[str], packages: list[str]) -> None:
    """Import what the tests import, so that no child has to; the project's own modules are the child's to import.

    Of the project the packages alone are imported, before the libraries: importing one may mend how a library loads.
    """
    for name in (*packages, *libraries):
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except ImportError:
                continue  # made while the tests ran, or not to be imported alone: the child imports it as the tests do


def main() -> None:
    """Answer requests until standard input ends; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        request = json.loads(line)
        if "preload" in request:
            preload(request["preload"], request["packages"])
            answer: dict[str, Any] = {}
        else:
            answer = run_forked(request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
