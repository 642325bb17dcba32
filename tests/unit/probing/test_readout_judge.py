"""Errors of readouts by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from probekit.evaluation.reference.metrics import MSE, reference_metrics
from probekit.probing.readout_judge import ACCURACY_ID, PSNR_ID, SQUARED_ERROR_ID, ReadoutJudge
from probekit.probing.readout_metrics import readout_scores
from probekit.probing.targets import FRAME, LATENT, SHAPE
from probekit.seeding import generator


def flat(*levels: int, side: int = 4) -> np.ndarray:
    return np.stack([np.full(side * side * 3, level / 255, np.float32) for level in levels])


def judged(read: np.ndarray, truth: np.ndarray, videos: Sequence[int]) -> dict[tuple[int, str], float | None]:
    found = ReadoutJudge(FRAME, (4, 4), perceptual=False).judge(read, truth, np.array(videos))
    return {(value.video, value.metric_id): value.value for value in found}


def test_errors_are_those_of_intensities_between_0_and_1() -> None:
    found = judged(flat(0, 0), flat(255, 51), [7, 9])
    assert found[7, MSE.metric_id] == pytest.approx(1.0, abs=1e-12)  # 255 is 1, not 255/256
    assert found[7, PSNR_ID] == pytest.approx(0.0, abs=1e-9)
    assert found[9, MSE.metric_id] == pytest.approx(0.2**2, rel=1e-6)
    assert found[9, PSNR_ID] == pytest.approx(10 * np.log10(1 / 0.2**2), rel=1e-6)


def test_a_videos_psnr_is_that_of_its_mean_error_over_chunks() -> None:
    found = judged(flat(0, 0), flat(51, 102), [3, 3])
    mean = (0.2**2 + 0.4**2) / 2
    assert found[3, MSE.metric_id] == pytest.approx(mean, rel=1e-6)
    assert found[3, PSNR_ID] == pytest.approx(-10 * np.log10(mean), rel=1e-6)


def test_a_perfect_readout_has_no_psnr_and_unknown_truth_is_not_judged() -> None:
    truth = flat(10, 20)
    truth[1] = np.nan
    found = judged(flat(10, 99), truth, [0, 1])
    assert found == {(0, MSE.metric_id): 0.0, (0, PSNR_ID): None}


def test_vectors_have_squared_errors_and_classes_accuracy() -> None:
    read, truth = np.array([[1.0, 3.0]], np.float32), np.array([[0.5, -1.0]], np.float32)
    found = list(ReadoutJudge(LATENT, (4, 4)).judge(read, truth, np.array([0])))
    assert found == [(0, SQUARED_ERROR_ID, (0.25 + 16) / 2)]
    odds, labels = np.array([[0.1, 2.0], [3.0, 0.0], [0.0, 9.0]], np.float32), np.array([[1.0]] * 3, np.float32)
    found = list(ReadoutJudge(SHAPE, (4, 4)).judge(odds, labels, np.array([0, 0, 4])))
    assert found == [(0, ACCURACY_ID, 0.5), (4, ACCURACY_ID, 1.0)]


class Shown:
    """A distance on features that keeps the frames that it is shown."""

    metric_id = "features"

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def frame_values(self, reference: np.ndarray, sample: np.ndarray) -> np.ndarray:
        self.frames += [reference, sample]
        return np.arange(len(sample), dtype=np.float64)


@pytest.mark.parametrize(("size", "factor"), [((16, 8), 4), ((8, 16), 8), ((48, 8), 1), ((70, 8), 1)])
def test_pictures_have_ssim_and_a_distance_on_frames_enlarged_to_64_rows(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], factor: int
) -> None:
    shown = Shown()
    monkeypatch.setattr("probekit.probing.readout_judge.lpips_metric", lambda backbone: shown)
    judge = ReadoutJudge(FRAME, size)
    assert judge.lpips_id == "features:nearest-to-64"
    rng = generator("enlarged")
    read, came = (rng.integers(0, 256, (3, *size, 3), dtype=np.uint8) for _ in range(2))
    flat_read, flat_came = (part.reshape(3, -1).astype(np.float32) / 255 for part in (read, came))
    found = {(one.video, one.metric_id): one.value for one in judge.judge(flat_read, flat_came, np.array([5, 5, 6]))}
    assert (found[5, judge.lpips_id], found[6, judge.lpips_id]) == (0.5, 2.0)
    ssim = next(metric for metric in reference_metrics() if metric.name == "ssim")
    assert found[6, ssim.metric_id] == pytest.approx(float(ssim.frame_values(came, read)[2]))
    for given, frames in zip(shown.frames, (came, read), strict=True):
        assert given.shape == (3, factor * size[0], factor * size[1], 3)
        for offset in range(factor):
            np.testing.assert_array_equal(given[:, offset::factor, factor - 1 - offset :: factor], frames)


def test_only_pictures_have_a_distance_on_features_and_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.probing.readout_judge.lpips_metric", lambda backbone: Shown())
    assert ReadoutJudge(LATENT, (4, 4)).lpips_id == ""
    assert ReadoutJudge(FRAME, (4, 4), perceptual=False).lpips_id == ""


def test_a_probe_and_a_published_readout_are_judged_by_one_mse() -> None:
    rng = generator("one-mse")
    readouts, future = (rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8) for _ in range(2))
    values = [part.reshape(3, -1).astype(np.float32) / 255 for part in (readouts, future)]
    found = judged(*values, [0, 0, 0])
    scores = [readout_scores(one, other, [MSE])[0] for one, other in zip(readouts, future, strict=True)]
    assert found[0, scores[0].metric_id] == pytest.approx(sum(score.value or 0 for score in scores) / 3, rel=1e-9)


@pytest.mark.slow
def test_lpips_of_probes_says_backbone_and_size() -> None:
    judge = ReadoutJudge(FRAME, (32, 32))
    frames = generator("lpips").random((2, 32 * 32 * 3), dtype=np.float32)
    found = {value.metric_id: value.value for value in judge.judge(frames, frames, np.array([0, 1]))}
    assert found[judge.lpips_id] == 0.0
    assert "random_backbone" in judge.lpips_id
    assert judge.lpips_id.endswith("nearest-to-64")
    assert found["ssim:noweights:rgb8-uniform7-v1"] == pytest.approx(1.0)
