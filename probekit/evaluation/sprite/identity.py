"""Comparing what sprites look like: graded agreement of colour, shape and size."""

from typing import Final, NamedTuple

import numpy as np

from probekit.sprite_world.tracker import Float, Int
from probekit.sprite_world.tracker_objects import UNKNOWN, TrackedObject

_ATTRIBUTES: Final = 3


class Identity(NamedTuple):
    """Looks of one sprite, as indices; `UNKNOWN` agrees with nothing, not even itself."""

    color: int
    shape: int
    size: int


def identity_over(this: TrackedObject, frames: Int) -> Identity:
    """The most frequent colour, shape and size in some frames (indices, at least one)."""
    return Identity(*(_most_frequent(values[frames]) for values in (this.color, this.shape, this.size)))


def _most_frequent(values: Int) -> int:
    return int(np.bincount(values - UNKNOWN).argmax()) + UNKNOWN


def agreement(a: Identity, b: Identity) -> float:
    """Share in {0, 1/3, 2/3, 1} of colour, shape and size that two identities have in common."""
    return sum(left == right != UNKNOWN for left, right in zip(a, b, strict=True)) / _ATTRIBUTES


def agreements(this: TrackedObject, frames: Int, with_frames: Int) -> Float:
    """Agreement of the object in `frames` (N,) with itself in `with_frames` (N,)."""
    shared = np.zeros(len(frames), np.float64)
    for values in (this.color, this.shape, this.size):
        shared += (values[frames] == values[with_frames]) & (values[frames] != UNKNOWN)
    return np.asarray(shared / _ATTRIBUTES)


def agreements_with(this: TrackedObject, frames: Int, reference: Identity) -> Float:
    """Agreement of the object in `frames` (N,) with a fixed identity."""
    shared = np.zeros(len(frames), np.float64)
    for values, expected in zip((this.color, this.shape, this.size), reference, strict=True):
        shared += (values[frames] == expected) & (expected != UNKNOWN)
    return np.asarray(shared / _ATTRIBUTES)
