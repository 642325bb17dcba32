"""From states to the rows that decoders read: whole chunks on principal components, or the tokens of one position."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.seeding import counter_seed

_FREQUENCIES = (1.0, 2.0, 4.0)


class Scaling(NamedTuple):
    """Standardisation of inputs by the training rows: mean and spread (D,)."""

    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "Scaling":
        """From training rows (M, D); numbers that never vary are left at 0."""
        mean, spread = rows.mean(dim=0), rows.std(dim=0, correction=0)
        return cls(mean, torch.where(spread > 1e-6 * (mean.abs() + 1), spread, torch.inf))

    def __call__(self, rows: Tensor) -> Tensor:
        """Standardised rows."""
        return (rows - self.mean) / self.spread


class Components(NamedTuple):
    """Whitened principal components of standardised training rows.

    Attributes:
        scaling: standardisation of the rows.
        axes: (D, K) orthonormal.
        spread: (K,) standard deviations along them.
    """

    scaling: Scaling
    axes: Tensor
    spread: Tensor

    @classmethod
    def of(cls, rows: Tensor, count: int) -> "Components":
        """Of training rows (M, D) (randomised SVD, Halko et al. 2011).

        At most a quarter as many as rows: along later ones the spread of the training rows says little of others', and
        whitening would blow it up.
        """
        scaling = Scaling.of(rows)
        kept = max(1, min(count, rows.shape[1], len(rows) // 4))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(counter_seed("probe-basis", 0) % 2**63)
            _, singular, axes = torch.svd_lowrank(scaling(rows), q=min(kept + 8, *rows.shape))
        spread = (singular[:kept] / max(1, len(rows) - 1) ** 0.5).clamp_min(1e-6)
        return cls(scaling, axes[:, :kept].contiguous(), spread)

    def __call__(self, rows: Tensor) -> Tensor:
        """Whitened coordinates (M, K)."""
        return self.scaling(rows) @ self.axes / self.spread


class InputMap(NamedTuple):
    """From states to what one kind of decoder reads of them, fitted to the training chunks.

    Attributes:
        scaling: standardisation of the rows.
        axes: (D, K) principal axes of whole chunks; None where a row is one position's.
        spread: (K,) standard deviations along them.
        grid: rows and columns of tokens where a row is one position's.
    """

    scaling: Scaling
    axes: Tensor | None = None
    spread: Tensor | None = None
    grid: tuple[int, int] | None = None

    @classmethod
    def of_chunks(cls, training: NDArray[np.floating], components: int) -> "InputMap":
        """Of whole training chunks (V, N, n, T, W), on that many principal components at most."""
        return cls(*Components.of(chunk_rows(training), components))

    @classmethod
    def of_tokens(cls, training: NDArray[np.floating], grid: tuple[int, int]) -> "InputMap":
        """Of the positions of training chunks (V, N, n, T, W)."""
        return cls(Scaling.of(token_rows(training)), grid=grid)

    def __call__(self, states: NDArray[np.floating]) -> Tensor:
        """Rows of states (V, N, n, T, W): one per chunk, or one per chunk and position."""
        if self.grid is not None:
            return with_places(self.scaling(token_rows(states)), self.grid)
        assert self.axes is not None
        assert self.spread is not None
        return Components(self.scaling, self.axes, self.spread)(chunk_rows(states))


def chunk_rows(states: NDArray[np.floating]) -> Tensor:
    """One row per chunk (V·N, n·T·W) of states (V, N, n, T, W)."""
    return torch.from_numpy(np.ascontiguousarray(states.reshape(states.shape[0] * states.shape[1], -1), np.float32))


def token_rows(states: NDArray[np.floating]) -> Tensor:
    """One row per chunk and position (V·N·T, n·W) of states (V, N, n, T, W): the chunk's tokens at that position."""
    moved = np.moveaxis(states, 3, 2)
    return torch.from_numpy(np.ascontiguousarray(moved.reshape(-1, moved.shape[3] * moved.shape[4]), np.float32))


def place_features(rows: int, columns: int) -> Tensor:
    """Where a token is, (rows·columns, 12): sines and cosines of its row and column."""
    y, x = torch.meshgrid(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns), indexing="ij")
    angles = torch.stack([torch.pi * f * part.flatten() for part in (y, x) for f in _FREQUENCIES], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def with_places(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Rows of `token_rows` with the features of their position."""
    places = place_features(*grid)
    return torch.cat([tokens, places.repeat(len(tokens) // len(places), 1)], dim=1)


def patches(pixels: NDArray[np.float32], grid: tuple[int, int], patch: tuple[int, int]) -> NDArray[np.float32]:
    """Pixels (..., H·W·3) as patches (..., T, rows·columns·3) under the tokens of a grid."""
    (down, across), (rows, columns) = grid, patch
    lead = pixels.shape[:-1]
    cut = pixels.reshape(*lead, down, rows, across, columns, 3)
    return np.moveaxis(cut, -3, -4).reshape(*lead, down * across, rows * columns * 3)


def from_patches(found: NDArray[np.float32], grid: tuple[int, int], patch: tuple[int, int]) -> NDArray[np.float32]:
    """Pixels (..., H·W·3) of patches; undoes `patches`."""
    (down, across), (rows, columns) = grid, patch
    lead = found.shape[:-2]
    cut = found.reshape(*lead, down, across, rows, columns, 3)
    return np.moveaxis(cut, -4, -3).reshape(*lead, -1)


def latent_tokens(latents: NDArray[np.float32], grid: tuple[int, int], chunk_frames: int) -> NDArray[np.float32]:
    """Clean latents (V, C, L, h, w) of chunks as the transformer's tokens, (V, N, n, T, C·p·p)."""
    (rows, columns), chunk = grid, chunk_frames
    videos, channels, frames, height, width = latents.shape
    cut = latents.reshape(videos, channels, frames // chunk, chunk, rows, height // rows, columns, width // columns)
    moved = cut.transpose(0, 2, 3, 4, 6, 1, 5, 7)
    return moved.reshape(videos, frames // chunk, chunk, rows * columns, -1)


def pixel_tokens(frames: NDArray[np.uint8], grid: tuple[int, int], patch: tuple[int, int]) -> NDArray[np.float32]:
    """Pixels (V, N, n, H, W, 3) in [0, 1] as patches under the tokens, (V, N, n, T, rows·columns·3)."""
    flat = frames.reshape(*frames.shape[:3], -1).astype(np.float32) / np.float32(255)
    return patches(flat, grid, patch)
