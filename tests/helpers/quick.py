"""Which test files `make quick` runs: rules about the code, and unit tests that load no network library.

Found from the imports alone, before anything is imported: a test file is heavy if one of its imports, followed through
the top level of the project's own modules, reaches torch, or if it starts the command line, whose verbs load torch.
Tests marked slow are left out too, and properties try fewer examples (`tests/conftest.py`).
"""

import ast
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from tests.architecture.source_tree import imported_names
from tests.helpers.places import REPOSITORY

HEAVY: Final = {"torch", "torchvision", "transformers", "diffusers", "lpips"}
STARTS: Final = {"probekit.cli", "trainer.cli", "subprocess", "nbclient"}
"""What a test file that starts commands or processes imports itself."""
RULES: Final = "tests/architecture"
UNIT: Final = "tests/unit"
OWN: Final = ("probekit", "trainer", "tests", "benchmarks")


def is_quick(path: Path, text: str | None = None) -> bool:
    """Whether a test file is run by `make quick`; its text is read from the file unless it is given."""
    place = path.relative_to(REPOSITORY).as_posix()
    if place.startswith(f"{RULES}/"):
        return True
    names = imported_names(_tree(path) if text is None else ast.parse(text))
    starts = any(f"{name}.".startswith(f"{starter}.") for name in names for starter in STARTS)
    return place.startswith(f"{UNIT}/") and not starts and not _heavy(names)


def left_out_text(files: Iterable[Path]) -> str:
    """Folders of the files that were left out, with their numbers."""
    counts = Counter("/".join(path.relative_to(REPOSITORY / "tests").parts[:-1][:2]) for path in files)
    listed = ", ".join(f"{folder} {count}" for folder, count in sorted(counts.items()))
    return (
        f"left out: {counts.total()} test files that load networks or start commands ({listed}), slow and long tests, "
        "and most examples of each property; make test-all runs all"
    )


def _heavy(names: Iterable[str]) -> bool:
    return any(_is_heavy(name) for name in names)


@cache
def _is_heavy(name: str) -> bool:
    return name.split(".")[0] in HEAVY or any(_module_is_heavy(path) for path in _files_of(name))


def _files_of(name: str) -> list[Path]:
    """Files that importing a dotted name runs: the package's, and the module's if the last part is a name in it."""
    parts = name.split(".")
    if parts[0] not in OWN:
        return []
    prefixes = [REPOSITORY.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    candidates = [place for prefix in prefixes for place in (prefix / "__init__.py", prefix.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]


_UNDER_WAY: set[Path] = set()


@cache
def _module_is_heavy(path: Path) -> bool:
    if path in _UNDER_WAY:  # two modules that import one another in functions
        return False
    _UNDER_WAY.add(path)
    heavy = _heavy(_top_level_imports(_tree(path)))
    _UNDER_WAY.discard(path)
    return heavy


def _top_level_imports(tree: ast.Module) -> set[str]:
    """Imports that run when the module is imported; those in functions wait for a call."""
    body = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    return imported_names(ast.Module(body, []))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
