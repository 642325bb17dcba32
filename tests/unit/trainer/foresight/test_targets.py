"""Targets of chunks by hand: offsets, the tail, and what is averaged."""

import pytest
import torch
from torch import Tensor

from trainer.foresight.targets import frame_mean, fused_target, targets_of, valid_offsets


def features(*values: float) -> list[Tensor]:
    """A chunk (B 1, T 2, E 1) of two equal tokens for each value."""
    return [torch.full((1, 2, 1), value) for value in values]


def values(found: list[tuple[int | None, Tensor]]) -> list[tuple[int | None, float]]:
    return [(index, float(target[0, 0, 0])) for index, target in found]


@pytest.mark.parametrize(("chunk", "expected"), [(0, [1, 2, 4]), (1, [1, 2]), (2, [1, 2]), (3, [1]), (4, [])])
def test_an_offset_is_valid_as_long_as_it_stays_in_the_video(chunk: int, expected: list[int]) -> None:
    assert valid_offsets(chunk, 5, (1, 2, 4)) == expected


def test_a_fused_target_is_the_mean_over_valid_offsets() -> None:
    chunks = features(1.0, 10.0, 100.0, 1000.0)
    assert values(targets_of(chunks, 0, (1, 2), "offsets", frames=2)) == [(None, 55.0)]
    assert values(targets_of(chunks, 2, (1, 2), "offsets", frames=2)) == [(None, 1000.0)]
    assert targets_of(chunks, 3, (1, 2), "offsets", frames=2) == []
    assert fused_target(chunks, 3, (1, 2)) is None


def test_without_fusion_each_offset_has_its_target_and_its_place_in_the_list() -> None:
    chunks = features(1.0, 10.0, 100.0, 1000.0)
    assert values(targets_of(chunks, 0, (3, 1), "none", frames=2)) == [(0, 1000.0), (1, 10.0)]
    assert values(targets_of(chunks, 1, (3, 1), "none", frames=2)) == [(1, 100.0)]
    assert targets_of(chunks, 3, (3, 1), "none", frames=2) == []


def test_a_frame_mean_keeps_positions_and_repeats_itself_for_each_frame() -> None:
    """Two frames of three positions: 1 2 3 and 5 8 9."""
    chunk = torch.tensor([1.0, 2.0, 3.0, 5.0, 8.0, 9.0]).view(1, 6, 1)
    assert frame_mean(chunk, 2).flatten().tolist() == [3.0, 5.0, 6.0, 3.0, 5.0, 6.0]
    assert frame_mean(chunk, 1).equal(chunk)


def test_fusion_over_frames_averages_frames_before_offsets() -> None:
    first, second = torch.tensor([0.0, 4.0]).view(1, 2, 1), torch.tensor([10.0, 30.0]).view(1, 2, 1)
    ((index, target),) = targets_of([first, second], 0, (0, 1), "frames", frames=2)
    assert index is None
    assert target.flatten().tolist() == [(2 + 20) / 2] * 2
