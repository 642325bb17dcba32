"""A control task for probes of classes: labels that a state says nothing of but what its chunk looks like. Torch-free.

Hewitt & Liang (arXiv 1909.03368) give every word type a random label; a probe that learns those labels as well as the
real ones shows its own memory and not the state's knowledge. Here a type is a group of chunks that look alike.
Selectivity is the accuracy on the real labels minus that on these.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from probekit.probing.splits import Side
from probekit.seeding import generator

Floats = NDArray[np.float32]
TYPES: Final = 64
_AXES: Final = 16


def control_labels(looks: Floats, values: Floats, train: Side, classes: int, name: str) -> Floats:
    """Labels of the control task, (V, N, 1): each type of chunk has one, drawn as often as the real ones occur.

    Args:
        looks: what every chunk looks like, (V, N, ...), such as its latents.
        values: real labels (V, N, 1), NaN where unknown.
        train: training chunks; groups and frequencies are theirs.
        classes: number of classes.
        name: name of the target, the seed of the draw.
    """
    types = types_of(looks.reshape(*looks.shape[:2], -1), train)
    real = values[train.videos, train.chunks, 0]
    counts = np.bincount(real[np.isfinite(real)].astype(int), minlength=classes)
    chances = counts / counts.sum() if counts.sum() else np.full(classes, 1 / classes)
    labels = generator("control-task", name).choice(classes, TYPES, p=chances)
    return labels[types][..., None].astype(np.float32)


def types_of(looks: Floats, train: Side) -> NDArray[np.int64]:
    """The type of every chunk, (V, N): the nearest of `TYPES` centres of training chunks, on principal axes.

    Args:
        looks: (V, N, D).
        train: chunks whose groups the types are.
    """
    fitted = looks[train.videos, train.chunks].astype(np.float64)
    mean = fitted.mean(axis=0)
    _, _, axes = np.linalg.svd(fitted - mean, full_matrices=False)
    kept = axes[:_AXES].T
    known = (fitted - mean) @ kept
    count = min(TYPES, len(np.unique(known.round(6), axis=0)))
    centres, _ = kmeans2(known, count, minit="++", rng=generator("control-task-types"))
    places = (looks.astype(np.float64) - mean) @ kept
    nearest: NDArray[np.int64] = np.square(places[..., None, :] - centres).sum(axis=-1).argmin(axis=-1)
    return nearest
