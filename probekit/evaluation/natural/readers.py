"""What the networks say of a video; weights load with the first video."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.evaluation.natural.formulas import mutual_matches
from probekit.evaluation.natural.frames import batches, every, resized, scaled_size
from probekit.evaluation.natural.networks import loading
from probekit.evaluation.natural.networks.efficientnet_lite import IMAGE_SIDE, MEAN, STD, EfficientNetLite
from probekit.evaluation.natural.networks.st_lpips import StLpips
from probekit.evaluation.natural.networks.transnet import FRAME_SIZE, TransNet
from probekit.evaluation.natural.networks.xfeat import STRIDE, Keypoints, XFeat
from probekit.evaluation.scorer import ScoringInput

Floats = NDArray[np.float64]

DRIFT_SECONDS: Final = 0.5
DRIFT_SIDE: Final = 128
MATCH_SECONDS: Final = 0.25
MATCH_SIDE: Final = 512
MOST_KEYPOINTS: Final = 500


def image_features(frames: NDArray[np.uint8], network: EfficientNetLite | None = None) -> Floats:
    """EfficientNet features (T, D) of frames uint8 (T, H, W, 3), each squeezed to a square of 224 px."""
    chosen = network or loading.efficientnet()
    mean, std = (torch.tensor(each)[None, :, None, None] * 255 for each in (MEAN, STD))
    with torch.inference_mode():
        found = [chosen.features((resized(b, IMAGE_SIDE, IMAGE_SIDE) - mean) / std) for b in batches(frames)]
    return torch.cat(found).double().numpy()


def first_frame_distances(frames: NDArray[np.uint8], network: StLpips | None = None) -> Floats:
    """ST-LPIPS (T-1,) of each frame but the first to the first, at 128 px along the longer side."""
    chosen = network or loading.st_lpips_alex()
    height, width = scaled_size(frames.shape[1], frames.shape[2], DRIFT_SIDE, 1)
    with torch.inference_mode():
        first = chosen.features(resized(frames[:1], height, width) / 127.5 - 1)
        found = [
            chosen.distance(chosen.features(resized(batch, height, width) / 127.5 - 1), first)
            for batch in batches(frames[1:])
        ]
    return torch.cat(found).double().numpy()


def shot_ends(frames: Iterable[NDArray[np.uint8]], network: TransNet | None = None) -> Floats:
    """Probability (T,) of each frame uint8 (H, W, 3) to be the last of its shot; frames are read one by one."""
    chosen = network or loading.transnet()
    with torch.inference_mode():
        small = [resized(frame[None], *FRAME_SIZE).round().clamp(0, 255).to(torch.uint8) for frame in frames]
        return chosen.probabilities(torch.cat(small).permute(0, 2, 3, 1)).double().numpy()


class Matches(NamedTuple):
    """What was found again between the frames of each pair.

    Attributes:
        asked: keypoints of each pair's first frame.
        matched: those found again.
        distances: median distance of each pair with a match, in shares of the frame's diagonal.
        seconds: time between the frames of a pair.
    """

    asked: list[int]
    matched: list[int]
    distances: list[float]
    seconds: float


def matches(video: ScoringInput, network: XFeat | None = None) -> Matches:
    """Match keypoints of frames a quarter of a second apart."""
    chosen, step = network or loading.xfeat(), every(MATCH_SECONDS, video.fps)
    frames = video.frames[::step]
    height, width = scaled_size(frames.shape[1], frames.shape[2], MATCH_SIDE, STRIDE)
    found: list[Keypoints] = []
    with torch.inference_mode():
        for batch in batches(frames):
            found += chosen.keypoints(resized(batch, height, width), MOST_KEYPOINTS)
    asked, matched, distances = [], [], []
    for one, other in pairwise(found):
        ours, theirs = mutual_matches(one.descriptors.double().numpy(), other.descriptors.double().numpy())
        asked.append(len(one.places))
        matched.append(len(ours))
        if len(ours):
            moved = np.linalg.norm(one.places.numpy()[ours] - other.places.numpy()[theirs], axis=1)
            distances.append(float(np.median(moved) / np.hypot(height, width)))
    return Matches(asked, matched, distances, step / video.fps)
