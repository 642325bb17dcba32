"""Curves and similarities against second, slower methods."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from probekit.errors import UserError
from probekit.evaluation.long_horizon.curves import first_last, per_second
from probekit.evaluation.long_horizon.distances import (
    block_distances,
    gap_frames,
    pixel_features,
    pixel_similarity_by_gap,
    similarity_by_gap,
)
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES, block_means, frame_statistics
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.temporal_flickering import temporal_flickering
from probekit.seeding import generator


def video(frames: int = 12, height: int = 10, width: int = 14, seed: int = 0) -> np.ndarray:
    return generator("curves", seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_curves_are_what_their_meaning_says() -> None:
    frames = video()
    curves = frame_statistics(frames, 4.0).curves
    assert tuple(curves) == tuple(quantity.name for quantity in QUANTITIES)
    luma = frames.astype(np.float64) @ [0.299, 0.587, 0.114]
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    expected = {
        "pixel_change": np.abs(np.diff(frames.astype(np.float64), axis=0)).mean(axis=(1, 2, 3)),
        "flicker": np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean(axis=(1, 2)),
        "brightness": luma.mean(axis=(1, 2)),
        "contrast": luma.std(axis=(1, 2)),
        "saturation": np.ptp(frames, axis=-1).mean(axis=(1, 2)),
        "red": frames[..., 0].mean(axis=(1, 2)),
        "green": frames[..., 1].mean(axis=(1, 2)),
        "blue": frames[..., 2].mean(axis=(1, 2)),
        "sharpness": np.array([ndimage.convolve(one, kernel)[1:-1, 1:-1].std() for one in luma]),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(curves[name], values, rtol=1e-5, err_msg=name)


def test_flickering_curve_averages_to_vbenchs_score() -> None:
    frames = video()
    score = temporal_flickering(ScoringInput(frames, 4.0, "")).value
    assert frame_statistics(frames, 4.0).curves["temporal_flickering"].mean() == pytest.approx(score, abs=1e-12)


def test_blocks_are_means_and_edge_blocks_are_smaller() -> None:
    frame = video(1, 96, 128)[0]
    np.testing.assert_allclose(block_means(frame), frame.reshape(24, 4, 32, 4, 3).mean(axis=(1, 3)), rtol=1e-5)
    odd = video(1, 61, 100)[0]
    assert block_means(odd).shape == (16, 25, 3)
    np.testing.assert_allclose(block_means(odd)[-1, 0], odd[60:, :4].mean(axis=(0, 1)), rtol=1e-5)
    assert block_means(video(1, 20, 32)[0]).shape == (20, 32, 3)


def test_too_few_frames_are_named() -> None:
    with pytest.raises(UserError, match=r"a\.mp4 has 2 frames"):
        frame_statistics(video(2), 4.0, "a.mp4")


@given(n_frames=st.integers(1, 200), fps=st.sampled_from([8.0, 16.0, 23.976, 30.0]))
def test_seconds_are_means_of_their_frames(n_frames: int, fps: float) -> None:
    curve = generator("seconds", n_frames).normal(size=n_frames)
    found = per_second(curve, fps)
    groups: dict[int, list[float]] = {}
    for frame, value in enumerate(curve):
        groups.setdefault(int(frame / fps), []).append(float(value))
    assert len(groups) - len(found) in (0, 1)
    assert found == pytest.approx([np.mean(groups[second]) for second in range(len(found))])
    assert len(found) == len(groups) or len(groups[len(found)]) < fps / 2


def test_first_and_last_seconds() -> None:
    found = first_last(np.arange(489.0), 16.0)
    assert found is not None
    assert (found.first, found.last, found.change) == (39.5, 448.5, 409.0)
    assert first_last(np.arange(159.0), 16.0) is None
    assert first_last(np.arange(81.0), 16.0, seconds=2.0) == (15.5, 64.5)


def test_distances_are_root_mean_squares() -> None:
    blocks = frame_statistics(video(), 4.0).blocks
    expected = [[np.sqrt(np.square(a - b).mean()) for b in blocks] for a in blocks.astype(np.float64)]
    np.testing.assert_allclose(block_distances(blocks), expected, atol=1e-4)


def test_similarity_by_gap_is_the_mean_of_pairs() -> None:
    features = generator("gap").normal(size=(20, 6))
    found = similarity_by_gap(features, [1, 5, 19], 10.0)
    for row, gap in zip(found, (1, 5, 19), strict=True):
        pairs = [(features[t], features[t + gap]) for t in range(20 - gap)]
        assert row.cosine == pytest.approx(np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]))
        assert (row.seconds, row.pairs, row.ssim) == (gap / 10, 20 - gap, None)


def test_pixel_similarity_is_correlation_and_falls_for_a_moving_pattern() -> None:
    rows = np.sin(np.arange(40)[:, None] / 6 + np.arange(32) / 4)
    frames = np.broadcast_to((120 + 100 * rows)[:, :, None, None], (40, 32, 32, 3)).astype(np.uint8)
    blocks = frame_statistics(frames, 8.0).blocks
    near, far = pixel_similarity_by_gap(blocks, [1, 18], 8.0)
    assert near.cosine == pytest.approx(
        np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.pairwise(blocks)])
    )
    assert near.cosine > far.cosine
    assert near.ssim is not None
    assert far.ssim is not None
    assert near.ssim > far.ssim


def test_brightness_alone_does_not_lower_the_pixel_cosine() -> None:
    frame = video(1)[0] // 2
    blocks = frame_statistics(np.stack([frame, frame + 20, frame + 40]), 8.0).blocks
    assert [row.cosine for row in pixel_similarity_by_gap(blocks, [1, 2], 8.0)] == pytest.approx([1.0, 1.0])
    assert np.linalg.norm(pixel_features(blocks)[0] - pixel_features(blocks)[2]) == pytest.approx(0.0, abs=1e-3)


def test_flat_frames_are_alike_and_unlike_a_pattern() -> None:
    flat = np.full((4, 10, 14, 3), 7, np.uint8)
    assert pixel_similarity_by_gap(frame_statistics(flat, 8.0).blocks, [1], 8.0)[0].cosine == 1.0
    flat[2:] = video(2)
    assert pixel_similarity_by_gap(frame_statistics(flat, 8.0).blocks, [2], 8.0)[0].cosine == 0.0


def test_gaps_grow_and_stay_inside() -> None:
    gaps = gap_frames(489, 16.0)
    assert gaps[:3] == [1, 2, 3]
    assert gaps == sorted(set(gaps))
    assert 0.7 * 489 < gaps[-1] <= 0.8 * 489
    with pytest.raises(ValueError, match="gaps"):
        similarity_by_gap(np.ones((5, 2)), [5], 8.0)
