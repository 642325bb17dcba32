"""Watching a rollout while it runs: models with their heads, the page, the film that repeats it, blind choices."""

import importlib.util
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.live.live_session import LiveSession, Source
from probekit.live.page import Panel, preference_page, watch_page
from probekit.live.preference_show import PreferenceShow, PreferenceTable
from probekit.live.script import Script
from probekit.live.watching import Watched, WatchShow, export
from probekit.models.model_folder import model_folder
from probekit.probing.readout_heads import find_head, read_head
from probekit.probing.targets import FRAME
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import SPRITE_PREFIX
from probekit.suites.suite import Suite

EXTRA: Final = "live"
PACKAGES: Final = ("starlette", "uvicorn", "websockets")
"""What the page needs beyond the toolkit's own dependencies."""
SUFFIXES: Final = (".mp4", ".png")
_MOST_PROPOSED: Final = 100


class Opened(NamedTuple):
    """Models that are watched, and the command that makes heads for those without one."""

    watched: Watched
    suite: Suite
    advice: str

    def page(self, nonce: str) -> str:
        """The page."""
        prompts = list(self.suite.generation_texts().values())[:_MOST_PROPOSED]
        return watch_page([self._panel(source) for source in self.watched.sources], prompts, self.watched.fps, nonce)

    def lacks_heads(self) -> bool:
        """Whether a model has no head."""
        return any(source.head is None for source in self.watched.sources)

    def _panel(self, source: Source) -> Panel:
        ahead = () if source.head is None else tuple(horizon for horizon in source.head.horizons if horizon > 0)
        return Panel(source.name, ahead, None if source.head else self.advice)


def open_watched(models: Sequence[str], suite: Suite, heads: Path, config: SamplingConfig) -> Opened:
    """Load one or two streaming generators with the heads that are kept for them.

    Args:
        models: shipped models, model folders or Hub ids.
        suite: size, length and proposed prompts.
        heads: folder in which heads are looked for.
        config: how the models run.

    Raises:
        UserError: a model is no streaming generator, or a head is damaged.
    """
    sources = tuple(_source(model, suite, heads, config) for model in models)
    of_suite = () if suite.name.startswith(SPRITE_PREFIX) else ("--suite", suite.name)
    advice = shlex.join(["probekit", "probe", models[0], models[-1], *of_suite, "--out", str(heads)])
    words = ["probekit", "watch", *models, "--suite", suite.name, "--heads", str(heads)]
    if config.device != "cpu":
        words += ["--device", config.device]
    if config.precision != "float32":
        words += ["--precision", config.precision]
    return Opened(Watched(sources, tuple(words), suite.fps), suite, advice)


def _source(model: str, suite: Suite, heads: Path, config: SamplingConfig) -> Source:
    sampler = StreamingSampler(model_folder(model), suite, config)
    weights = sampler.parts.checkpoint_hash
    found = find_head(heads, FRAME.name, weights)
    return Source(sampler.parts.name, sampler, None if found is None else read_head(found, weights))


def watch_to_file(opened: Opened, script: Script, out: Path, chunks: int | None, frame: int | None) -> None:
    """Generate what a script says and write it, without a page.

    Args:
        opened: models.
        script: prompt, seed and changes.
        out: film or still.
        chunks: length; None is as long as it can be.
        frame: zero-based number of a still's frame; None is the last one.

    Raises:
        UserError: the file's kind is not known, it cannot be written, or a change lies behind the end.
    """
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out} is neither a film nor a picture.", f"End the name in {' or '.join(SUFFIXES)}.")
    session = LiveSession(opened.watched.sources, script)
    length = session.chunks if chunks is None else min(chunks, session.chunks)
    late = [change.chunk for change in script.changes if change.chunk >= length]
    if late:
        raise UserError(
            f"Chunk {late[0]} is changed, and there are {length}.", "Count chunks from 0, or leave that out."
        )
    while session.next_chunk < length:
        step = session.advance()
        session.seen(step[0].live.chunk)
    export(opened.watched, session, out, frame)


def serve_page(opened: Opened, script: Script, port: int, told: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        opened: models.
        script: what a page begins with.
        port: port; 0 takes a free one.
        told: hears the address.

    Raises:
        UserError: a package of the extra is missing, or the port is taken.
    """
    need_live_packages()
    from probekit.live.server import LiveServer

    LiveSession(opened.watched.sources, script)  # what a page would be refused is refused here
    server = LiveServer(opened.page, lambda: WatchShow(opened.watched, script), port)
    told(server.address)
    server.run()


def serve_preferences(opened: Opened, table: PreferenceTable, port: int, told: Callable[[str], None]) -> None:
    """Serve the page that asks which of two blind videos is better, until Ctrl-C; arguments as `serve_page`."""
    need_live_packages()
    from probekit.live.server import LiveServer

    fps = opened.watched.fps
    server = LiveServer(lambda nonce: preference_page(fps, nonce), lambda: PreferenceShow(table), port)
    told(server.address)
    server.run()


def preference_table(opened: Opened, path: Path, seed: int, order_seed: int, chunks: int) -> PreferenceTable:
    """Questions about two models; arguments as `PreferenceTable`."""
    texts = opened.suite.generation_texts()
    prompts = tuple(prompt._replace(text=texts[prompt.prompt_id]) for prompt in opened.suite.prompts)
    return PreferenceTable(path, opened.watched.sources, prompts, seed, order_seed, chunks)


def need_live_packages(packages: Sequence[str] = PACKAGES) -> None:
    """Refuse to begin where a package of the extra is missing.

    Raises:
        UserError: naming the packages and the extra.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"The live page needs {', '.join(missing)}, which is not installed.",
            f"Install the extra {EXTRA!r}: pip install 'probekit[{EXTRA}]'.",
        )
