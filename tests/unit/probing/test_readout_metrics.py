import numpy as np
import pytest

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import reference_metrics
from probekit.probing.readout_metrics import pixel_readout_metrics, readout_scores


def test_a_readout_is_scored_by_mse_and_psnr() -> None:
    future = np.full((8, 8, 3), 100, np.uint8)
    readout = np.full((8, 8, 3), 110, np.uint8)
    mse, psnr = readout_scores(readout, future, pixel_readout_metrics())
    assert (mse.metric, mse.unit) == ("mse", "intensity^2")
    assert (psnr.metric, psnr.unit) == ("psnr", "dB")
    assert mse.value == pytest.approx(100 / 65025, abs=1e-15)
    assert psnr.value == pytest.approx(28.1308036087, abs=1e-9)


def test_a_perfect_readout_has_no_psnr_but_a_reason() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    scores = {score.metric: score for score in readout_scores(frame, frame, reference_metrics())}
    assert scores["psnr"].value is None
    assert scores["psnr"].reason == "identical frames: 1 of 1"
    assert scores["mse"].value == 0.0


def test_the_future_frame_sets_the_size() -> None:
    future, readout = np.zeros((8, 12, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)
    (score,) = readout_scores(readout, future, pixel_readout_metrics()[:1], resize="box")
    assert score.value == 0.0
    assert score.metric_id.endswith("+resize-box")
    with pytest.raises(UserError, match="sample is 6x4 px, its reference 12x8 px"):
        readout_scores(readout, future, pixel_readout_metrics())


def test_float_readouts_are_refused() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UserError, match="sample is float64"):
        readout_scores(np.zeros((8, 8, 3)), frame, pixel_readout_metrics())  # type: ignore[arg-type]
