"""How often the sprite tracker is right, and what true videos score, before and after the codec.

Run from the repository: ``OMP_NUM_THREADS=1 python benchmarks/tracker_accuracy.py [episodes]`` (default 100, half of
them validation, half test; about a minute). A frame counts where at least half of a sprite is visible; it is right if
colour, shape, size and position (within 1 px) are. A hidden sprite (less than 2 % visible) is right if it is called not
visible.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.scoring.backends import scorers_for
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.video_codec import to_uint8_frames, to_unit_range
from probekit.sprite_world.episodes import Episode, episode
from probekit.sprite_world.scene import Sprite
from probekit.sprite_world.tracker import SpriteTrack, TrackedVideo, track_video
from probekit.sprite_world.vocabulary import BACKGROUNDS, FPS, SHAPES, SIZES, TONES

TRAINING_EPISODES = 150
SURE = 0.8


class Reading(NamedTuple):
    """One sprite over a video: the tracker's answers as far as ground truth allows to judge them, arrays (frames,)."""

    identity: NDArray[np.bool_]
    error: NDArray[np.float64]
    confidence: NDArray[np.float64]
    hidden: NDArray[np.bool_]


def read(track: SpriteTrack, sprite: Sprite, truth: Episode, index: int) -> Reading:
    """Compare a track with its sprite's labels."""
    fraction = truth.labels.visible_fraction[:, index]
    half = fraction >= 0.5
    same = (track.shape == SHAPES.index(sprite.shape)) & (track.size == list(SIZES).index(sprite.size))
    same &= track.tone == list(TONES).index(truth.scene.tones[index])
    error = np.hypot(*(np.stack([track.x, track.y]) - truth.labels.position[:, index].T))
    confidence = track.confidence.astype(np.float64)
    found = np.where(track.visible, error, np.inf)
    return Reading(same[half], found[half], confidence[half], ~track.visible[fraction < 0.02])


def readings(episodes: list[Episode], videos: Iterable[TrackedVideo]) -> list[Reading]:
    """One reading for each sprite of each video; a sprite that was never seen raises KeyError."""
    return [
        read({track.color: track for track in video.tracks}[sprite.color], sprite, truth, index)
        for truth, video in zip(episodes, videos, strict=True)
        for index, sprite in enumerate(truth.scene.sprites)
    ]


def false_colors(episodes: list[Episode], videos: Iterable[TrackedVideo]) -> int:
    """Colours that were seen in videos without them."""
    return sum(
        len({track.color for track in video.tracks} - {sprite.color for sprite in truth.scene.sprites})
        for truth, video in zip(episodes, videos, strict=True)
    )


def backdrop_share(episodes: list[Episode], videos: Iterable[TrackedVideo]) -> float:
    """Share of frames whose background and pillar are right."""
    right = [
        (video.frame_background == list(BACKGROUNDS).index(truth.scene.background))
        & (video.frame_pillar_x == (-1 if truth.scene.pillar_x is None else truth.scene.pillar_x))
        for truth, video in zip(episodes, videos, strict=True)
    ]
    return float(np.concatenate(right).mean())


def report_tracking(name: str, episodes: list[Episode], frames: list[NDArray[np.uint8]]) -> None:
    """Track all videos and print one line."""
    track_video(frames[0])
    start = time.process_time()
    videos = [track_video(video) for video in frames]
    seconds = (time.process_time() - start) / len(videos)
    every = readings(episodes, videos)
    identity, error, confidence, hidden = (np.concatenate(parts) for parts in zip(*every, strict=True))
    sure = confidence >= SURE
    print(
        f"{name:6s} frames {len(identity):6d}  identity {identity.mean():.4f}  position {(error <= 1).mean():.4f}"
        f"  both {(identity & (error <= 1)).mean():.4f}  identity where sure {identity[sure].mean():.4f}"
        f" ({sure.mean():.3f} of frames)  hidden {hidden.mean():.4f} of {len(hidden)}"
        f"  false colours {false_colors(episodes, videos)}  backdrop {backdrop_share(episodes, videos):.4f}"
        f"  rms error {np.sqrt(np.mean(error[np.isfinite(error)] ** 2)):.3f} px  CPU {seconds:.3f} s a video"
    )


def report_scores(name: str, episodes: list[Episode], frames: list[NDArray[np.uint8]]) -> None:
    """Score all videos and print one line for each dimension."""
    found: dict[str, list[float | None]] = defaultdict(list)
    for truth, video in zip(episodes, frames, strict=True):
        scored = ScoringInput(video, float(FPS), truth.caption)
        for scorer in scorers_for("sprite-5s").scorers:
            found[scorer.dimension].append(scorer.score(scored).value)
    for dimension, values in found.items():
        known = [value for value in values if value is not None]
        print(f"{name:6s} {dimension:24s} mean {np.mean(known):.4f}  lowest {min(known):.3f}  of {len(known)}")


def through_codec(episodes: list[Episode]) -> list[NDArray[np.uint8]]:
    """Encode and decode with a codec fitted to training episodes."""

    def batch(items: Iterable[Episode]) -> torch.Tensor:
        return to_unit_range(torch.from_numpy(np.stack([item.frames for item in items])))

    codec = LinearVideoCodec.fit(batch(episode("train", 0, index) for index in range(TRAINING_EPISODES)))
    decoded = (to_uint8_frames(codec.decode(codec.encode(batch([item])))) for item in episodes)
    return [video[0].numpy() for video in decoded]


def main(count: int) -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    validation = [episode("validation", 1, index) for index in range(count // 2)]
    episodes = validation + [episode("test", 1, index) for index in range(count - count // 2)]
    decoded, raw = through_codec(episodes), [item.frames for item in episodes]
    for name, frames in (("raw", raw), ("codec", decoded)):
        report_tracking(name, episodes, frames)
        report_scores(name, episodes, frames)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
