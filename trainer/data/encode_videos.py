"""People's videos and captions as latent clips: `trainer encode-videos`."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from probekit.choices import Split
from probekit.errors import UserError
from probekit.geometry import TEMPORAL_STRIDE
from probekit.media.video_files import read_video
from probekit.models.model_folder import is_there
from probekit.models.video_codec import VideoCodec, to_unit_range
from probekit.progress import track
from probekit.user_files.inside import inside
from probekit.user_files.tables import Record, read_table
from trainer.data.latent_clips import is_finished, shard_path, write_index, write_shard

LOGGER = logging.getLogger("trainer")

CLIPS_PER_SHARD: Final = 64
_CPU: Final = torch.device("cpu")
_CAPTION_COLUMNS: Final = ("file", "caption")
_CAPTION_FIX: Final = "Give a .csv, .tsv, .json, .jsonl or .parquet file with file and caption."


class CaptionedVideo(NamedTuple):
    """A file and what it shows."""

    path: Path
    caption: str


class ClipSize(NamedTuple):
    """What a video is cut and scaled to: its first `frames` frames, scaled to cover height x width, then the middle."""

    frames: int
    height: int
    width: int


def read_captions(path: Path, videos: Path) -> list[CaptionedVideo]:
    """Pairs of a table with the columns, or keys, file and caption; files are relative to `videos`.

    A video may have several captions; equal rows are kept once, with a word in the log.

    Args:
        path: CSV, TSV, JSON, JSON lines or Parquet.
        videos: folder of the videos.

    Raises:
        UserError: as `read_table`, or naming the line of a missing file or caption, or of a file outside the folder.
    """
    table = read_table(path, what="caption file", fix=_CAPTION_FIX, columns=_CAPTION_COLUMNS)
    if not table.records:
        raise UserError(f"{path} names no videos.", "Write one line per video.")
    for name in _CAPTION_COLUMNS:
        table.column((name,))
    pairs: dict[CaptionedVideo, None] = {}
    for record in table.records:
        try:
            pairs.setdefault(_captioned(record, videos))
        except UserError as error:
            raise table.at(error) from error
    if len(pairs) < len(table.records):
        LOGGER.warning("%s: %d rows stand there twice and are kept once", path, len(table.records) - len(pairs))
    return list(pairs)


def _captioned(record: Record, videos: Path) -> CaptionedVideo:
    name, caption = record.text("file"), record.text("caption")
    if not name or not caption:
        raise UserError(f"{record.place}: file or caption is empty.", "Fill it in, or delete the line.")
    found = inside(videos, name, record.place)
    if not is_there(found) or not found.is_file() or not found.resolve().is_relative_to(videos.resolve()):
        raise UserError(f"{record.place}: there is no {name} in {videos}.", "Correct the name.")
    return CaptionedVideo(found, caption)


def check_size(size: ClipSize, codec: VideoCodec) -> None:
    """Refuse sizes that the codec cannot encode.

    Raises:
        UserError: naming sizes that it can.
    """
    stride = codec.spatial_stride
    if (size.frames - 1) % TEMPORAL_STRIDE:
        near = 1 + TEMPORAL_STRIDE * round((size.frames - 1) / TEMPORAL_STRIDE)
        raise UserError(
            f"--frames {size.frames} is not 1 more than a multiple of {TEMPORAL_STRIDE}.", f"Use {near}, for example."
        )
    if size.height % stride or size.width % stride:
        raise UserError(
            f"{size.height}x{size.width} is not a multiple of {stride} pixels.", "Change --height, --width."
        )


def fitted_frames(frames: NDArray[np.uint8], size: ClipSize, path: Path) -> NDArray[np.uint8]:
    """The first frames (T, H, W, 3), scaled to cover the size and cut to its middle.

    Raises:
        UserError: if the video is too short.
    """
    if len(frames) < size.frames:
        raise UserError(f"{path} has {len(frames)} frames, not {size.frames}.", "Use fewer --frames, or leave it out.")
    height, width = frames.shape[1:3]
    if (height, width) == (size.height, size.width):
        return frames[: size.frames]
    scale = max(size.height / height, size.width / width)
    rows, columns = max(size.height, round(height * scale)), max(size.width, round(width * scale))
    top, left = (rows - size.height) // 2, (columns - size.width) // 2
    scaled = (
        np.asarray(Image.fromarray(frame).resize((columns, rows), Image.Resampling.BICUBIC))
        for frame in frames[: size.frames]
    )
    return np.stack([frame[top : top + size.height, left : left + size.width] for frame in scaled])


def encode_videos(
    pairs: Sequence[CaptionedVideo],
    codec: VideoCodec,
    out: Path,
    size: ClipSize,
    *,
    split: Split = "train",
    numbers: Sequence[int] | None = None,
    skip_corrupt: bool = False,
    clips_per_shard: int = CLIPS_PER_SHARD,
    device: torch.device = _CPU,
) -> list[str]:
    """Encode the shards that are not there yet, and write the index.

    Args:
        pairs: all videos, in the order of the caption file.
        codec: codec that encodes.
        out: folder of the shards.
        size: size of every clip.
        split: train or validation.
        numbers: shards of this worker; None is all.
        skip_corrupt: leave out videos that cannot be read or are too short.
        clips_per_shard: videos of a shard.
        device: device of the codec.

    Returns:
        What was left out, one line each.

    Raises:
        UserError: for the first such video, if none may be left out; finished shards are kept. For a size that the
            codec cannot encode.
    """
    check_size(size, codec)
    skipped: list[str] = []
    count = -(-len(pairs) // clips_per_shard)
    for number in track(range(count) if numbers is None else [n for n in numbers if n < count], "encoding videos"):
        path = shard_path(out, split, number)
        if is_finished(path):
            continue
        clips: list[tuple[Tensor, CaptionedVideo]] = []
        for pair in pairs[number * clips_per_shard : (number + 1) * clips_per_shard]:
            try:
                clips.append((_encode(pair.path, codec, size, device), pair))
            except UserError as error:
                if not skip_corrupt:
                    raise
                skipped.append(error.problem)
        if clips:
            sources = [pair.path.name for _, pair in clips]
            write_shard(path, [clip for clip, _ in clips], [pair.caption for _, pair in clips], sources)
    write_index(out)
    return skipped


@torch.no_grad()
def _encode(path: Path, codec: VideoCodec, size: ClipSize, device: torch.device) -> Tensor:
    frames = torch.from_numpy(np.ascontiguousarray(fitted_frames(read_video(path).frames, size, path)))
    return codec.encode(to_unit_range(frames[None].to(device)))[0].cpu()
