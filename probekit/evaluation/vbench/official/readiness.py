"""Whether a dimension can run on this machine, and what it lacks: environment, packages, operators, weight files."""

import importlib.util
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import temporary_folder
from probekit.errors import UserError
from probekit.evaluation.vbench.official.child import WORKER, worker_environment
from probekit.evaluation.vbench.official.environment import OPERATORS, environment_python, has_environment
from probekit.evaluation.vbench.official.extras import missing_code, missing_hub_files
from probekit.evaluation.vbench.weights import WeightFile, missing, weight_files, weight_path
from probekit.suites.dimension_constants import VBENCH, VBenchDimension

_SETUP = "its own environment (probekit vbench setup)"
_GRIT_SETUP = "its own environment (probekit vbench setup --detectron2 ...)"
_GRIT_NEEDS = ("in it detectron2", f"in it {OPERATORS}")


class Readiness(NamedTuple):
    """What doctor says of a dimension.

    Attributes:
        dimension: name of the dimension.
        place: "here", or "own" for the environment of its own.
        environment: what the place lacks: the environment itself, packages, operators.
        files: weights, and code that is fetched like weights, that are not there.
        different: weights that are there and are not the published ones, in words.
        hub: files of Hub models that are not in the Hub's cache.
    """

    dimension: str
    place: str
    environment: tuple[str, ...]
    files: tuple[WeightFile, ...]
    different: tuple[str, ...]
    hub: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether it can run now."""
        return not self.lacking

    @property
    def lacking(self) -> tuple[str, ...]:
        """All that it lacks, in words."""
        files = (f"{file.name} ({file.path})" for file in self.files)
        different = (f"the published file: {text}" for text in self.different)
        return (*self.environment, *files, *different, *self.hub)


def readiness(facts: VBenchDimension) -> Readiness:
    """Look what a dimension lacks. Nothing is imported here, fetched or loaded; weights are read for their hash."""
    files = (*missing_code(facts.name), *missing(facts.name))
    place = _missing_here(facts) if facts.place == "here" else _missing_in_own(facts)
    different = tuple(text for _, text in different_files(facts))
    return Readiness(facts.name, facts.place, place, files, different, missing_hub_files(facts.name))


def different_files(facts: VBenchDimension) -> list[tuple[WeightFile, str]]:
    """Weights of a dimension that are there, and are refused because they are not the published ones; and why."""
    strict = False if facts.place == "own" else None  # what loads pickles takes nothing unverified
    found = []
    for file in weight_files(facts.name):
        if file.path.is_file():
            try:
                weight_path(file, unverified=strict)
            except UserError as error:
                found.append((file, error.problem))
    return found


def report() -> list[Readiness]:
    """All sixteen."""
    return [readiness(facts) for facts in VBENCH.values()]


def _missing_here(facts: VBenchDimension) -> tuple[str, ...]:
    names = ("torch", "torchvision", "vbench", *facts.packages)
    return tuple(f"package {name}" for name in names if importlib.util.find_spec(name) is None)


def _missing_in_own(facts: VBenchDimension) -> tuple[str, ...]:
    if not has_environment():
        return (_GRIT_SETUP, *_GRIT_NEEDS) if "detectron2" in facts.packages else (_SETUP,)
    return tuple(_asked(environment_python(), facts.name))


@cache
def _asked(python: Path, dimension: str) -> list[str]:
    """What the other environment says that it lacks."""
    with temporary_folder() as folder:
        command = [str(python), "-m", WORKER, dimension, "--check"]
        environment = worker_environment(folder)
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(f"{python} cannot run the worker: {result.stderr.strip()[-300:]}", "Run probekit vbench setup.")
    answer: dict[str, Any] = json.loads(result.stdout)
    return [str(name) for name in answer["missing"]]
