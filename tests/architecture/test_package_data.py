"""A wheel has every file that the code reads: what is tracked beside the modules is among the package data."""

import glob
import subprocess
import tomllib

import pytest

from tests.helpers.places import REPOSITORY


@pytest.mark.parametrize("package", ["probekit", "trainer"])
def test_every_tracked_file_of_a_package_is_installed_with_it(package: str) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this copy has no list of tracked files")
    patterns = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][package]
    root = REPOSITORY / package
    installed = {name for pattern in patterns for name in glob.glob(pattern, root_dir=root, recursive=True)}
    listed = subprocess.run(["git", "ls-files", package], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tracked = {name.partition("/")[2] for name in listed.stdout.splitlines() if not name.endswith(".py")}
    assert {name for name in tracked - installed if (root / name).exists()} == set()
