"""The probe: a small MLP from a chunk's state to a frame some chunks ahead."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.seeding import counter_seed
from probekit.threads import one_thread

Floats = NDArray[np.float32]


class ProbeBudget(NamedTuple):
    """What every probe gets alike.

    Attributes:
        state_components: principal components of the standardised states, fitted on the training prompts.
        frame_components: principal components of the frames in which the MLP answers.
        width: width of the two hidden layers.
    """

    state_components: int = 128
    frame_components: int = 96
    width: int = 256
    steps: int = 500
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2


class Basis(NamedTuple):
    """Principal components: mean (D,), axes (K, D), scale (K,)."""

    mean: Tensor
    axes: Tensor
    scale: Tensor

    def project(self, rows: Tensor) -> Tensor:
        """Rows (M, D) to whitened coordinates (M, K)."""
        return (rows - self.mean) @ self.axes.T / self.scale

    def restore(self, coordinates: Tensor) -> Tensor:
        """Whitened coordinates (M, K) to rows (M, D)."""
        return (coordinates * self.scale) @ self.axes + self.mean


def fit_basis(rows: Tensor, components: int, seed: int) -> Basis:
    """Principal components of rows (M, D); fewer where the rows span fewer."""
    mean = rows.mean(dim=0)
    count = min(components, *rows.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("probe-basis", seed) % 2**63)
        _, spread, axes = torch.svd_lowrank(rows - mean, q=min(count + 8, *rows.shape))
    scale = spread[:count] / max(1, len(rows) - 1) ** 0.5
    return Basis(mean, axes[:, :count].T.contiguous(), scale.clamp_min(1e-6))


def fit_and_read(
    train_states: Floats, train_frames: Floats, test_states: Floats, budget: ProbeBudget, seed: int
) -> Floats:
    """Train one probe and read the held-out states, on one thread.

    Args:
        train_states: (M, D), one row per chunk.
        train_frames: (M, P) in [0, 1], the frames to reconstruct.
        test_states: (K, D).
        budget: the same for every probe.
        seed: seed of initial weights and batches.

    Returns:
        Readouts (K, P), clipped to [0, 1].
    """
    with one_thread():
        return _fit_and_read(train_states, train_frames, test_states, budget, seed)


def _fit_and_read(
    train_states: Floats, train_frames: Floats, test_states: Floats, budget: ProbeBudget, seed: int
) -> Floats:
    states, frames = torch.from_numpy(train_states), torch.from_numpy(train_frames)
    source = fit_basis(states, budget.state_components, seed)
    target = fit_basis(frames, budget.frame_components, seed)
    inputs, goals = source.project(states), target.project(frames)
    probe = _train(inputs, goals, target.scale, budget, seed)
    with torch.no_grad():
        readouts = target.restore(probe(source.project(torch.from_numpy(test_states))))
    clipped: Floats = readouts.clamp(0, 1).numpy()
    return clipped


def pixel_error(predicted: Tensor, goals: Tensor, scale: Tensor) -> Tensor:
    """Squared error of pixels, read off whitened coordinates: Σ_k scale_k²·(p_k - g_k)² / Σ_k scale_k², mean over rows.

    A basis has orthonormal axes, so this is the squared distance of the restored frames over the frames' variance.

    Args:
        predicted: (M, K) whitened coordinates.
        goals: (M, K).
        scale: (K,) of the frames' basis.
    """
    importance = scale.square() / scale.square().sum()
    return ((predicted - goals).square() * importance).sum(dim=1).mean()


def _train(inputs: Tensor, goals: Tensor, scale: Tensor, budget: ProbeBudget, seed: int) -> nn.Module:
    rng = torch.Generator().manual_seed(counter_seed("probe-batches", seed) % 2**63)
    probe = _mlp(inputs.shape[1], goals.shape[1], budget.width, seed)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.steps)
    for _ in range(budget.steps):
        rows = torch.randint(len(inputs), (min(budget.batch, len(inputs)),), generator=rng)
        loss = pixel_error(probe(inputs[rows]), goals[rows], scale)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return probe.eval()


def _mlp(inputs: int, outputs: int, width: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("probe-weights", seed) % 2**63)
        return nn.Sequential(
            nn.Linear(inputs, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, outputs),
        )
