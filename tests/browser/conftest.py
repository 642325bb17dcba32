"""One built page and one headless Chromium for all tests of pages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.report_examples import full_report

PATIENCE = 60_000
"""Milliseconds that a busy machine may take for what a person sees at once."""
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_report(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium on PATH")
    options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The page, opened at 1280 px; at the end it has complained of nothing and asked for nothing outside its folder."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    inside = (report.parent.as_uri(), "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(inside) else complaints.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """Folder of screenshots; `PROBEKIT_SCREENSHOTS` keeps them for a look."""
    folder = Path(os.environ.get("PROBEKIT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
