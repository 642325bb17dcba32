"""The job that encodes captioned video files; it alone needs PyAV."""

from pathlib import Path

from probekit.choices import Split
from probekit.models.loading import load_codec
from probekit.models.model_folder import model_folder
from probekit.run_folder.shard import Shard
from trainer.data.encode_videos import CLIPS_PER_SHARD, ClipSize, encode_videos, read_captions
from trainer.distributed.world import local_device


def encode_captioned_videos(
    videos: Path,
    captions: Path,
    model: str,
    out: Path,
    size: ClipSize,
    split: Split,
    shard: Shard | None,
    skip_corrupt: bool,
) -> list[str]:
    """Encode a folder of videos with the codec of a model folder; returns what was left out.

    Raises:
        UserError: if captions and videos do not fit together, or a video cannot be read.
    """
    pairs = read_captions(captions, videos)
    count = -(-len(pairs) // CLIPS_PER_SHARD)
    numbers = range(count) if shard is None else range(count)[shard.index :: shard.count]
    device = local_device()
    codec = load_codec(model_folder(model)).to(device)
    return encode_videos(
        pairs, codec, out, size, split=split, numbers=numbers, skip_corrupt=skip_corrupt, device=device
    )
