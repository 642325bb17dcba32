"""The live pages in a real browser, served by the real server with rollouts of tiny students."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from probekit.live.film import film, mean_of
from probekit.live.live_session import LiveSession, Source, Step
from probekit.live.page import preference_page
from probekit.live.preference_show import PreferenceShow, PreferenceTable
from probekit.live.script import Change, Script
from probekit.live.server import LiveServer
from probekit.live.watching import Watched, WatchShow
from probekit.media.image_files import read_image
from probekit.media.video_files import read_video
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.preferences import read_preferences
from probekit.workflows.watch import Opened
from tests.browser.conftest import PATIENCE
from tests.helpers.live_examples import OTHER, PROMPT, SUITE, random_head, running, write_tiny_student

pytestmark = pytest.mark.long

SCRIPT = Script(prompt=PROMPT, seed=3)
FPS = 64
PIXELS = """(canvas) => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name, seed in (("one", 2), ("two", 5)):
        write_tiny_student(root / name, seed)
    return root


def loaded(root: Path) -> tuple[Source, Source]:
    one, two = (StreamingSampler(root / name, SUITE) for name in ("one", "two"))
    return Source("one", one, random_head(one, horizons=(0, 1, 2, 3))), Source("two", two)


@pytest.fixture(scope="module")
def sources(folder: Path) -> tuple[Source, Source]:
    """Models of the tests' own: those of the server may be at work at the same time."""
    return loaded(folder)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    watched = Watched(loaded(folder), ("probekit", "watch", "one", "two"), FPS)
    opened = Opened(watched, SUITE, "probekit probe one two --out runs/probes")
    with running(LiveServer(opened.page, lambda: WatchShow(watched, SCRIPT))) as server:
        yield server.address


def visited(browser: Browser, address: str, **options: object) -> Iterator[Page]:
    """A page that does not play by itself; at the end it has complained of nothing and asked nobody but its server."""
    complaints: list[str] = []
    context = browser.new_context(reduced_motion="reduce", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    inside = (address, "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(inside) else complaints.append(request.url))
    page.goto(address)
    page.locator("html[data-ready=true]").wait_for(state="attached")
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    yield from visited(browser, address, viewport={"width": 1280, "height": 1000})


def followed(sources: tuple[Source, ...], script: Script, chunks: int) -> list[Step]:
    session = LiveSession(sources, script)
    return [session.advance() for _ in range(chunks)]


def pixels(page: Page, selector: str) -> NDArray[np.uint8]:
    canvas = page.locator(selector).first
    side = int(canvas.get_attribute("width") or 0)
    return np.array(canvas.evaluate(PIXELS), np.uint8).reshape(-1, side, 4)[..., :3]


def at_chunk(page: Page, chunk: int) -> None:
    """Play to the end of a chunk (from 1), and stop there."""
    while f"chunk {chunk}/" not in (page.locator("#clock").text_content() or ""):
        page.locator("#step").click()
        expect(page.locator("#play")).to_have_text("Play", timeout=PATIENCE)
        expect(page.locator("#lag")).not_to_contain_text("Lag: 0", timeout=PATIENCE)


def test_present_readouts_and_what_had_been_read_are_those_of_the_session(
    page: Page, sources: tuple[Source, Source], screens: Path
) -> None:
    at_chunk(page, 4)
    steps = followed(sources, SCRIPT, 4)
    own, other = (lane.live for lane in steps[3])
    one, two = ".panel[data-model='0'] ", ".panel[data-model='1'] "
    np.testing.assert_array_equal(pixels(page, f"{one}[data-role=present]"), own.frames[-1])
    np.testing.assert_array_equal(pixels(page, f"{two}[data-role=present]"), other.frames[-1])
    for ahead in (1, 2, 3):
        place = f"[data-horizon='{ahead}']"
        before = steps[3 - ahead][0].live
        np.testing.assert_array_equal(pixels(page, f"{one}[data-role=read]{place}"), own.readouts[ahead])
        np.testing.assert_array_equal(pixels(page, f"{one}[data-role=before]{place}"), before.readouts[ahead])
        caption = page.locator(f"{one}figure:has([data-role=before]{place}) .errors")
        expect(caption).to_have_text(f"error {own.errors[ahead]:.4f}\ncopy {own.copies[ahead]:.4f}")
        mean = np.mean([step[0].live.errors[ahead] for step in steps[ahead:]])
        row = page.locator(f"{one}.means tr[data-horizon='{ahead}'] td").all_inner_texts()
        assert (row[0], row[2]) == (f"{mean:.4f}", str(4 - ahead))
    expect(page.locator(f"{two}.banner")).to_contain_text("probekit probe one two --out runs/probes")
    expect(page.locator("#asked")).to_have_text(f"{PROMPT} · seed 3")
    page.screenshot(path=screens / "live.png", full_page=True)


def test_prompt_seed_and_forks_change_from_the_next_chunk_on(
    page: Page, sources: tuple[Source, Source], screens: Path
) -> None:
    at_chunk(page, 2)
    page.locator("#prompt").fill(OTHER)
    page.locator("#use-prompt").click()
    expect(page.locator("#said")).to_have_text("Changed from chunk 3 on.")
    page.locator("#seed").fill("20")
    page.locator("#use-seed").click()
    page.wait_for_timeout(100)
    at_next(page, 3)
    page.locator("#count").select_option("2")
    page.locator("#fork").click()
    expect(page.locator("#said")).to_have_text("Changed from chunk 4 on.")
    at_next(page, 4)
    script = SCRIPT.with_change(Change(chunk=2, prompt=OTHER, seed=20)).with_change(Change(chunk=3, forks=(21, 22)))
    steps = followed(sources, script, 4)
    lanes = [lane.live for lane in steps[3] if lane.model == 0]
    captions = page.locator(".panel[data-model='0'] .forks figcaption").all_inner_texts()
    assert captions == ["Seed 20", "Seed 21", "Seed 22", "Mean of 3", "Read at the fork: +1"]
    for index, picture in enumerate(
        [*(lane.frames[-1] for lane in lanes), mean_of(lanes)[-1], steps[2][0].live.readouts[1]]
    ):
        found = pixels(page, f".panel[data-model='0'] .forks .cell:nth-child({index + 1}) canvas")
        np.testing.assert_array_equal(found, picture)
    page.screenshot(path=screens / "live_forks.png", full_page=True)
    page.locator("#join").click()
    at_next(page, 5)
    expect(page.locator(".panel[data-model='0'] .forks")).to_be_hidden()


def at_next(page: Page, chunk: int) -> None:
    """One chunk on, by the key."""
    expect(page.locator("#fork")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator("#lag")).not_to_contain_text("Lag: 0", timeout=PATIENCE)
    page.locator("h1").click()
    page.keyboard.press("n")
    expect(page.locator("#clock")).to_contain_text(f"chunk {chunk}/")
    expect(page.locator("#play")).to_have_text("Play")


def test_the_timeline_goes_back_and_a_paused_page_makes_generation_wait(
    page: Page, sources: tuple[Source, Source]
) -> None:
    at_chunk(page, 3)
    expect(page.locator("#lag")).to_have_text("Lag: 3 chunks generated and not shown yet.", timeout=PATIENCE)
    page.wait_for_timeout(500)
    expect(page.locator("#lag")).to_have_text("Lag: 3 chunks generated and not shown yet.")
    steps = followed(sources, SCRIPT, 2)
    page.locator("#time").fill("4")
    np.testing.assert_array_equal(pixels(page, "[data-role=present]"), steps[0][0].live.frames[4])
    page.locator("h1").click()
    for _ in range(6):
        page.keyboard.press(".")
    np.testing.assert_array_equal(pixels(page, "[data-role=present]"), steps[1][0].live.frames[1])
    page.keyboard.press(",")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text("Pause")
    expect(page.locator("#lag")).to_contain_text("the rollout has ended", timeout=PATIENCE)
    expect(page.locator("#clock")).to_contain_text("chunk 7/7", timeout=PATIENCE)


def test_what_is_seen_is_saved_with_its_command(page: Page, sources: tuple[Source, Source], tmp_path: Path) -> None:
    at_chunk(page, 2)
    page.locator("#time").fill("12")
    with page.expect_download() as still:
        page.locator("#still").click()
    still.value.save_as(tmp_path / "still.png")
    expect(page.locator("#command")).to_contain_text("--frame 12 --out watched.png")
    generated = int((page.locator("#command").text_content() or "").split("--chunks ")[1].split()[0])
    frames = film(followed(sources, SCRIPT, generated))
    np.testing.assert_array_equal(read_image(tmp_path / "still.png"), frames[12])
    with page.expect_download() as saved:
        page.locator("#film").click()
    saved.value.save_as(tmp_path / "film.mp4")
    assert len(read_video(tmp_path / "film.mp4").frames) == len(frames)


def test_a_refusal_is_told_and_what_was_there_goes_on(page: Page, sources: tuple[Source, Source]) -> None:
    at_chunk(page, 2)
    page.locator("#prompt").fill(" ")
    page.locator("#use-prompt").click()
    expect(page.locator("#said")).to_contain_text("is not allowed")
    at_next(page, 3)
    steps = followed(sources, SCRIPT, 3)
    np.testing.assert_array_equal(pixels(page, "[data-role=present]"), steps[2][0].live.frames[-1])
    page.locator("#prompt").fill(OTHER)
    page.locator("#again").click()
    expect(page.locator("#asked")).to_have_text(f"{OTHER} · seed 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_is_readable_and_without_violations(
    browser: Browser, address: str, scheme: str, width: int, screens: Path
) -> None:
    for page in visited(browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme):
        at_chunk(page, 2)
        page.locator("#fork").click()
        at_next(page, 3)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        table = page.locator(".means").first
        widths = table.evaluate("table => [table.scrollWidth, table.parentElement.clientWidth]")
        assert widths[0] <= widths[1], widths
        page.screenshot(path=screens / f"live_{scheme}_{width}.png", full_page=True)


def test_every_control_is_reached_by_the_keyboard(page: Page) -> None:
    wanted = {"back", "play", "forth", "step", "time", "speed", "prompt", "use-prompt", "seed", "use-seed", "count",
              "fork", "join", "again", "film", "still"}  # fmt: skip
    found = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        found.add(page.evaluate("document.activeElement.id"))
    assert wanted <= found


def test_choices_are_made_blind_and_by_keys(
    browser: Browser, sources: tuple[Source, Source], tmp_path: Path, screens: Path
) -> None:
    path = tmp_path / "choices.jsonl"
    table = PreferenceTable(path, sources, SUITE.prompts, 0, 0, 2)
    server = LiveServer(lambda nonce: preference_page(FPS, nonce), lambda: PreferenceShow(table))
    with running(server):
        for page in visited(browser, server.address, viewport={"width": 360, "height": 700}):
            for index, key in enumerate("120"):
                expect(page.locator("#asked")).to_have_text(SUITE.prompts[index].text)
                expect(page.locator("#left")).to_be_enabled()
                assert not any(source.name in page.locator("main").inner_text().split() for source in sources)
                if index == 0:
                    results = Axe().run(page)
                    assert results.violations_count == 0, results.generate_report()
                    page.screenshot(path=screens / "prefer.png")
                page.keyboard.press(key)
                plural = "answer is" if index == 0 else "answers are"
                expect(page.locator("#said")).to_have_text(f"{index + 1} {plural} kept.")
    assert [row.choice for row in read_preferences(path)] == ["left", "right", "tie"]
