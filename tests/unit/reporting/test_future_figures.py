"""Figures of futures: what is in which place, and that the moving one is the still one, frame by frame."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from probekit.probing.future_experiment import StateFutures
from probekit.reporting.future_figures import (
    future_rows,
    futures_figure,
    mean_picture,
    most_spread,
    moving_futures,
)
from probekit.rollout.generation_runner import Request
from probekit.run_folder.sample_key import SampleKey

ENDS = (2, 5, 8)


def state(seed: int) -> StateFutures:
    rng = np.random.default_rng(seed)
    videos = rng.integers(0, 256, (5, 9, 6, 6, 3)).astype(np.uint8)
    readouts = {horizon: np.full((6, 6, 3), 40 * horizon, np.uint8) for horizon in (1, 2)}
    return StateFutures(Request(SampleKey("s", "p", 0), "a prompt"), videos, ENDS, 0, readouts, 3)


ARMS = {"base": state(0), "ours": state(1)}


def test_rows_hold_now_futures_mean_spread_and_readout_of_their_horizon() -> None:
    rows = future_rows(ARMS, (1, 2))
    assert [row.label for row in rows] == ["base\n+1", "base\n+2", "ours\n+1", "ours\n+2"]
    now, *futures, mean, spread, readout = rows[1].pictures
    videos = ARMS["base"].videos
    np.testing.assert_array_equal(now, videos[0, 2])
    np.testing.assert_array_equal(np.stack([one for one in futures if one is not None]), videos[:4, 8])
    np.testing.assert_array_equal(mean, np.rint(videos[:, 8].astype(float).mean(axis=0)))
    np.testing.assert_allclose(spread, np.sqrt((videos[:, 8] / 255).var(axis=0, ddof=1).mean(axis=-1)))
    assert readout is not None
    assert readout[0, 0, 0] == 80
    few = ARMS["base"]._replace(videos=videos[:2])
    assert [part is None for part in future_rows({"x": few}, (1,))[0].pictures] == [False] * 3 + [True] * 2 + [
        False
    ] * 3


def test_the_mean_of_bright_pictures_does_not_overflow() -> None:
    assert mean_picture(np.full((9, 2, 2, 3), 250, np.uint8)).min() == 250


def test_the_moving_figure_begins_and_ends_as_the_still_one() -> None:
    """Labels, limits and places stay; only pictures change, and the readout is that of the next horizon."""
    frames = moving_futures(ARMS, (1, 2), "a prompt")
    assert len(frames) == 7
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    rows = future_rows(ARMS, (2,))
    named = [row._replace(label=row.label.replace("+2", "readout +2")) for row in rows]
    every = [future_rows({arm: one._replace(ends=(2, frame))}, (1,))  # a later end, for the spread of each frame
             for arm, one in ARMS.items() for frame in range(2, 9)]  # fmt: skip
    figure = futures_figure(named, 5, "a prompt", most=max(map(most_spread, every)))
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    still = np.asarray(canvas.buffer_rgba())[: frames.shape[1], : frames.shape[2], :3]
    assert np.abs(still.astype(int) - frames[-1]).mean() < 1.0
    assert not np.array_equal(frames[0], frames[-1])


@pytest.mark.long
def test_the_figure_says_of_how_many_futures_mean_and_spread_are() -> None:
    figure = futures_figure(future_rows(ARMS, (1,)), 5, "a prompt")
    assert figure.get_supxlabel() == "one state per model; mean and spread of its n = 5 futures"
    titles = [axes.get_title() for axes in figure.axes[:8]]
    assert titles[:6] == ["now", "future 1", "future 2", "future 3", "future 4", "mean of 5"]
