"""What each network is shown: pure functions from frames to inputs, with the official code's quirks by name.

Frames are whole numbers 0..255 of any type, (N, 3, H, W), RGB, as both decoders of the official code give them (decord,
and OpenCV after its conversion from BGR). `vbench/utils.py` has the transforms that these reproduce.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from probekit.evaluation.vbench.fast.settings import Compatibility

SIDE: Final = 224
_MUSIQ_SIDE: Final = 512
_ACTION_SIDE: Final = 256
_CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_STD: Final = (0.229, 0.224, 0.225)


def clip_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """CLIP's input (N, 3, 224, 224): bicubic on floats, centre square."""
    resized = _short_side(frames.float(), SIDE, "bicubic", quirks)
    return _normalised(_centre(_within(resized, quirks), SIDE), _CLIP_MEAN, _CLIP_STD)


def viclip_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """ViCLIP's input (N, 3, 224, 224): bicubic, rounded to bytes again, centre square."""
    if not quirks.viclip_resize_rounded:
        return clip_input(frames, quirks)
    resized = _short_side(frames.float(), SIDE, "bicubic", quirks).clamp(0, 255).round()
    return _normalised(_centre(resized, SIDE), _CLIP_MEAN, _CLIP_STD)


def style_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """CLIP's input of the appearance style (N, 3, 224, 224): Pillow's bicubic, centre square."""
    if not quirks.style_through_pillow:
        return clip_input(frames, quirks)
    size = _size_by_short_side(frames.shape[2], frames.shape[3], SIDE)
    images = frames.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    resized = [np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)) for image in images]
    pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(frames.device)
    return _normalised(_centre(pixels.float(), SIDE), _CLIP_MEAN, _CLIP_STD)


def dino_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """DINO's input (N, 3, h, w), min(h, w) = 224: bilinear, the whole frame."""
    resized = _short_side(frames.float(), SIDE, "bilinear", quirks)
    return _normalised(resized if quirks.dino_uncropped else _centre(resized, SIDE), _IMAGENET_MEAN, _IMAGENET_STD)


def musiq_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """MUSIQ's input (N, 3, h, w) in 0..1, max(h, w) <= 512: bilinear (vbench/imaging_quality.py, `transform`)."""
    height, width = frames.shape[2:]
    images = frames.float()
    if quirks.musiq_longer_side_512 and max(height, width) > _MUSIQ_SIDE:
        scale = _MUSIQ_SIDE / max(height, width)
        images = _resized(images, (int(scale * height), int(scale * width)), "bilinear", quirks)
    return images / 255.0


def action_input(frames: Tensor, quirks: Compatibility) -> Tensor:
    """UMT's input (N, 3, 224, 224): OpenCV's bilinear on bytes, short side 256, centre square.

    As vbench/third_party/umt/functional.py: the longer side loses its fraction, the crop starts at the rounded half.
    """
    del quirks  # none concerns it
    height, width = frames.shape[2:]
    size = _size_by_short_side(height, width, _ACTION_SIDE)
    images = frames.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    if min(height, width) != _ACTION_SIDE:
        images = np.stack([cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR) for image in images])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(frames.device)
    return _normalised(_centre(pixels.float(), SIDE), _IMAGENET_MEAN, _IMAGENET_STD)


def padded(images: Tensor, multiple: int) -> tuple[Tensor, tuple[slice, slice]]:
    """Images (N, C, H, W) padded by their border to multiples of a size, and where the original pixels are.

    As the `InputPadder` of RAFT (8) and AMT (16): half of the padding on each side, the odd pixel below and right.
    """
    height, width = images.shape[2:]
    rows, columns = -height % multiple, -width % multiple
    top, left = rows // 2, columns // 2
    inside = slice(top, top + height), slice(left, left + width)
    return F.pad(images, (left, columns - left, top, rows - top), mode="replicate"), inside


def _size_by_short_side(height: int, width: int, side: int) -> tuple[int, int]:
    longer = int(side * max(height, width) / min(height, width))
    return (side, longer) if height <= width else (longer, side)


def _short_side(images: Tensor, side: int, mode: str, quirks: Compatibility) -> Tensor:
    return _resized(images, _size_by_short_side(images.shape[2], images.shape[3], side), mode, quirks)


def _resized(images: Tensor, size: tuple[int, int], mode: str, quirks: Compatibility) -> Tensor:
    if tuple(images.shape[2:]) == size:
        return images
    antialias = not quirks.resize_without_antialias
    return F.interpolate(images, size=size, mode=mode, align_corners=False, antialias=antialias)


def _within(images: Tensor, quirks: Compatibility) -> Tensor:
    return images if quirks.clip_resize_overshoot else images.clamp(0, 255)


def _centre(images: Tensor, side: int) -> Tensor:
    height, width = images.shape[2:]
    top, left = round((height - side) / 2.0), round((width - side) / 2.0)
    return images[:, :, top : top + side, left : left + side]


def _normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    centre, spread = (images.new_tensor(values)[:, None, None] for values in (mean, std))
    return images.div(255.0).sub_(centre).div_(spread)
