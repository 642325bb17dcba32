import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import (
    PSNR_CEILING,
    PixelMetric,
    compare_frames,
    compare_videos,
    comparison_id,
    reference_metrics,
)

Video = NDArray[np.uint8]
METRICS = {metric.name: metric for metric in reference_metrics()}
videos = hnp.arrays(np.uint8, (2, 8, 9, 3))


def random_video(seed: int, shape: tuple[int, ...] = (3, 16, 20, 3)) -> Video:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_golden_values_of_a_constant_offset() -> None:
    reference = np.full((2, 8, 8, 3), 100, np.uint8)
    sample = np.full((2, 8, 8, 3), 110, np.uint8)
    assert compare_videos(METRICS["mse"], reference, sample).value == pytest.approx(100 / 65025, abs=1e-15)
    assert compare_videos(METRICS["psnr"], reference, sample).value == pytest.approx(28.1308036087, abs=1e-9)
    # Wang et al. 2004, eq. 13 with both variances 0: (2ab + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2.
    expected = (2 * 100 * 110 + 2.55**2) / (100**2 + 110**2 + 2.55**2)
    assert compare_videos(METRICS["ssim"], reference, sample).value == pytest.approx(expected, abs=1e-9)


def test_unsigned_frames_do_not_wrap_around() -> None:
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    for reference, sample in [(black, white), (white, black)]:
        assert compare_videos(METRICS["mse"], reference, sample).value == 1.0
        assert compare_videos(METRICS["psnr"], reference, sample).value == 0.0


@given(videos, videos)
@settings(max_examples=40, deadline=None)
def test_psnr_follows_from_its_definition_and_lies_in_range(reference: Video, sample: Video) -> None:
    result = compare_videos(METRICS["psnr"], reference, sample)
    errors = np.mean((reference.astype(float) - sample.astype(float)) ** 2, axis=(1, 2, 3))
    if np.any(errors == 0):
        assert result.value is None
    else:
        assert result.value == pytest.approx(np.mean(10 * np.log10(255**2 / errors)), abs=1e-9)
        assert 0 <= result.frame_values.min() <= result.frame_values.max() <= PSNR_CEILING


@given(videos, videos)
@settings(max_examples=25, deadline=None)
def test_metrics_are_symmetric_and_within_their_range(reference: Video, sample: Video) -> None:
    for name in ("mse", "ssim"):
        metric = METRICS[name]
        value = compare_videos(metric, reference, sample).value
        assert value is not None
        assert metric.value_range[0] <= value <= metric.value_range[1]
        assert value == pytest.approx(compare_videos(metric, sample, reference).value, abs=1e-12)


def test_ssim_is_scikit_images_frame_by_frame() -> None:
    reference, sample = random_video(0), random_video(1)
    result = compare_videos(METRICS["ssim"], reference, sample)
    expected = [
        structural_similarity(r, s, win_size=7, channel_axis=-1, data_range=255)  # type: ignore[no-untyped-call]
        for r, s in zip(reference, sample, strict=True)
    ]
    np.testing.assert_array_equal(result.frame_values, expected)
    assert result.value == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("side", "window"), [(3, 3), (4, 3), (6, 5), (7, 7), (30, 7)])
def test_small_frames_take_the_largest_odd_window(side: int, window: int) -> None:
    reference, sample = random_video(0, (1, side, 30, 3)), random_video(1, (1, side, 30, 3))
    expected = structural_similarity(  # type: ignore[no-untyped-call]
        reference[0], sample[0], win_size=window, channel_axis=-1, data_range=255
    )
    assert compare_videos(METRICS["ssim"], reference, sample).value == expected


def test_frames_without_a_window_are_refused() -> None:
    with pytest.raises(UserError, match="at least 3x3"):
        compare_videos(METRICS["ssim"], random_video(0, (1, 2, 9, 3)), random_video(1, (1, 2, 9, 3)))


def test_identical_frames_give_no_psnr_but_say_why() -> None:
    reference, sample = random_video(0), random_video(1)
    sample[1] = reference[1]
    result = compare_videos(METRICS["psnr"], reference, sample)
    assert (result.value, result.reason) == (None, "identical frames: 1 of 3")
    assert math.isinf(result.frame_values[1])
    assert compare_videos(METRICS["mse"], reference, reference).value == 0.0
    assert compare_videos(METRICS["ssim"], reference, reference).value == pytest.approx(1.0, abs=1e-12)


def test_the_value_is_the_mean_over_frames() -> None:
    result = compare_videos(METRICS["mse"], random_video(0), random_video(1))
    assert result.frame_values.shape == (3,)
    assert result.value == pytest.approx(sum(result.frame_values) / 3)
    assert result.reason is None


def test_different_lengths_are_refused() -> None:
    with pytest.raises(UserError, match="sample has 2 frames, its reference 3"):
        compare_videos(METRICS["mse"], random_video(0), random_video(1)[:2])


@pytest.mark.parametrize("metric", reference_metrics())
def test_floats_are_refused_on_either_side(metric: PixelMetric) -> None:
    video = random_video(0)
    floats = video.astype(np.float32) / 255
    with pytest.raises(UserError, match=r"reference is float32 in \[0, 1\]"):
        compare_videos(metric, floats, video)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"sample is float32 in \[0, 1\]"):
        compare_videos(metric, video, floats)  # type: ignore[arg-type]


def test_a_frame_is_a_video_of_one_frame() -> None:
    reference, sample = random_video(0), random_video(1)
    for metric in reference_metrics():
        single = compare_frames(metric, reference[0], sample[0])
        assert single.value == compare_videos(metric, reference[:1], sample[:1]).value


def test_the_resampling_filter_is_part_of_the_identity() -> None:
    reference, small = random_video(0), random_video(1, (3, 8, 10, 3))
    metric = METRICS["psnr"]
    values = {f: compare_videos(metric, reference, small, resize=f).value for f in ("bicubic", "bilinear")}
    assert values["bicubic"] != values["bilinear"]
    ids = {comparison_id(metric, resize) for resize in (None, "bicubic", "bilinear")}
    assert ids == {metric.metric_id, f"{metric.metric_id}+resize-bicubic", f"{metric.metric_id}+resize-bilinear"}


def test_ids_state_name_weights_and_preprocessing() -> None:
    for metric in reference_metrics():
        name, weights, preprocessing = metric.metric_id.split(":")
        assert (name, weights) == (metric.name, "noweights")
        assert preprocessing.endswith("-v1")
