"""Fast formulas on numbers that can be followed by hand."""

import numpy as np
import pytest
import torch

from probekit.evaluation.vbench.fast.formulas import consistency, flickering, flow_motion, smoothness


def test_consistency_is_the_mean_cosine_with_the_frame_before_and_with_the_first() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [3.0, 4.0]])
    before, first = [0.0, 0.0, 0.6], [0.0, 1.0, 0.6]
    found = consistency(features)
    assert found.value == pytest.approx((sum(before) + sum(first)) / 6)
    assert found.numerator == pytest.approx((sum(before) + sum(first)) / 2)
    assert found.denominator == 3


def test_an_opposite_feature_counts_as_nothing_not_as_less() -> None:
    found = consistency(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]))
    assert found.value == pytest.approx((0 + 0) / 4 + (0 + 1) / 4)


def test_flickering_is_the_mean_absolute_difference_of_neighbours() -> None:
    frames = np.stack([np.full((2, 2, 3), level, np.uint8) for level in (0, 51, 0, 0)])
    assert flickering(frames).value == pytest.approx((255 - (51 + 51 + 0) / 3) / 255)


def test_a_single_frame_has_no_consistency_and_no_flicker() -> None:
    assert consistency(torch.ones(1, 2)).value is None
    assert flickering(np.zeros((1, 2, 2, 3), np.uint8)).value is None


def test_motion_is_the_mean_of_the_longest_twentieth_of_the_vectors() -> None:
    flow = torch.zeros(1, 2, 4, 10)
    flow[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    flow[0, :, 1, 1] = torch.tensor([0.0, 1.0])
    assert flow_motion(flow) == [pytest.approx((5 + 1) / 2)]


def test_smoothness_rounds_unless_the_official_code_truncates() -> None:
    predicted = torch.full((1, 3, 1, 1), 10.6 / 255)
    real = np.full((1, 1, 1, 3), 10, np.uint8)
    assert smoothness(predicted, real, truncated=False) == 3.0
    assert smoothness(predicted, real, truncated=True) == 0.0
