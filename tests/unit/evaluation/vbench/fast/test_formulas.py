"""Fast formulas on numbers that can be followed by hand."""

import numpy as np
import pytest
import torch

from probekit.evaluation.vbench.fast.formulas import (
    action_recognised,
    aesthetic,
    consistency,
    flickering,
    flow_motion,
    imaging,
    smoothness,
    style_similarity,
    text_similarity,
)


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


def test_two_frames_have_a_consistency_and_a_flicker() -> None:
    assert consistency(torch.tensor([[1.0, 0.0], [0.6, 0.8]])).value == pytest.approx(0.6)
    frames = np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)])
    assert flickering(frames).value == 0.0
    assert flickering(frames[:1].repeat(2, axis=0)).value == 1.0


def test_each_flow_has_a_motion_of_its_own() -> None:
    flow = torch.zeros(2, 2, 2, 10)  # a twentieth of 20 vectors is one
    flow[1, :, 0, 0] = torch.tensor([-3.0, 4.0])
    flow[1, :, 1, 3] = torch.tensor([1.0, 1.0])
    assert flow_motion(flow) == [0.0, 5.0]


@pytest.mark.parametrize(("truncated", "level"), [(True, 254), (False, 255)])
def test_interpolated_levels_stay_within_0_to_255(truncated: bool, level: int) -> None:
    predicted = torch.tensor([-0.5, 254.7 / 255, 1.5]).view(1, 3, 1, 1)
    real = np.array([0, level, 255], np.uint8).reshape(1, 1, 1, 3)
    assert smoothness(predicted, real, truncated) == 0.0
    assert smoothness(predicted, np.zeros_like(real), truncated) == level + 255


def test_smoothness_sums_over_frames_and_pixels_of_all_channels() -> None:
    predicted = torch.zeros(2, 3, 2, 1)
    real = np.zeros((2, 2, 1, 3), np.uint8)
    real[0, 1, 0, 2], real[1, 0, 0, 0] = 7, 5
    assert smoothness(predicted, real, truncated=True) == 12.0


def test_the_aesthetic_score_is_a_tenth_of_the_heads_mean_on_unit_features() -> None:
    head = torch.nn.Linear(2, 1)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[5.0, 10.0]]))
        head.bias.fill_(1.0)
    features = torch.tensor([[3.0, 4.0], [0.0, 7.0]])  # unit: (0.6, 0.8) and (0, 1); scores 12 and 11
    found = aesthetic(features, head)
    assert found.value == pytest.approx((12 + 11) / 2 / 10)


def test_imaging_quality_is_the_mean_of_musiq_over_a_hundred() -> None:
    assert imaging(torch.tensor([40.0, 70.0, 10.0])).value == pytest.approx(0.4)


def test_a_text_is_compared_by_its_cosine() -> None:
    assert text_similarity(torch.tensor([3.0, 4.0]), torch.tensor([2.0, 0.0])).value == pytest.approx(0.6)
    assert text_similarity(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])).value == -1.0
    assert text_similarity(torch.tensor([2.0, 0.0]), torch.tensor([5.0, 0.0])).value == 1.0


def test_a_style_is_compared_by_the_mean_logit_over_a_hundred() -> None:
    frames = torch.tensor([[3.0, 4.0], [0.0, 2.0], [5.0, 0.0]])  # cosines with the first axis: 0.6, 0, 1
    found = style_similarity(frames, torch.tensor([7.0, 0.0]), logit_scale=50.0)
    assert found.value == pytest.approx((0.6 + 0 + 1) / 3 / 2)
    assert found.numerator == pytest.approx(0.8)
    assert found.denominator == 3


@pytest.mark.parametrize(
    ("confidence", "rank", "rounded", "expected"),
    [
        (0.9, 0, False, 1.0),
        (0.84, 0, False, 0.0),  # not sure enough
        (0.9, 4, False, 1.0),  # the fifth likeliest
        (0.9, 5, False, 0.0),  # the sixth
        (0.84996, 0, True, 1.0),  # 0.85 when rounded to four digits
        (0.84996, 0, False, 0.0),
        (0.84994, 0, True, 0.0),
    ],
)
def test_an_action_is_recognised_among_the_five_likeliest_that_are_sure(
    confidence: float, rank: int, rounded: bool, expected: float
) -> None:
    actions = [f"action {number}" for number in range(10)]
    confidences = torch.full((10,), 0.1)
    confidences[3] = confidence
    confidences[4 : 4 + rank] = 0.99
    logits = torch.logit(confidences.double()).float()
    assert action_recognised(logits, "action 3", actions, rounded).value == expected
    assert action_recognised(logits, "action 9", actions, rounded).value == 0.0
