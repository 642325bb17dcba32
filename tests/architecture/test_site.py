"""The documentation is a site without a warning: every page, every link, every anchor."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.places import REPOSITORY


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_has_every_page(tmp_path: Path) -> None:
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--nitpicky", "-c", "docs"]
    build = [sys.executable, "-m", "sphinx", *options, "-d", str(tmp_path / "doctrees"), ".", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    site = tmp_path / "site"
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    expected = {path.relative_to(REPOSITORY).with_suffix("").as_posix() for path in REPOSITORY.glob("docs/*.md")}
    assert expected | {"README", "CONTRIBUTING", "CHANGELOG", "index"} <= pages
    assert 'url=docs/index.html"' in (site / "index.html").read_text()


def test_every_page_of_the_documentation_is_in_the_navigation() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {line.partition("<")[2].rstrip(">") or line for line in index.splitlines() if line and " " not in line}
    listed |= {line.rpartition("<")[2].rstrip(">") for line in index.splitlines() if line.endswith(">")}
    pages = {path.stem for path in (REPOSITORY / "docs").glob("*.md")} - {"index"}
    assert pages - listed == set()
