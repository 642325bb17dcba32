"""The report in a real browser, opened from disk."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from probekit.reporting.html_report import write_report
from tests.browser.chromium import Page, chromium_page
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table, video_set

pytestmark = pytest.mark.slow

METHOD = "Video-Mirai"
N_PROMPTS, N_FRAMES, FPS = 6, 17, 16.0

UNTIL = """
    const until = async (holds) => {
      for (let tick = 0; tick < 600; tick += 1) {
        if (holds()) { return true; }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return false;
    };
    const rows = Array.from(document.querySelectorAll(".prompt"));
    const near = (numbers, wanted) => numbers.every((number) => Math.abs(number - wanted) < 0.03);
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    models = (BASELINE, METHOD)
    table = score_table(folder, [row for model in models for row in score_rows(model, shift={})])
    prompts = {f"p{number:02d}": f"prompt number {number}" for number in range(N_PROMPTS)}
    prompts["p01"] = "<script>document.title = 'run'</script> \"quoted\""
    sets = [video_set(folder / model, model, prompts, n_frames=N_FRAMES) for model in models]
    return write_report(folder / "report", record_of(table, [METHOD]), sets, scores=table)


@pytest.fixture
def page(report: Path, tmp_path: Path) -> Iterator[Page]:
    with chromium_page(tmp_path / "profile") as page:
        complaints = page.open(report)
        assert complaints == []
        assert evaluate(page, "return until(() => document.documentElement.dataset.ready === 'true');")
        yield page


def evaluate(page: Page, body: str) -> Any:
    return page.evaluate(f"(async () => {{ {UNTIL} {body} }})()")


def test_videos_of_a_prompt_play_together_and_pause_on_the_same_frame(page: Page) -> None:
    state = evaluate(
        page,
        """
        const row = rows[0];
        const clips = Array.from(row.querySelectorAll("video"));
        row.scrollIntoView();
        await until(() => document.querySelectorAll("video[src]").length < 12);
        row.querySelector("button").click();
        const moved = await until(() => clips.every((clip) => clip.currentTime > 0.1));
        row.querySelector("button").click();
        await until(() => clips.every((clip) => clip.paused && near([clip.currentTime], clips[0].currentTime)));
        const slider = row.querySelector("input");
        slider.value = "500";
        slider.dispatchEvent(new Event("input"));
        const sought = await until(() => near(clips.map((clip) => clip.currentTime), clips[0].duration / 2));
        return {moved, sought, paused: clips.map((clip) => clip.paused), durations: clips.map((clip) => clip.duration),
                errors: clips.map((clip) => clip.error && clip.error.message)};
        """,
    )
    assert state["moved"]
    assert state["sought"]
    assert state["paused"] == [True, True]
    assert state["durations"] == pytest.approx([N_FRAMES / FPS] * 2, abs=0.01)
    assert state["errors"] == [None, None]


def test_only_rows_near_the_screen_hold_videos(page: Page) -> None:
    state = evaluate(
        page,
        """
        window.scrollTo(0, 0);
        const none = await until(() => rows[5].querySelectorAll("video[src]").length === 0);
        rows[5].scrollIntoView();
        const loaded = await until(() => rows[5].querySelectorAll("video[src]").length === 2);
        return {none, loaded};
        """,
    )
    assert state == {"none": True, "loaded": True}


def test_filter_keeps_prompts_with_all_words(page: Page) -> None:
    state = evaluate(
        page,
        """
        const filter = document.getElementById("filter");
        filter.value = "NUMBER 3";
        filter.dispatchEvent(new Event("input"));
        return {text: document.getElementById("shown").value,
                kept: rows.filter((row) => !row.hidden).map((row) => row.dataset.prompt)};
        """,
    )
    assert state == {"text": "1 of 6 prompts shown", "kept": ["prompt number 3"]}


def test_prompts_are_text_and_the_page_fits_a_laptop(page: Page) -> None:
    state = evaluate(
        page,
        """return {title: document.title, scripts: document.scripts.length,
                   width: document.documentElement.scrollWidth, screen: window.innerWidth};""",
    )
    assert state["title"] == f"{METHOD} against {BASELINE}"
    assert state["scripts"] == 1
    assert state["width"] <= state["screen"]


def test_page_follows_the_colour_scheme_of_the_reader(page: Page) -> None:
    light = brightness(page)
    page.emulate_dark()
    assert evaluate(page, "return until(() => matchMedia('(prefers-color-scheme: dark)').matches);")
    assert light > 200
    assert brightness(page) < 80


def brightness(page: Page) -> float:
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return float(np.median(np.asarray(image.convert("L"))))
