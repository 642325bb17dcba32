"""Samples a suite into a video set: resumable by key, shardable, independent of what else is made. Torch-free."""

import logging
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.video_files import write_video
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.rollout.fixed_batch import blocks
from probekit.run_folder.claim import claim_folder
from probekit.run_folder.manifest import manifest_files, manifest_path, readable_rows, write_manifest
from probekit.run_folder.protocol_card import GenerationCard, protocol_card
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow, describe_video, video_path
from probekit.run_folder.writers import writing
from probekit.suites.suite import Suite

MANIFEST_SHARE: Final = 0.05
"""Part of the time that writing a long manifest may take; a run of many short videos would else write for hours."""
_SHORT_WRITE: Final = 0.1
"""Seconds up to which the manifest is written after every batch: some thousand videos."""
_log = logging.getLogger("probekit")


class Request(NamedTuple):
    """One video to make."""

    key: SampleKey
    prompt: str


class VideoGenerator(Protocol):
    """What samples videos.

    Attributes:
        card: protocol card; its `batch_size` videos go through the networks together.
    """

    card: GenerationCard

    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, H, W, 3) uint8."""
        ...


def generate_suite(
    generator: VideoGenerator,
    suite: Suite,
    out: Path,
    *,
    training_run: str,
    shard: Shard | None = None,
    batch_size: int | None = None,
) -> list[VideoRow]:
    """Make the videos of a suite that `out` does not have yet.

    The planned videos are made in blocks of the generator's own size, and workers share the blocks. A block of which
    some video is missing is made whole, so every video always has the same place in the same pass, and nothing that
    was finished, and no other worker, has an influence on it. The manifest is written as the videos are, so a kill
    loses one batch at most, and an error or Ctrl-C nothing. Where the list is so long that writing it after every batch
    would take more than a part of the time (see `MANIFEST_SHARE`), a kill loses the batches of that time.

    Args:
        generator: samples the videos.
        suite: what to make.
        out: folder of the video set.
        training_run: name of the run that trained the model, for the manifest.
        shard: this worker's share; None makes all.
        batch_size: videos between two writes of the manifest, rounded up to whole blocks; None is one block.

    Returns:
        The rows of this shard's manifest.

    Raises:
        UserError: if `out` holds videos of another protocol, another process makes this share, or it cannot be written.
    """
    size = generator.card.batch_size or 1
    with writing(out, "sample", shard):
        claim_folder(out, protocol_card(suite.card(), generator.card))
        planned = blocks(suite.keys(), size)
        own = planned if shard is None else planned[shard.index :: shard.count]
        listing = _Listing(out, shard, _finished_rows(out, {key for block in own for key in block}, shard))
        missing = [block for block in own if not listing.finished.keys() >= set(block)]
        batches = blocks(missing, ceil((batch_size or size) / size))
        texts = _Texts(suite.generation_texts(), suite.texts())
        if not missing:
            return listing.rows()
        with listing.written_at_the_end():
            for batch in track(batches, f"sampling {generator.card.model} on {suite.name}"):
                for block in batch:
                    for row in _made(generator, suite, out, block, training_run, texts, listing.finished.keys()):
                        listing.finished[row.key()] = row
                listing.write_if_due()
    return listing.rows()


class _Texts(NamedTuple):
    """Prompts by their identifiers, as generators and as scorers see them."""

    generated: Mapping[str, str]
    scored: Mapping[str, str]


class _Listing:
    """The manifest of the videos that are finished, written as they come.

    Args:
        out: folder of the video set.
        shard: the worker's share.
        finished: rows of an earlier call.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        out: Path,
        shard: Shard | None,
        finished: dict[SampleKey, VideoRow],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.finished = finished
        self._out = out
        self._shard = shard
        self._clock = clock
        self._due = 0.0
        self._listed = len(finished)

    def rows(self) -> list[VideoRow]:
        """Rows in the order of their keys."""
        return [self.finished[key] for key in sorted(self.finished)]

    def write_if_due(self) -> None:
        """Write the manifest, unless the last time it took long and was a short while ago."""
        started = self._clock()
        if started < self._due:
            return
        self._write()
        ended = self._clock()
        took = ended - started
        self._due = ended + took / MANIFEST_SHARE if took > _SHORT_WRITE else 0.0

    @contextmanager
    def written_at_the_end(self) -> Iterator[None]:
        """Write the manifest at the end of the block; where that is an error, what was finished before it is listed."""
        try:
            yield
        except (UserError, OSError, RuntimeError, KeyboardInterrupt):
            with suppress(UserError):  # of a full disk the first error says enough
                self._write()
            raise
        self._write()

    def _write(self) -> None:
        if len(self.finished) != self._listed:
            write_manifest(self._out, self.rows(), self._shard)
            self._listed = len(self.finished)


def _made(
    generator: VideoGenerator,
    suite: Suite,
    out: Path,
    block: Sequence[SampleKey],
    training_run: str,
    texts: _Texts,
    finished: Container[SampleKey],
) -> Iterator[VideoRow]:
    """Make a block of videos and write those that are not finished; each is on disk when its row comes."""
    requests = [Request(key, texts.generated[key.prompt_id]) for key in block]
    lacking = {key for key in block if key not in finished}
    for key, frames in zip(block, generator.generate(requests), strict=True):
        if key not in lacking:
            continue
        write_video(out / video_path(key), frames, suite.fps)
        yield describe_video(
            out,
            video_path(key),
            key,
            model=str(generator.card.model),
            training_run=training_run,
            horizon=suite.horizon,
            prompt=texts.scored[key.prompt_id],
        )


def _finished_rows(out: Path, keys: Container[SampleKey], shard: Shard | None) -> dict[SampleKey, VideoRow]:
    """Rows of these keys in any worker's manifest of the folder, whose files are still what it says.

    A damaged manifest costs its damaged rows, whose videos are made again. If it is this worker's own, it is mended.
    """
    finished: dict[SampleKey, VideoRow] = {}
    damaged: list[Path] = []
    for path in manifest_files(out):
        rows, mistakes = readable_rows(path)
        for mistake in mistakes:
            _log.warning("damaged, so what is lost is made again: %s", mistake.problem)
        damaged += [path] if mistakes else []
        for row in rows:
            file = out / row.path
            if row.key() in keys and file.is_file() and sha256_file(file) == row.sha256:
                finished[row.key()] = row
    own = manifest_path(out, shard)
    if damaged and (own in damaged or shard is None):
        write_manifest(out, [finished[key] for key in sorted(finished)], shard)
    for path in damaged:
        if shard is None and path != own:  # all that it can hold is this worker's now
            path.unlink(missing_ok=True)
    return finished
