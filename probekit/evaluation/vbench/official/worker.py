"""A child process that scores one dimension: JSON lines in, JSON lines out. Run as `python -m`, see `child`.

First line out: ``{"ready": true, "versions": {...}}`` or ``{"error": "..."}``. Then, for each line in, which is an
`OfficialInput` as an object, one of ``{"record": {...}}``, ``{"record": null}`` (dropped) and ``{"error": "..."}``. It
ends with its input. With ``--check`` it says which packages and operators are missing and ends.
"""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import IO, Any, Final

from probekit.errors import UserError
from probekit.evaluation.vbench.official.detectors import DETECTOR_SESSIONS
from probekit.evaluation.vbench.official.environment import OPERATORS
from probekit.evaluation.vbench.official.inputs import OfficialInput
from probekit.evaluation.vbench.official.repairs import has_compiled_operators, no_prints
from probekit.evaluation.vbench.official.sessions import SESSIONS, Session, open_session
from probekit.suites.dimension_constants import VBENCH, VBenchDimension

_DISTRIBUTIONS: Final = ("vbench", "torch", "torchvision", "numpy", "transformers", "timm", "pyiqa", "detectron2")


def session_for(dimension: str, device: str) -> Session:
    """Load a dimension, whichever environment it belongs to. Raises UserError as `open_session`."""
    return open_session(dimension, {**SESSIONS, **DETECTOR_SESSIONS}[dimension], device)


def missing_packages(dimension: VBenchDimension) -> list[str]:
    """What a dimension needs and this environment lacks: packages, by import name, and torchvision's operators."""
    names = ("torch", "torchvision", "vbench", *dimension.packages)
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    has_torch = not {"torch", "torchvision"} & set(missing)
    if dimension.operators and not (has_torch and has_compiled_operators()):
        missing.append(OPERATORS)
    return missing


def versions() -> dict[str, str]:
    """Versions of what decides numbers in this environment."""
    found = {}
    for name in _DISTRIBUTIONS:
        if importlib.util.find_spec(name) is not None:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = "unknown"
    return found


def score_line(session: Session, line: str) -> dict[str, Any]:
    """The answer to one line."""
    try:
        return {"record": session(OfficialInput(**json.loads(line)))}
    except UserError as error:
        return {"error": error.problem}


def _serve(dimension: str, device: str, lines: Iterable[str], answers: IO[str]) -> int:
    try:
        session = session_for(dimension, device)
    except UserError as error:
        return _answer(answers, {"error": str(error)}, status=1)
    _answer(answers, {"ready": True, "versions": versions()})
    for line in lines:
        _answer(answers, score_line(session, line))
    return 0


def _answer(answers: IO[str], content: Mapping[str, Any], status: int = 0) -> int:
    # The official numbers are often NumPy's, which know how to become Python's.
    answers.write(json.dumps(content, default=lambda number: number.item()) + "\n")
    answers.flush()
    return status


def main(arguments: list[str] | None = None) -> int:
    """Answer on the real standard output; what libraries print, from C too, goes to standard error."""
    parser = argparse.ArgumentParser(prog="worker")
    parser.add_argument("dimension", choices=sorted(VBENCH))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        if options.check:
            with no_prints():
                missing = missing_packages(VBENCH[options.dimension])
            return _answer(answers, {"missing": missing, "versions": versions()})
        return _serve(options.dimension, options.device, sys.stdin, answers)


if __name__ == "__main__":
    sys.exit(main())
