"""How often a model's videos show what they were asked for: the rates on a model's card, read by the tracker."""

from typing import Final, NamedTuple

import numpy as np

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.sprite.identity import identity_over
from probekit.media.video_files import read_video
from probekit.progress import track
from probekit.run_folder.video_set import VideoSet
from probekit.sprite_world.tracker_objects import Sight, TrackedObject
from probekit.sprite_world.vocabulary import COLORS, SHAPES

KEPT_SHARE: Final = 0.9
"""A sprite keeps its identity if its most frequent colour, shape and tone hold in this share of its clear frames."""


class VideoVerdict(NamedTuple):
    """What one video shows.

    Attributes:
        colors: every prompted colour belongs to a sprite of the video.
        colors_and_shapes: every prompted sprite is there by its most frequent colour and shape.
        one_identity: every sprite that is there keeps its colour, shape and tone, and no prompted one is missing.
        background: the background is the prompted one, and there is a pillar if and only if one was prompted.
    """

    colors: bool
    colors_and_shapes: bool
    one_identity: bool
    background: bool


def judge(video: ScoringInput) -> VideoVerdict:
    """Judge one video of the sprite world against its prompt.

    Raises:
        UserError: if the prompt or the frame size is not of the sprite world.
    """
    facts, tracks = video.facts, video.tracks
    seen = [this for this in video.objects if (this.sight == Sight.CLEAR).any()]
    looks = [identity_over(this, np.flatnonzero(this.sight == Sight.CLEAR)) for this in seen]
    asked = {(list(COLORS).index(sprite.color), SHAPES.index(sprite.shape)) for sprite in facts.sprites}
    colors = {color for color, _ in asked} <= {look.color for look in looks}
    return VideoVerdict(
        colors=colors,
        colors_and_shapes=asked <= {(look.color, look.shape) for look in looks},
        one_identity=colors and all(_kept_share(this) >= KEPT_SHARE for this in seen),
        background=tracks.background == facts.background and (tracks.pillar_x is not None) == facts.pillar,
    )


def _kept_share(this: TrackedObject) -> float:
    clear = np.flatnonzero(this.sight == Sight.CLEAR)
    look = identity_over(this, clear)
    kept = (this.color[clear] == look.color) & (this.shape[clear] == look.shape) & (this.tone[clear] == look.tone)
    return float(kept.mean())


def sprite_rates(video_set: VideoSet) -> dict[str, float]:
    """Share of a set's videos for which each field of `VideoVerdict` holds, and their number as `videos`."""
    verdicts = []
    for row in track(video_set.rows, "judging videos"):
        clip = read_video(video_set.root / row.path, expect_frames=row.n_frames)
        verdicts.append(judge(ScoringInput(clip.frames, clip.fps, row.prompt)))
    shares = np.array(verdicts, float).mean(0)
    return {**dict(zip(VideoVerdict._fields, map(float, shares), strict=True)), "videos": float(len(verdicts))}
