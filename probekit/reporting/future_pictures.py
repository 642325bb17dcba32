"""Pictures of futures as numbers, so that figures are drawn from them without rolling anything out again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path
from probekit.library_errors import reading
from probekit.probing.future_distances import pixel_spread
from probekit.probing.future_experiment import StateFutures
from probekit.reporting.future_figures import SHOWN, FutureRow, mean_picture

PICTURES_FILE: Final = "pictures.npz"
KEPT_STATES: Final = 3
"""States of each arm whose pictures are kept."""

_FIX: Final = "Run `probekit futures` again."
_ARRAYS: Final = ("arm", "prompt", "horizon", "rolled_out", "now", "futures", "mean", "spread", "readout")


class FuturePictures(NamedTuple):
    """Pictures of one state at one horizon.

    Attributes:
        arm: model.
        prompt: text that was asked for.
        horizon: chunks ahead.
        rolled_out: futures that mean and spread are of.
        now: (H, W, 3) uint8, the last frame that futures share.
        futures: (K, H, W, 3) uint8, the first few.
        mean: (H, W, 3) uint8.
        spread: (H, W), standard deviation over futures, 0 to 1.
        readout: (H, W, 3) uint8, what the probe reads in the state.
    """

    arm: str
    prompt: str
    horizon: int
    rolled_out: int
    now: NDArray[np.uint8]
    futures: NDArray[np.uint8]
    mean: NDArray[np.uint8]
    spread: NDArray[np.float64]
    readout: NDArray[np.uint8]

    def row(self) -> FutureRow:
        """The row of the figure."""
        shown = [self.futures[index] if index < len(self.futures) else None for index in range(SHOWN)]
        return FutureRow(f"{self.arm}\n+{self.horizon}", (self.now, *shown, self.mean, self.spread, self.readout))


def pictures_of(arm: str, state: StateFutures, horizons: Sequence[int]) -> list[FuturePictures]:
    """The pictures of a state, horizon by horizon."""
    now = state.videos[0, state.ends[state.chunk]]
    found = []
    for horizon in horizons:
        futures = state.at(horizon)
        found.append(
            FuturePictures(
                arm, state.request.prompt, horizon, len(futures), now, futures[:SHOWN], mean_picture(futures),
                pixel_spread(futures), state.readouts[horizon],
            )
        )  # fmt: skip
    return found


def write_pictures(path: Path, pictures: Sequence[FuturePictures]) -> None:
    """Write pictures of one size into an .npz file."""
    columns: dict[str, Any] = dict(zip(_ARRAYS, map(np.array, zip(*pictures, strict=True)), strict=True))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **columns)


def read_pictures(path: Path) -> list[FuturePictures]:
    """Read what `write_pictures` wrote.

    Raises:
        UserError: the file is absent or no such file.
    """
    with reading(f"{path} holds no pictures of futures", _FIX), np.load(path, allow_pickle=False) as stored:
        columns = [stored[name] for name in _ARRAYS]
    return [
        FuturePictures(str(arm), str(prompt), int(horizon), int(rolled_out), *pictures)
        for arm, prompt, horizon, rolled_out, *pictures in zip(*columns, strict=True)
    ]
