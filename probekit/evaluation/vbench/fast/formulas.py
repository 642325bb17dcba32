"""Scores from features: the arithmetic of the official modules, over all frames at once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from probekit.evaluation.scorer import Score

_SINGLE: Final = "a single frame has no neighbour"
_CONFIDENT: Final = 0.85
_ANSWERS: Final = 5
_CONFIDENCE_DIGITS: Final = 4
_FASTEST_SHARE: Final = 0.05
_LEVELS: Final = 255.0


def consistency(features: Tensor) -> Score:
    """Mean over frames of the cosines with the frame before and with the first, negative ones counted as 0.

    vbench/subject_consistency.py and background_consistency.py. Numerator and denominator are the sum and number of
    frames after the first, by which the official score weights videos.

    Args:
        features: (T, C).
    """
    if len(features) < 2:
        return Score(None, reason=_SINGLE)
    unit = F.normalize(features, dim=-1)
    before = F.cosine_similarity(unit[:-1], unit[1:]).clamp(0, 1).double()
    first = F.cosine_similarity(unit[:1], unit[1:]).clamp(0, 1).double()
    total, count = float(((before + first) / 2).sum()), len(features) - 1
    return Score(total / count, total, float(count))


def flickering(frames: NDArray[np.uint8]) -> Score:
    """(255 - mean_i mean|f_i - f_{i+1}|) / 255, exactly as `temporal_flickering` of the weight-free scorers, faster.

    Args:
        frames: (T, H, W, 3).
    """
    if len(frames) < 2:
        return Score(None, reason=_SINGLE)
    total = sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in pairwise(frames))  # whole numbers
    mean = total / ((len(frames) - 1) * frames[0].size)
    return Score((_LEVELS - mean) / _LEVELS)


def smoothness(predicted: Tensor, real: NDArray[np.uint8], truncated: bool) -> float:
    """Sum of absolute differences between interpolated frames (N, 3, H, W) in 0..1 and real ones (N, H, W, 3)."""
    levels = predicted.float() * _LEVELS
    levels = levels.clamp(0, _LEVELS) if truncated else levels.clamp(0, _LEVELS).round()
    pixels = levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return float(sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in zip(pixels, real, strict=True)))


def flow_motion(flow: Tensor) -> list[float]:
    """Mean length of the longest twentieth of the flow vectors, in pixels (vbench/dynamic_degree.py, `get_score`).

    Args:
        flow: (N, 2, H, W).
    """
    lengths = flow.float().square().sum(dim=1).sqrt().flatten(1)
    count = int(lengths.shape[1] * _FASTEST_SHARE)
    return [float(value) for value in lengths.topk(count, dim=1, sorted=False).values.mean(dim=1)]


def aesthetic(features: Tensor, head: torch.nn.Linear) -> Score:
    """Mean over frames of the predictor's score / 10 (vbench/aesthetic_quality.py). Features (T, C)."""
    with torch.inference_mode():
        scores = head(F.normalize(features.to(head.weight.device), dim=-1)) / 10
    return Score(float(scores.mean()))


def imaging(scores: Tensor) -> Score:
    """Mean over frames of MUSIQ's 0..100, as a fraction (vbench/imaging_quality.py). Scores (T,)."""
    return Score(float(scores.double().mean()) / 100)


def text_similarity(video: Tensor, text: Tensor) -> Score:
    """Cosine of a video's and a text's features (C,) (vbench/overall_consistency.py, temporal_style.py)."""
    return Score(float(F.cosine_similarity(video.float(), text.float(), dim=0).clamp(-1, 1)))


def style_similarity(frames: Tensor, text: Tensor, logit_scale: float) -> Score:
    """Mean over frames of CLIP's logit with the style / 100 (vbench/appearance_style.py).

    Published CLIPs have a scale of 100, so this is their cosine.

    Args:
        frames: features (T, C).
        text: features (C,) of the style.
        logit_scale: logit scale of the network.
    """
    cosines = F.normalize(frames, dim=1) @ F.normalize(text.float(), dim=0)
    total, count = float((cosines * (logit_scale / 100)).double().sum()), float(len(frames))
    return Score(total / count, total, count)


def action_recognised(logits: Tensor, label: str, actions: Sequence[str], rounded: bool) -> Score:
    """1 where the label is among the five likeliest actions with at least 0.85 (vbench/human_action.py).

    Args:
        logits: (400,).
        label: an action's name in lower case.
        actions: names in the order of the logits.
        rounded: whether confidences are rounded to four digits first.
    """
    confidences, numbers = torch.sigmoid(logits.float()).topk(_ANSWERS)
    values = [round(value, _CONFIDENCE_DIGITS) if rounded else value for value in confidences.tolist()]
    sure = {actions[number] for value, number in zip(values, numbers.tolist(), strict=True) if value >= _CONFIDENT}
    return Score(float(label in sure))
