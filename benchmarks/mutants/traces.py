"""Which tests can notice a change: those that call the changed function, the fastest first."""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.mutants.workplace import Workplace
from probekit.atomic_files import write_text

IMPORTED: Final = ""
LONGEST_FILE_SECONDS: Final = 3600.0
SLOWER: Final = 5.0
MORE_SECONDS: Final = 15.0
"""A test with a change may take five times its time and 15 seconds; other work may share the processor."""


class FailingTests(RuntimeError):
    """Tests fail without any change, so they can tell nothing about changes."""


class Function(NamedTuple):
    """A function by its place.

    Attributes:
        line: first line, that of its first decorator, as its code object has it.
        body: first and last line of its body.
        cached: whether only the first call runs it.
        name: dotted name inside the module.
    """

    line: int
    body: tuple[int, int]
    cached: bool
    name: str


def function_at(source: str, line: int) -> Function | None:
    """Innermost function whose body holds a line; None at the level of the module or of a class."""
    holding = [found for found in functions_of(source) if found.body[0] <= line <= found.body[1]]
    return max(holding, key=lambda found: found.body[0], default=None)


@lru_cache(maxsize=8)
def functions_of(source: str) -> tuple[Function, ...]:
    """All functions of a module, inner ones too."""
    found: list[Function] = []
    pending: list[tuple[ast.AST, str]] = [(ast.parse(source), "")]
    while pending:
        node, prefix = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            cached = any("cache" in ast.unparse(mark) for mark in node.decorator_list)
            body = (node.body[0].lineno, node.end_lineno or node.lineno)
            found.append(Function(first, body, cached, f"{prefix}{node.name}"))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            prefix = f"{prefix}{node.name}."
        pending += [(child, prefix) for child in ast.iter_child_nodes(node)]
    return tuple(found)


class Traces:
    """What each test calls and how long it takes, recorded once for each state of the code and of a test file."""

    def __init__(self, workplace: Workplace, folder: Path) -> None:
        """Keep records in ``folder``."""
        self._workplace = workplace
        self._folder = folder
        files = sorted(
            path for package in ("probekit", "trainer", "tests") for path in (workplace.tree / package).rglob("*.py")
        )
        self._code = _digest((path for path in files if not path.name.startswith("test_")), workplace.tree)
        self._records: dict[str, dict[str, Any]] = {}

    def record(self, file: str) -> dict[str, Any]:
        """Record of a test file.

        Raises:
            FailingTests: A test fails without any change.
        """
        if file not in self._records:
            stored = self._folder / f"{self.digest([file])}.json"
            if not stored.exists():
                write_text(stored, json.dumps(self._run(file)))
            self._records[file] = json.loads(stored.read_text())
            self._workplace.ask(preload=self._records[file]["libraries"])
        return self._records[file]

    def digest(self, files: list[str]) -> str:
        """Name of a state of the code and of test files."""
        return _digest((self._workplace.tree / file for file in files), self._workplace.tree, self._code)

    def _run(self, file: str) -> dict[str, Any]:
        target = self._folder / "new.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        answer = self._workplace.ask(files=[file], trace=str(target), timeout=LONGEST_FILE_SECONDS)
        if answer["outcome"] not in {"passed", "none"}:
            output = self._workplace.last_output()[-3000:]
            raise FailingTests(f"{file} fails without a change ({answer['outcome']}):\n{output}")
        found: dict[str, Any] = json.loads(target.read_text())
        return found

    def noticing(self, files: list[str], module: Path, function: Function | None) -> dict[str, float]:
        """Tests that may notice a change in a function, with their seconds, the fastest first.

        Args:
            files: test files of the module.
            module: file of the module, relative to the repository.
            function: the changed one; None or a cached one is noticed by every test that calls into the module, or by
                every test if none does.
        """
        records = [self.record(file) for file in files]
        if function is None or function.cached:
            chosen = _calling(records, (module.as_posix(), None)) or _calling(records, None)
        else:
            chosen = _calling(records, (module.as_posix(), function.line))
        return dict(sorted(chosen.items(), key=lambda item: item[1]))


def limits(tests: dict[str, float]) -> dict[str, float]:
    """Longest seconds that each test may take with a change."""
    return {name: MORE_SECONDS + SLOWER * seconds for name, seconds in tests.items()}


def _calling(records: list[dict[str, Any]], wanted: tuple[str, int | None] | None) -> dict[str, float]:
    found = {}
    for record in records:
        calls = {name: _calls(places, wanted) for name, places in record["calls"].items()}
        for name, outcome in record["outcomes"].items():
            sources = (IMPORTED, name.partition("::")[0], name)
            if outcome == "passed" and any(calls.get(source, False) for source in sources):
                found[name] = record["seconds"][name]
    return found


def _calls(places: list[list[Any]], wanted: tuple[str, int | None] | None) -> bool:
    if wanted is None:
        return True
    return any(file == wanted[0] and wanted[1] in (None, line) for file, line in places)


def _digest(paths: Iterable[Path], root: Path, salt: str = "") -> str:
    text = hashlib.sha256(salt.encode())
    for path in paths:
        text.update(path.relative_to(root).as_posix().encode())
        text.update(path.read_bytes())
    return text.hexdigest()[:20]
