"""Comparing what sprites look like: graded agreement of colour, shape, size and tone."""

from typing import NamedTuple

import numpy as np

from probekit.sprite_world.tracker import Float, Int
from probekit.sprite_world.tracker_objects import UNKNOWN, TrackedObject


class Identity(NamedTuple):
    """Looks of one sprite, as indices; `UNKNOWN` agrees with nothing, not even itself."""

    color: int
    shape: int
    size: int
    tone: int


def _looks(this: TrackedObject) -> tuple[Int, ...]:
    return this.color, this.shape, this.size, this.tone


def identity_over(this: TrackedObject, frames: Int) -> Identity:
    """The most frequent colour, shape, size and tone in some frames (indices, at least one)."""
    return Identity(*(_most_frequent(values[frames]) for values in _looks(this)))


def _most_frequent(values: Int) -> int:
    return int(np.bincount(values - UNKNOWN).argmax()) + UNKNOWN


def agreement(a: Identity, b: Identity) -> float:
    """Share in {0, 1/4, 1/2, 3/4, 1} of colour, shape, size and tone that two identities have in common."""
    return sum(left == right != UNKNOWN for left, right in zip(a, b, strict=True)) / len(a)


def agreements(this: TrackedObject, frames: Int, with_frames: Int) -> Float:
    """Agreement of the object in `frames` (N,) with itself in `with_frames` (N,)."""
    shared = np.zeros(len(frames), np.float64)
    for values in _looks(this):
        shared += (values[frames] == values[with_frames]) & (values[frames] != UNKNOWN)
    return np.asarray(shared / len(Identity._fields))


def agreements_with(this: TrackedObject, frames: Int, reference: Identity) -> Float:
    """Agreement of the object in `frames` (N,) with a fixed identity."""
    shared = np.zeros(len(frames), np.float64)
    for values, expected in zip(_looks(this), reference, strict=True):
        shared += (values[frames] == expected) & (expected != UNKNOWN)
    return np.asarray(shared / len(Identity._fields))
