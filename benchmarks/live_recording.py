"""The recording of the live view in the README: the shipped arms, watched in Chromium, frame by frame.

Run from the repository: ``OMP_NUM_THREADS=2 python -m benchmarks.live_recording`` (it needs `chromium` on the PATH). It
looks for readout heads in ``runs/probes`` and fits small ones where there are none; it writes ``docs/live.webp``. The
page goes on by its own key, one frame after the other, so the machine's speed is not in the recording.
"""

import argparse
import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from probekit.atomic_files import atomic_path
from probekit.live.script import Script
from probekit.live.server import LiveServer
from probekit.live.watching import WatchShow
from probekit.probing.feature_store import FeatureStore
from probekit.probing.head_fitting import keep_head
from probekit.probing.probe_settings import ProbeSettings
from probekit.probing.targets import FRAME
from probekit.rollout.sampling_config import SamplingConfig
from probekit.suites.registry import load_suite
from probekit.workflows.capture import capture_settings, capture_states
from probekit.workflows.watch import Opened, open_watched

MODELS: Final = ("sprite-dmd-baseline", "sprite-dmd-foresight")
HEADS: Final = Path("runs/probes")
RECORDING: Final = Path(__file__).parents[1] / "docs" / "live.webp"
SIZE: Final = {"width": 1100, "height": 1130}
PICTURE: Final = (770, 791)
FRAMES_PER_SHOT: Final = 3
SHOTS_PER_SECOND: Final = 6
PATIENCE: Final = 600_000  # milliseconds


def fit_heads(folder: Path, prompts: int) -> None:
    """Fit the heads of both arms to the states of some prompts, two videos each; what is there is kept."""
    suite = load_suite("sprite-5s").reduced(prompts, 2)
    for model in MODELS:
        captured = capture_settings(model, untrained=False)
        store = FeatureStore(capture_states(model, suite, folder / "states" / model, captured))
        keep_head(store, ProbeSettings(perceptual=False), FRAME)


@contextmanager
def served(opened: Opened, script: Script) -> Iterator[str]:
    """The address of a page that is served until the block ends."""
    server = LiveServer(opened.page, lambda: WatchShow(opened.watched, script))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.address
    finally:
        server.stop()
        thread.join()


class Recorder:
    """Pictures of a page that goes on frame by frame.

    Args:
        page: opened page, paused.
    """

    def __init__(self, page: Page) -> None:
        self.shots: list[Image.Image] = []
        self._page = page

    def play(self, frames: int) -> None:
        """Show some frames, with a picture of every third one."""
        self._page.locator("h1").click()
        for number in range(frames):
            self._page.wait_for_function("!document.getElementById('lag').textContent.startsWith('Lag: 0')")
            self._page.keyboard.press(".")
            if number % FRAMES_PER_SHOT == 0:
                shot = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
                self.shots.append(shot.resize(PICTURE, Image.Resampling.LANCZOS))

    def press(self, button: str) -> None:
        """Press a button that changes the rollout, and wait until it has."""
        self._page.locator(button).click()
        self._page.wait_for_function("!document.getElementById('fork').disabled")


def record(address: str, prompt: str) -> list[Image.Image]:
    """Watch both arms: four chunks, then two forks, then another prompt."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE, reduced_motion="reduce", bypass_csp=True).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function("document.documentElement.dataset.ready === 'true'")
        page.add_style_tag(content="#pace { visibility: hidden; }")  # the speed of one machine at one moment
        page.locator("#count").select_option("2")
        recorder = Recorder(page)
        recorder.play(8 + 3 * 12)
        recorder.press("#fork")
        recorder.play(3 * 12)
        recorder.press("#join")
        page.locator("#prompt").fill(prompt)
        recorder.press("#use-prompt")
        recorder.play(3 * 12)
        browser.close()
    return recorder.shots


def write_recording(path: Path, shots: list[Image.Image], quality: int) -> None:
    """Write an animation that repeats for ever."""
    first, *others = shots
    with atomic_path(path) as temporary:
        first.save(
            temporary, format="WEBP", save_all=True, append_images=others, duration=1000 // SHOTS_PER_SECOND, loop=0,
            quality=quality, method=6,
        )  # fmt: skip


def main() -> None:
    """Fit heads where there are none, watch, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, default=HEADS)
    parser.add_argument("--prompts", type=int, default=100, help="Prompts whose states heads are fitted to.")
    parser.add_argument("--prompt", type=int, default=0, help="Place of the first prompt in the suite.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RECORDING)
    given = parser.parse_args()
    suite = load_suite("sprite-30s")
    if open_watched(MODELS, suite, given.heads, SamplingConfig()).lacks_heads():
        fit_heads(given.heads, given.prompts)
    opened = open_watched(MODELS, suite, given.heads, SamplingConfig())
    prompts = list(suite.generation_texts().values())
    script = Script(prompt=prompts[given.prompt], seed=given.seed)
    with served(opened, script) as address:
        shots = record(address, prompts[given.prompt + 1])
    write_recording(given.out, shots, given.quality)
    print(f"wrote {given.out}: {len(shots)} pictures, {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
