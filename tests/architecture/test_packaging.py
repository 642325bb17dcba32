"""The package says truly what it needs and what it brings."""

import re
import sys
import tomllib

import yaml

from probekit import __version__
from tests.architecture.source_tree import PACKAGES, imported_names, modules
from tests.helpers.places import REPOSITORY

# Distributions whose name is not the name of the module that they bring.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
    "clip": "vbench",
    "cv2": "vbench",
    "pyiqa": "vbench",
    "timm": "vbench",
    "huggingface_hub": "huggingface-hub",
    "lazy_loader": "lazy-loader",
    "pydantic_core": "pydantic",
}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def test_every_imported_distribution_is_declared() -> None:
    declared = {_distribution(text) for text in PROJECT["project"]["dependencies"]}
    for extra in ("live", "vbench"):
        declared |= {_distribution(text) for text in PROJECT["project"]["optional-dependencies"][extra]}
    undeclared = {
        f"{module.name} -> {top}"
        for module in modules()
        for top in {name.partition(".")[0] for name in imported_names(module.tree)}
        if top not in {*sys.stdlib_module_names, *PACKAGES} and DISTRIBUTIONS.get(top, top) not in declared
    }
    assert undeclared == set()


def test_every_declared_distribution_has_a_tested_pin() -> None:
    pins = {
        _distribution(line)
        for name in ("constraints.txt", "constraints-vbench.txt")
        for line in (REPOSITORY / name).read_text().splitlines()
        if line and not line.startswith("#")
    }
    extras = PROJECT["project"]["optional-dependencies"]
    declared = {
        _distribution(text) for group in (PROJECT["project"]["dependencies"], *extras.values()) for text in group
    }
    assert declared - pins == set()


def test_constraints_name_no_place() -> None:
    """A pin is a name and a version: a file path or an index would bind users to one machine."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pattern = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*")
    assert [line for line in lines if not line.startswith("#") and not pattern.fullmatch(line)] == []


def test_packages_are_typed_and_versioned() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert all((REPOSITORY / package / "py.typed").is_file() for package in PACKAGES)


def _distribution(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower().replace("_", "-")


def test_hooks_before_a_commit_run_the_tested_versions() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    tools = [tool for repo in hooks for hook in repo["hooks"] for tool in hook["additional_dependencies"]]
    assert {repo["repo"] for repo in hooks} == {"local"}
    assert all(re.fullmatch(r"[a-z-]+==[0-9.]+", tool) for tool in tools)
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert [tool for tool in tools if tool.startswith("ruff==") and tool not in pins] == []


def test_the_version_is_the_newest_release_of_the_changelog() -> None:
    headings = re.findall(r"^## (.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    releases = [tuple(map(int, number.split("."))) for number in headings[1:]]
    assert headings[1] == __version__
    assert releases == sorted(releases, reverse=True)


def test_no_committed_file_names_a_place_of_one_machine() -> None:
    """Neither the folder of this checkout nor a home folder, in any text that is shipped."""
    place = re.compile(
        rf"(?<![\w./]){re.escape(str(REPOSITORY))}(?=[/\"' ]|$)|/(?:home|Users)/(?!user\b|me\b|you\b)\w+/"
    )
    kinds = {".json", ".md", ".csv", ".yaml", ".txt", ".ipynb", ".toml", ".jsonl", ".tex", ".html"}
    folders = (*PACKAGES, "docs", "notebooks", "reports", "tests")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.suffix in kinds]
    assert len(files) > 100
    named = {path.as_posix() for path in files if place.search(path.read_text(encoding="utf-8", errors="replace"))}
    assert named == set()
