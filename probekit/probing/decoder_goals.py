"""What decoders are fitted to: values of horizons on one scale, and the way back from what they give out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.probing.decoder_inputs import from_patches, patches
from probekit.probing.decoders import Goals
from probekit.probing.targets import ProbeTarget
from probekit.seeding import counter_seed

Floats = NDArray[np.float32]


class GoalSpace(NamedTuple):
    """Coordinates in which decoders answer: centred, on orthonormal axes, over one spread for all.

    Attributes:
        mean: (P,) of the training values.
        axes: (P, K) orthonormal; None keeps the values' own.
        spread: root mean square of the training coordinates.
    """

    mean: Tensor
    axes: Tensor | None
    spread: float

    @classmethod
    def of(cls, values: Tensor, components: int | None) -> "GoalSpace":
        """Of known training values (M, P), on that many principal axes at most."""
        mean = values.mean(dim=0)
        centred = values - mean
        if components is None or values.shape[1] <= components:
            return cls(mean, None, _root_mean_square(centred))
        count = min(components, len(values))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(counter_seed("probe-goal-axes") % 2**63)
            _, _, axes = torch.svd_lowrank(centred, q=min(count + 8, *values.shape))
        kept = axes[:, :count].contiguous()
        return cls(mean, kept, _root_mean_square(centred @ kept))

    def project(self, values: Tensor) -> Tensor:
        """Values (..., P) to coordinates (..., K)."""
        centred = (values - self.mean) / self.spread
        return centred if self.axes is None else centred @ self.axes

    def restore(self, coordinates: Tensor) -> Tensor:
        """Coordinates (..., K) to values (..., P)."""
        spanned = coordinates if self.axes is None else coordinates @ self.axes.T
        return spanned * self.spread + self.mean


def _root_mean_square(values: Tensor) -> float:
    return max(float(values.square().mean().sqrt()), 1e-6)


class PreparedGoals(NamedTuple):
    """Goals of the training and validation rows, and the way back.

    Attributes:
        train: goals of the training rows.
        validation: goals of the validation rows.
        space: coordinates of the goals; None for classes.
        grid: rows and columns of tokens where a row is one position's; None where it is a chunk's.
        patch: rows and columns of pixels of a position.
    """

    train: Goals
    validation: Goals
    space: GoalSpace | None
    grid: tuple[int, int] | None = None
    patch: tuple[int, int] = (1, 1)

    @property
    def rows_per_chunk(self) -> int:
        """Rows that one chunk makes: one, or one per position."""
        return 1 if self.grid is None else self.grid[0] * self.grid[1]

    def values(self, readout: Tensor) -> Floats:
        """Values (R, P) of what a decoder gave out, or log-odds (R, classes)."""
        return readout.numpy() if self.space is None else restored(readout, self.space, self.grid, self.patch)


def restored(readout: Tensor, space: GoalSpace, grid: tuple[int, int] | None, patch: tuple[int, int]) -> Floats:
    """Values (R, P) of what a decoder gave out.

    Args:
        readout: (R, K) coordinates, or (R·T, K) where a row is one position's.
        space: the coordinates.
        grid: rows and columns of tokens where a row is one position's; None where it is a chunk's.
        patch: rows and columns of pixels of a position.
    """
    found: Floats = space.restore(readout).numpy()
    if grid is None:
        return found
    return from_patches(found.reshape(-1, grid[0] * grid[1], found.shape[1]), grid, patch)


def chunk_goals(
    train: Sequence[Floats], validation: Sequence[Floats], target: ProbeTarget, components: int
) -> PreparedGoals:
    """Goals of decoders that read a whole chunk; one (M, P) per horizon, NaN where unknown."""
    if target.kind == "class":
        return PreparedGoals(_goals(train, None, target.classes), _goals(validation, None, target.classes), None)
    space = GoalSpace.of(_known_rows(train), components)
    return PreparedGoals(_goals(train, space), _goals(validation, space), space)


def token_goals(
    train: Sequence[Floats], validation: Sequence[Floats], grid: tuple[int, int], patch: tuple[int, int]
) -> PreparedGoals:
    """Goals of decoders that read one position: the patch of pixels under it."""
    cut = [[_cut(part, grid, patch) for part in side] for side in (train, validation)]
    space = GoalSpace.of(_known_rows(cut[0]), None)
    return PreparedGoals(_goals(cut[0], space), _goals(cut[1], space), space, grid, patch)


def _cut(values: Floats, grid: tuple[int, int], patch: tuple[int, int]) -> Floats:
    found = patches(values, grid, patch)
    return found.reshape(-1, found.shape[-1])


def _known_rows(values: Sequence[Floats]) -> Tensor:
    joined = np.concatenate(values)
    return torch.from_numpy(joined[np.isfinite(joined).all(axis=1)])


def _goals(values: Sequence[Floats], space: GoalSpace | None, classes: int = 0) -> Goals:
    found = torch.from_numpy(np.stack(values))
    known = found.isfinite().all(dim=2)
    filled = torch.where(known[..., None], found, 0.0 if space is None else space.mean)
    return Goals(filled if space is None else space.project(filled), known, classes)
