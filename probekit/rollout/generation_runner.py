"""Samples a suite into a video set: resumable by key, shardable, independent of batch order. Torch-free."""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from probekit.media.video_files import write_video
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.run_folder.claim import claim_folder
from probekit.run_folder.manifest import manifest_files, read_manifest, write_manifest
from probekit.run_folder.protocol_card import GenerationCard, protocol_card
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow, describe_video, video_path
from probekit.suites.suite import Suite


class Request(NamedTuple):
    """One video to make."""

    key: SampleKey
    prompt: str


class VideoGenerator(Protocol):
    """What samples videos; it must give the same video for a request whatever else is in the batch."""

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
    batch_size: int = 8,
) -> list[VideoRow]:
    """Make the videos of a suite that `out` does not have yet.

    After each batch its videos and the manifest are on disk, so an interruption loses one batch at most.

    Args:
        generator: samples the videos.
        suite: what to make.
        out: folder of the video set.
        training_run: name of the run that trained the model, for the manifest.
        shard: this worker's share; None makes all.
        batch_size: videos made together.

    Returns:
        The rows of this shard's manifest.

    Raises:
        UserError: if `out` holds videos of another protocol, or cannot be written.
    """
    claim_folder(out, protocol_card(suite.card(), generator.card))
    keys = suite.keys() if shard is None else suite.keys()[shard.index :: shard.count]
    finished = {row.key(): row for row in _finished_rows(out, set(keys))}
    texts, scored_texts = suite.generation_texts(), suite.texts()
    missing = [Request(key, texts[key.prompt_id]) for key in keys if key not in finished]
    batches = [missing[i : i + batch_size] for i in range(0, len(missing), batch_size)]
    for batch in track(batches, f"sampling {generator.card.model} on {suite.name}"):
        for request, frames in zip(batch, generator.generate(batch), strict=True):
            write_video(out / video_path(request.key), frames, suite.fps)
            finished[request.key] = describe_video(
                out,
                video_path(request.key),
                request.key,
                model=str(generator.card.model),
                training_run=training_run,
                horizon=suite.horizon,
                prompt=scored_texts[request.key.prompt_id],
            )
        write_manifest(out, [finished[key] for key in sorted(finished)], shard)
    return [finished[key] for key in sorted(finished)]


def _finished_rows(out: Path, keys: Container[SampleKey]) -> Iterator[VideoRow]:
    """Rows of these keys in any manifest of the folder, whoever wrote it, whose files are still what it says."""
    for path in manifest_files(out):
        for row in read_manifest(path):
            file = out / row.path
            if row.key() in keys and file.is_file() and sha256_file(file) == row.sha256:
                yield row
