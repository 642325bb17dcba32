"""A copy of the project in which modules are changed, and the process that runs tests there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

LEFT_OUT: Final = ("build", "runs", "demo", "dist", "wandb", "__pycache__", "*.egg-info", ".*")
"""What is not copied: what commands write, and the environment."""
SETTINGS: Final = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # looking for them takes longer than most tests
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": "",
}
"""Variables of the worker: one thread; modules are compiled once, beside their files in the copy."""
_WORKER: Final = Path(__file__).with_name("worker.py")
_FIRST_TIME: Final = 1_000_000_000


class Workplace:
    """The copy and its worker; a context manager that ends the worker."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Copy the project at ``root`` into ``folder``/tree, in place of an earlier copy."""
        self.tree = folder / "tree"
        self._output = folder / "output.txt"
        self._changes = 0
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.copytree(root, self.tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self.packages = sorted(path.parent.name for path in self.tree.glob("*/__init__.py"))
        self._root = root
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Hand out the copy."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        if self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.close()
            self._worker.wait()

    def write(self, path: Path, text: str) -> None:
        """Give a module another text, with a time of its own, so that no earlier compiled file stands for it."""
        target = self.tree / path
        target.write_text(text, encoding="utf-8")
        self._changes += 1
        os.utime(target, (_FIRST_TIME + self._changes,) * 2)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Answer of the worker to a request; the first one starts it."""
        if self._worker is None:
            self._worker = self._start()
        if self._worker.stdin is None or self._worker.stdout is None:
            raise RuntimeError("The worker has no pipes.")
        line = json.dumps({"packages": self.packages, "output": str(self._output), **request})
        self._worker.stdin.write(line + "\n")
        self._worker.stdin.flush()
        answer = self._worker.stdout.readline()
        if not answer:
            raise RuntimeError(f"The process that runs the tests ended; its last output is in {self._output}.")
        found: dict[str, Any] = json.loads(answer)
        return found

    def last_output(self) -> str:
        """What the last test run printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def _start(self) -> "subprocess.Popen[str]":
        shared = Path(os.environ.get("PROBEKIT_SHARED", self._root.parent / "shared"))
        settings = {"PYTHONPATH": str(self.tree), "PROBEKIT_SHARED": str(shared.resolve())}
        return subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            cwd=self.tree,
            env={**os.environ, **SETTINGS, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
