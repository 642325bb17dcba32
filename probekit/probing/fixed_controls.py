"""Readouts that need no state: the present again, the mean frame, motion gone on in a straight line. Torch-free."""

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.registration import optical_flow_tvl1
from skimage.transform import warp

Floats = NDArray[np.float32]


def mean_frame(training: Floats, rows: int) -> Floats:
    """The mean of the training goals (M, P), for each of `rows` chunks; goals with NaN do not count."""
    return np.repeat(np.nanmean(training, axis=0, keepdims=True), rows, axis=0).astype(np.float32)


def backward_flow(frames: NDArray[np.uint8]) -> Floats:
    """Where each pixel of the last frame came from, (R, 2, H, W) in rows and columns: optical flow to the frame before.

    TV-L1 (Zach et al. 2007), as scikit-image has it; 0 where a chunk has one frame.

    Args:
        frames: (R, n, H, W, 3) uint8, the frames of each chunk at equal distances, at least one.
    """
    if frames.shape[1] < 2:
        return np.zeros((len(frames), 2, *frames.shape[2:4]), np.float32)
    grey = rgb2gray(frames[:, -2:].astype(np.float32) / np.float32(255))
    return np.stack([optical_flow_tvl1(now, before) for before, now in grey])  # type: ignore[no-untyped-call]


def linear_motion(frames: NDArray[np.uint8], latent_frames_ahead: int, flow: Floats | None = None) -> Floats:
    """Frames that go on as the last two went on, (R, H·W·3) in [0, 1].

    A pixel some frames ahead comes from as many times as far as the flow to the frame before says.

    Args:
        frames: (R, n, H, W, 3) uint8, the frames of each chunk at equal distances, at least one.
        latent_frames_ahead: frames ahead, at the distance of two of them; 0 gives the last frame.
        flow: `backward_flow` of the frames, where it is known already.
    """
    now = frames[:, -1].astype(np.float32) / np.float32(255)
    if frames.shape[1] < 2 or latent_frames_ahead == 0:
        return now.reshape(len(now), -1)
    fields = backward_flow(frames) if flow is None else flow
    moved = [_moved(picture, latent_frames_ahead * field) for picture, field in zip(now, fields, strict=True)]
    return np.stack(moved).reshape(len(now), -1).astype(np.float32)


def _moved(now: Floats, back: Floats) -> Floats:
    rows, columns = np.meshgrid(*map(np.arange, now.shape[:2]), indexing="ij")
    source = np.stack([rows + back[0], columns + back[1]])
    channels = [_warped(now[..., channel], source) for channel in range(now.shape[2])]
    moved: Floats = np.stack(channels, axis=-1).astype(np.float32)
    return moved


def _warped(plane: Floats, source: NDArray[np.float64]) -> Floats:
    warped: Floats = warp(plane, source, order=1, mode="edge")  # type: ignore[no-untyped-call]
    return warped


def motion_of(frames: NDArray[np.uint8]) -> Floats:
    """How much videos move, (V,): mean absolute change of intensity in [0, 1] between frames that follow one another.

    Args:
        frames: (V, N, n, H, W, 3) uint8.
    """
    videos = len(frames)
    flat = frames.reshape(videos, -1, int(np.prod(frames.shape[3:]))).astype(np.float32) / np.float32(255)
    moved: Floats = np.abs(np.diff(flat, axis=1)).mean(axis=(1, 2))
    return moved
