"""Identities by hand: most frequent looks, and the share of them that two have in common."""

import numpy as np

from probekit.evaluation.sprite.identity import Identity, agreement, agreements, agreements_with, identity_over
from probekit.sprite_world.tracker_objects import UNKNOWN, Sight, TrackedObject

NONE = UNKNOWN


def tracked(color: list[int], shape: list[int], size: list[int], tone: list[int]) -> TrackedObject:
    places = np.zeros(len(color))
    looks = (np.array(values) for values in (color, shape, size, tone))
    return TrackedObject(np.full(len(color), Sight.CLEAR), *looks, places, places, places)


THIS = tracked(color=[2, 2, 5, NONE], shape=[NONE, NONE, 1, NONE], size=[0, 1, 1, NONE], tone=[2, 2, 0, NONE])


def test_an_identity_is_the_most_frequent_colour_shape_size_and_tone() -> None:
    assert identity_over(THIS, np.array([0, 1, 2])) == Identity(2, NONE, 1, 2)
    assert identity_over(THIS, np.array([2])) == Identity(5, 1, 1, 0)
    assert identity_over(THIS, np.array([0])) == Identity(2, NONE, 0, 2)


def test_two_identities_agree_in_quarters_and_nothing_agrees_with_the_unknown() -> None:
    one = Identity(3, 1, 0, 2)
    assert agreement(one, one) == 1.0
    assert agreement(one, Identity(3, 1, 0, 1)) == 3 / 4
    assert agreement(one, Identity(3, 1, 1, 1)) == 2 / 4
    assert agreement(one, Identity(4, 1, 1, 1)) == 1 / 4
    assert agreement(one, Identity(4, 0, 1, 1)) == 0.0
    assert agreement(Identity(3, NONE, 0, 2), Identity(3, NONE, 0, 2)) == 3 / 4


def test_an_object_agrees_with_itself_in_another_frame_by_quarters() -> None:
    frames, others = np.array([0, 1, 2, 3]), np.array([1, 2, 2, 3])
    np.testing.assert_allclose(agreements(THIS, frames, others), [2 / 4, 1 / 4, 1.0, 0.0])


def test_an_object_agrees_with_a_fixed_identity_by_quarters() -> None:
    frames = np.array([0, 1, 2, 3])
    np.testing.assert_allclose(agreements_with(THIS, frames, Identity(2, NONE, 1, 0)), [1 / 4, 2 / 4, 2 / 4, 0.0])
    np.testing.assert_allclose(agreements_with(THIS, frames, Identity(5, 1, 1, 2)), [1 / 4, 2 / 4, 3 / 4, 0.0])
