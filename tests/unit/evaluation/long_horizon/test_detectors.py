"""Each synthetic defect trips its own detector alone; natural clips trip none."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from probekit.evaluation.long_horizon.detectors import (
    Detection,
    chunk_starts,
    detect_all,
    detect_chunk_flicker,
    detect_cut,
    detect_drift,
    detect_freeze,
    detect_loop,
    moving_mean,
    trend,
)
from probekit.evaluation.long_horizon.frame_statistics import frame_statistics
from probekit.geometry import LatentGeometry
from probekit.seeding import generator
from probekit.sprite_world.episodes import Episode, episode

FPS, N_FRAMES, CHUNK = 16.0, 201, 3
SEEDS = range(8)
Frames = NDArray[np.uint8]


def hidden_seconds(truth: Episode) -> float:
    """Longest time that no sprite can be seen: then nothing in the picture moves."""
    seen = truth.labels.visible_fraction.max(axis=1)
    runs = "".join("x" if frame > 0.0 else "." for frame in seen).split("x")
    return max(map(len, runs)) / FPS


def repeats(truth: Episode) -> bool:
    """Whether sprites that bounced without turning have walked the same way twice, by their positions."""
    way = truth.labels.position
    return any(
        np.count_nonzero(np.abs(way[lag:] - way[:-lag]).max(axis=(1, 2)) < 1.0) >= lag
        for lag in range(int(FPS), len(way) // 2)
    )


@cache
def natural(seed: int) -> Frames:
    """A sprite video in which something visible moves all the time, and nothing comes again."""
    index = 0
    while True:
        truth = episode("test", 1000 + seed, index, n_frames=N_FRAMES)
        if hidden_seconds(truth) < 0.5 and not repeats(truth):
            return truth.frames
        index += 1


def frozen(frames: Frames, seed: int) -> Frames:
    """Stands still from a moment on."""
    stop = int(generator("frozen", seed).integers(60, 140))
    return np.concatenate([frames[:stop], np.repeat(frames[stop : stop + 1], N_FRAMES - stop, axis=0)])


def looping(frames: Frames, seed: int) -> Frames:
    """Plays its first seconds over and over; the period is no multiple of a chunk."""
    period = int(generator("looping", seed).choice([55, 62, 67, 74, 79, 86]))
    looped: Frames = frames[np.arange(N_FRAMES) % period]
    return looped


def drifting(frames: Frames, seed: int) -> Frames:
    """One channel, or all of them, move steadily, by more than a large sprite changes when it comes or goes."""
    rng = generator("drifting", seed)
    color = rng.permutation(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.6, 1.0]]))[0] * rng.choice([60.0, 80.0])
    shift = np.linspace(0.0, 1.0, N_FRAMES)[:, None, None, None] * color
    drifted: Frames = (frames + shift).clip(0, 255).astype(np.uint8)
    return drifted


def seam_flickering(frames: Frames, seed: int) -> Frames:
    """Every chunk has a brightness of its own, or its first frame flashes."""
    rng = generator("seams", seed)
    starts = chunk_starts(N_FRAMES, CHUNK)
    offset = np.zeros(N_FRAMES)
    if rng.random() < 0.5:
        offset[starts] = 6.0
    else:
        signs = np.where(np.arange(len(starts) + 1) % 2, 3.0, -3.0)
        offset = signs[np.searchsorted(starts, np.arange(N_FRAMES), side="right")]
    flickering: Frames = (frames.astype(np.float64) + offset[:, None, None, None]).clip(0, 255).astype(np.uint8)
    return flickering


def strobing(frames: Frames, seed: int) -> Frames:
    """Brightness jumps up and down every frame, or every second one."""
    rng = generator("strobing", seed)
    hold, jump = int(rng.integers(1, 3)), int(rng.integers(30, 60))
    up = np.arange(N_FRAMES) // hold % 2 == 1
    middle = frames // 2 + 64
    strobed: Frames = np.where(up[:, None, None, None], middle + jump, middle - jump).astype(np.uint8)
    return strobed


DEFECTS: dict[str, Callable[[Frames, int], Frames]] = {
    "freeze": frozen,
    "loop": looping,
    "strobe": strobing,
    "drift": drifting,
    "chunk flicker": seam_flickering,
}


def fired(frames: Frames) -> list[str]:
    return [found.detector for found in detections(frames) if found.fired]


def detections(frames: Frames) -> tuple[Detection, ...]:
    return detect_all(frame_statistics(frames, FPS), CHUNK)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_natural_clips_trip_no_detector(seed: int) -> None:
    assert fired(natural(seed)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_trips_its_own_detector_alone(defect: str, seed: int) -> None:
    assert fired(DEFECTS[defect](natural(seed), seed)) == [defect]


def test_where_says_what_was_done() -> None:
    frames = natural(0)
    stopped = np.concatenate([frames[:80], np.repeat(frames[80:81], N_FRAMES - 80, axis=0)])
    freeze = detections(stopped)[0]
    assert freeze.statistic == pytest.approx(120 / FPS)
    assert freeze.where == "5.00 to 12.50 s"
    loop = detections(frames[np.arange(N_FRAMES) % 64])[1]
    assert loop.statistic == pytest.approx(1 + (N_FRAMES - 64) / 64, abs=0.1)
    assert float(loop.where.split()[-3]) == pytest.approx(4.0, abs=0.2)
    brighter = (frames * 0.6 + np.linspace(0, 50, N_FRAMES)[:, None, None, None]).astype(np.uint8)
    drift = detections(brighter)[4]
    assert drift.statistic == pytest.approx(50, abs=8)


def test_a_scene_whose_sprites_are_hidden_is_still() -> None:
    hidden = episode("test", 5, 362, n_frames=N_FRAMES)
    assert hidden_seconds(hidden) > 2.0
    freeze = detections(hidden.frames)[0]
    assert freeze.fired
    assert freeze.statistic == pytest.approx(hidden_seconds(hidden), abs=0.5)


def test_freeze_counts_the_longest_stretch() -> None:
    change = np.full(100, 5.0)
    change[10:14], change[50:66], change[70] = 0.9, 1.0, 0.0
    assert detect_freeze(change, 16.0) == ("freeze", True, 1.0, 1.0, "s", "3.12 to 4.12 s")
    assert not detect_freeze(change[:60], 16.0).fired


@pytest.mark.parametrize("chunk", [1, 3, 5])
def test_chunks_start_where_the_codec_puts_them(chunk: int) -> None:
    geometry = LatentGeometry(
        latent_channels=4, latent_height=4, latent_width=4, patch=(1, 2, 2), spatial_stride=8, chunk_frames=chunk
    )
    n_frames = geometry.rgb_frames(10 * chunk)
    assert list(chunk_starts(n_frames, chunk)) == [geometry.rgb_frames(k * chunk) for k in range(1, 10)]


@pytest.mark.parametrize("chunk", [1, 3, 5])
def test_flicker_of_another_chunk_length_is_another_defect(chunk: int) -> None:
    change = 2.0 + generator("change", chunk).normal(size=240) * 0.1
    change[chunk_starts(241, chunk) - 1] += 4.0
    assert detect_chunk_flicker(change, chunk).fired
    assert not detect_chunk_flicker(np.roll(change, 1), chunk).fired


def test_codec_noise_in_a_still_video_is_no_flicker() -> None:
    change = np.zeros(240)
    change[chunk_starts(241, 3) - 1] = 0.1
    assert not detect_chunk_flicker(change, 3).fired


@pytest.mark.parametrize("seed", range(5))
def test_trend_is_scipys(seed: int) -> None:
    values = generator("trend", seed).normal(size=20).cumsum()
    change, tau = trend(values)
    assert change == pytest.approx(stats.theilslopes(values)[0] * 19)
    assert tau == pytest.approx(stats.kendalltau(np.arange(20), values)[0])


def test_short_videos_have_no_statistic() -> None:
    short = detect_all(frame_statistics(natural(0)[:20], FPS), CHUNK)
    assert [found.statistic is None for found in short] == [False, True, False, True, True]
    assert not any(found.fired for found in short)
    assert detect_loop(np.zeros((20, 2, 2, 3), np.float32), FPS).where == "shorter than 2 s"
    assert detect_drift({"brightness": np.zeros(40)}, FPS).where == "shorter than 10 s"


def test_a_constant_video_is_frozen_and_nothing_else() -> None:
    assert fired(np.full((N_FRAMES, 16, 16, 3), 90, np.uint8)) == ["freeze"]


def test_a_strobe_that_repeats_is_no_loop() -> None:
    """Collapsed rollouts flash with a period of one latent frame, so every second equals the next."""
    still = np.broadcast_to(natural(0)[:1], natural(0).shape)
    bright = np.arange(N_FRAMES) % 4 < 2
    flashing = np.where(bright[:, None, None, None], still, 255 - still).astype(np.uint8)
    assert fired(flashing) == ["strobe"]


@pytest.mark.parametrize("window", [0, 1, 2, 7])
def test_moving_mean_is_a_convolution(window: int) -> None:
    values = generator("moving", window).normal(size=30)
    expected = np.convolve(values, np.full(max(1, window), 1 / max(1, window)), mode="valid")
    assert moving_mean(values, window) == pytest.approx(expected)


def test_a_video_in_one_shot_has_no_cut_and_every_cut_has_its_time() -> None:
    assert detect_cut([], FPS) == Detection("cut", False, 0.0, 1.0, "cuts", "one shot")
    found = detect_cut([15, 31], FPS)
    assert (found.fired, found.statistic, found.where) == (True, 2.0, "at 1.00, 2.00 s")
