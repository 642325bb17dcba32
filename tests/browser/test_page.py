"""The report in a real browser, opened from disk."""

import io
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Download, Page, expect

from probekit.media.video_files import read_video
from probekit.reporting.comparison_io import read_comparison
from probekit.reporting.story import Opening, Section, write_story
from probekit.reporting.table import Column, Table
from tests.helpers.report_examples import HOSTILE, METHOD, N_LONG, N_PROMPTS
from tests.helpers.reporting_examples import BASELINE, FPS, SIDE

pytestmark = pytest.mark.long

TIMES = "Array.from(document.querySelectorAll('#views video')).map((video) => video.currentTime)"
SOURCES = "Array.from(document.querySelectorAll('#views video')).map((video) => video.src)"
LOADED = "Array.from(document.querySelectorAll('#views video')).every((v) => v.readyState >= 2 && !v.seeking)"


def times(page: Page) -> list[float]:
    page.wait_for_function(LOADED)
    found: list[float] = page.evaluate(TIMES)
    return found


def numbers(texts: list[str]) -> list[float]:
    return [float(text.rstrip("★").replace("\N{MINUS SIGN}", "-")) for text in texts]


@pytest.mark.long
def test_both_videos_stay_on_one_frame_while_they_play_and_when_they_stop(page: Page) -> None:
    page.wait_for_function(LOADED)
    page.locator("#play").click()
    page.wait_for_function(f"{TIMES}.every((time) => time > 0.2)")
    apart = page.evaluate(
        f"""(async () => {{
            const apart = [];
            for (let look = 0; look < 20; look += 1) {{
                const [a, b] = {TIMES};
                apart.push(Math.abs(a - b));
                await new Promise((resolve) => setTimeout(resolve, 20));
            }}
            return apart;
        }})()"""
    )
    assert np.median(apart) < 1 / FPS
    page.locator("#play").click()
    left, right = times(page)
    assert left == right
    page.locator("#time").fill("3")
    assert times(page) == pytest.approx([3.5 / FPS] * 2, abs=1e-3)
    page.locator("#forth").click()
    assert times(page) == pytest.approx([4.5 / FPS] * 2, abs=1e-3)
    expect(page.locator("#clock")).to_have_text(f"frame 5/{N_LONG} · 0.25 s")


def test_wipe_difference_and_zoom_show_both_videos_in_one_place(page: Page) -> None:
    page.locator("input[name=view][value=wipe]").check()
    left, right = (page.locator(f"#views .frame[data-place={place}]").bounding_box() for place in "ab")
    assert left == right
    page.locator("#wipe").fill("25")
    assert "25%" in page.locator(".frame[data-place=b]").evaluate("(frame) => getComputedStyle(frame).clipPath")
    page.locator("input[name=view][value=difference]").check()
    page.evaluate("Page.choose({ right: 0 })")
    page.wait_for_function(LOADED)
    view = page.locator("#views")
    assert any(pixels(view.screenshot())[2:-2, 2:-2].max() < 12 for _ in range(20))  # it differs from itself nowhere
    page.locator("#zoom").select_option("4")
    rendering = "(video) => getComputedStyle(video).imageRendering"
    assert page.locator(".frame[data-place=a] video").evaluate(rendering) == "pixelated"


def test_both_frames_are_saved_in_the_size_of_the_originals(page: Page, tmp_path: Path) -> None:
    page.locator("#time").fill("5")
    saved: list[Download] = []
    page.on("download", lambda each: saved.append(each))
    page.locator("#save").click()
    expect(page.locator("#said")).to_have_text("Frame 6 saved.")
    if len(saved) < 2:
        page.wait_for_event("download", lambda _: len(saved) == 2)
    assert [each.suggested_filename.split("_")[0] for each in saved] == [BASELINE, METHOD]
    for each, address in zip(saved, page.evaluate(SOURCES), strict=True):
        each.save_as(tmp_path / "saved.png")
        enlarged = read_video(Path(urlsplit(address).path)).frames
        original = enlarged.reshape(-1, SIDE, enlarged.shape[1] // SIDE, SIDE, enlarged.shape[2] // SIDE, 3).mean(
            (2, 4)
        )
        with Image.open(tmp_path / "saved.png") as image:
            found = np.asarray(image.convert("RGB")).astype(int)
        apart = [np.abs(found - frame).mean() for frame in original]
        assert found.shape == (SIDE, SIDE, 3)
        assert int(np.argmin(apart)) == 5
        assert apart[5] < 5  # the browser's own way from YUV to RGB


def test_prompts_are_sorted_filtered_and_opened_and_the_address_keeps_the_choice(page: Page, report: Path) -> None:
    def values() -> list[float]:
        return numbers(page.locator("#list .number").all_inner_texts())

    assert len(values()) == N_PROMPTS
    assert values() == sorted(values(), reverse=True)
    page.locator("#order").select_option("worst")
    assert values() == sorted(values())
    page.locator("#by").select_option(label="color")
    assert values() == sorted(values())
    page.locator("#filter").fill("NUMBER 3")
    expect(page.locator("#shown")).to_have_text(f"1 of {N_PROMPTS} prompts")
    page.locator("#list button").click()
    expect(page.locator("#asked")).to_have_text("prompt number 3")
    page.keyboard.press("d")
    page.locator("#time").fill("4")
    page.wait_for_function("location.hash.includes('frame=4')")
    address = page.evaluate("location.hash")
    page.goto("about:blank")
    page.goto(report.as_uri() + address)
    expect(page.locator("#asked")).to_have_text("prompt number 3")
    expect(page.locator("#views")).to_have_attribute("data-view", "difference")
    expect(page.locator("#clock")).to_contain_text("frame 5/")
    expect(page.locator("#shown")).to_have_text(f"1 of {N_PROMPTS} prompts")


def test_the_grid_has_a_tile_for_every_model_and_sample(page: Page) -> None:
    page.get_by_label("Grid of samples and models").check()
    assert page.locator("#list .tile").count() == N_PROMPTS * 2 * 2
    page.get_by_role("button", name=f"{METHOD}, sample 1").first.click()
    expect(page.locator("#asked-key")).to_contain_text("sample 1")
    page.mouse.move(0, 0)
    assert page.locator("#list video").count() == 0  # tiles are stills until the pointer rests on them


def test_the_score_table_sorts_and_filters(page: Page) -> None:
    rows = page.locator("#score-table tbody").first.locator("tr:not(.rule)")
    before = rows.all_inner_texts()
    page.get_by_role("button", name="Difference").click()
    found = numbers([text.split("\t")[3] for text in rows.all_inner_texts()])
    assert found == sorted(found, reverse=True)
    assert sorted(before) == sorted(rows.all_inner_texts())
    page.locator("input[data-filter]").fill("color")
    assert page.locator("#score-table tbody tr:not(.rule):visible").count() == 1


def test_curves_move_the_videos_and_the_videos_move_the_curve(page: Page) -> None:
    before = page.locator("#curve .now").get_attribute("d")
    box = page.locator("#curve").bounding_box()
    assert box is not None
    page.locator("#curve").click(position={"x": box["width"] / 4, "y": box["height"] / 2})
    assert times(page)[0] > 2 / FPS
    assert page.locator("#curve .now").get_attribute("d") != before
    assert page.locator("#curve .line").count() == 2


def test_the_keyboard_alone_reaches_and_moves_everything(page: Page) -> None:
    page.wait_for_function(LOADED)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press(".")
    expect(page.locator("#clock")).to_contain_text("frame 2/")
    asked = page.locator("#asked").inner_text()
    page.keyboard.press("n")
    assert page.locator("#asked").inner_text() != asked
    page.locator("#list button").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#list button").nth(2)).to_have_attribute("aria-current", "true")
    page.locator("#views").focus()
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text("Pause")


def test_hostile_prompts_are_text_and_what_was_not_run_is_folded(page: Page) -> None:
    assert page.title() == f"{METHOD} against {BASELINE}"
    assert HOSTILE in " ".join(page.locator("#list .words").all_inner_texts())
    assert page.locator("main img[src=x]").count() == 0
    expect(page.locator("#not-run summary")).to_have_text("1 dimension not run")
    assert not page.locator("#not-run table").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(page: Page, screens: Path, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.screenshot(path=screens / f"desktop-{scheme}.png")
    assert (np.median(pixels(page.screenshot())) > 128) == (scheme == "light")
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        for layout in ("grid", "list"):
            page.locator(f"input[name=layout][value={layout}]").check()
            assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=screens / f"phone-{scheme}.png")


def test_print_leaves_the_controls_out(page: Page, screens: Path) -> None:
    page.emulate_media(media="print")
    assert not page.locator(".transport").is_visible()
    assert page.locator("#score-table").is_visible()
    page.pdf(path=screens / "print.pdf", format="A4")


def test_a_story_begins_with_the_answer_and_a_reports_videos(page: Page, report: Path, screens: Path) -> None:
    record = read_comparison(report.parent / "tables")
    arms = Table([Column[str]("arm", lambda row: row)], ["a", "b"])
    opening = Opening(record, "", record.models())
    story = write_story(report.parent / "story.html", "A story", ["Two arms."], [Section("Arms", (), arms)], opening)
    page.goto(story.as_uri())
    page.wait_for_function(LOADED)
    expect(page.locator(".headline .verdict")).to_be_in_viewport()
    expect(page.locator("#views video").first).to_be_in_viewport()
    assert Axe().run(page).violations_count == 0
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.screenshot(path=screens / "story-phone.png")


def pixels(png: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
