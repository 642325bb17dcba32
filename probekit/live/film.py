"""What was watched as a film: per model the present and what it reads, what had been read, and the forks.

A function of the steps alone, so that the page and the command that repeats it give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.live.live_rollout import LiveChunk
from probekit.live.live_session import Step
from probekit.media.video_files import write_video

Picture = NDArray[np.uint8]

_LEAST_SIDE: Final = 128
"""Pixels; smaller frames are enlarged by a whole number."""
_GAP: Final = 8
_PAPER: Final = 244
_CRF: Final = 12
FILM: Final = ".mp4"
STILL: Final = ".png"


def write_film(path: Path, steps: Sequence[Step], fps: float) -> None:
    """Write all frames as H.264; equal steps give equal bytes.

    Raises:
        UserError: there is nothing to write yet, or the file cannot be written.
    """
    write_video(path, film(steps), fps, crf=_CRF)


def write_still(path: Path, steps: Sequence[Step], frame: int) -> None:
    """Write one frame of the film as PNG.

    Args:
        path: target.
        steps: what was watched.
        frame: zero-based number of the frame in the whole rollout.

    Raises:
        UserError: there is no such frame, or the file cannot be written.
    """
    from PIL import Image

    size, ends = _size(steps), np.cumsum([len(step[0].live.frames) for step in steps])
    if not 0 <= frame < ends[-1]:
        raise UserError(f"There is no frame {frame} among {ends[-1]}.", f"Give 0 to {ends[-1] - 1}.")
    place = int(np.searchsorted(ends, frame, side="right"))
    picture = _sheet(_rows(steps, place), *size)[frame - ends[place]]
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def film(steps: Sequence[Step]) -> Picture:
    """Frames (T, H, W, 3) of all steps; every one has the size of the largest.

    Raises:
        UserError: there is no step.
    """
    size = _size(steps)
    return np.concatenate([_sheet(_rows(steps, place), *size) for place in range(len(steps))])


def _size(steps: Sequence[Step]) -> tuple[int, int]:
    """Rows and columns of the largest step. Raises UserError where there is no step."""
    if not steps:
        raise UserError("Nothing has been generated yet.", "Wait for the first chunk.")
    lengths = [_row_lengths(step) for step in steps]
    return max(map(len, lengths)), max(length for of_step in lengths for length in of_step)


def _row_lengths(step: Step) -> list[int]:
    """Cells of each row, as `_rows` has them."""
    found = []
    for model in sorted({lane.model for lane in step}):
        own, *forks = [lane.live for lane in step if lane.model == model]
        ahead = sum(horizon > 0 for horizon in own.readouts)
        found += [1 + ahead, *([1 + ahead] if ahead else []), *([len(forks) + 1] if forks else [])]
    return found


def _rows(steps: Sequence[Step], place: int) -> list[list[Picture | None]]:
    """Rows of cells (T, H, W, 3) or (1, H, W, 3); None leaves a cell empty."""
    found: list[list[Picture | None]] = []
    for model in sorted({lane.model for lane in steps[place]}):
        own, *forks = [lane.live for lane in steps[place] if lane.model == model]
        horizons = [horizon for horizon in own.readouts if horizon > 0]
        found.append([own.frames, *(own.readouts[horizon][None] for horizon in horizons)])
        if horizons:
            arrived = [_read_before(steps, place, model, horizon) for horizon in horizons]
            found.append([own.frames[-1:], *arrived])
        if forks:
            found.append([*(fork.frames for fork in forks), mean_of([own, *forks])])
    return found


def _read_before(steps: Sequence[Step], place: int, model: int, horizon: int) -> Picture | None:
    """What the model's first rollout read of this chunk some chunks before."""
    if place < horizon:
        return None
    first = next(lane.live for lane in steps[place - horizon] if lane.model == model)
    return first.readouts[horizon][None]


def mean_of(futures: Sequence[LiveChunk]) -> Picture:
    """Mean of futures frame by frame, (T, H, W, 3), to the nearest level, halves up."""
    total = np.stack([future.frames for future in futures]).sum(axis=0, dtype=np.int64)
    return np.asarray((2 * total + len(futures)) // (2 * len(futures)), dtype=np.uint8)


def _sheet(rows: Sequence[Sequence[Picture | None]], count: int, columns: int) -> Picture:
    frames, height, width = next(cell.shape[:3] for row in rows for cell in row if cell is not None)
    scale = max(1, -(-_LEAST_SIDE // width))
    down, right = height * scale + _GAP, width * scale + _GAP
    size = (_even(count * down + _GAP), _even(columns * right + _GAP))
    sheet = np.full((frames, *size, 3), _PAPER, np.uint8)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if cell is not None:
                top, left = _GAP + row * down, _GAP + column * right
                large = cell.repeat(scale, 1).repeat(scale, 2)
                sheet[:, top : top + height * scale, left : left + width * scale] = large
    return sheet


def _even(size: int) -> int:
    return size + size % 2
