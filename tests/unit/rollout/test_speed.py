"""Times of videos by a clock that the test turns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from probekit.rollout.speed import frame_source, measure


class Clock:
    """Seconds that pass as frames are made."""

    def __init__(self) -> None:
        self.now = 100.0
        self.videos = 0

    def __call__(self) -> float:
        return self.now

    def frames(self, request: Any) -> Iterator[np.ndarray]:
        self.videos += 1
        for seconds in (2.0 * self.videos, 1.0, 1.0):
            self.now += seconds
            yield np.zeros(1)


def test_each_video_has_the_time_to_its_first_frames_and_to_its_last() -> None:
    clock = Clock()
    found = measure(clock.frames, None, warm_up=2, repeats=3, clock=clock)  # type: ignore[arg-type]
    assert clock.videos == 5
    assert found.first_output == pytest.approx((6.0, 8.0, 10.0))  # the third, fourth and fifth video
    assert found.seconds == pytest.approx((8.0, 10.0, 12.0))


def test_a_system_of_whole_clips_has_its_first_output_when_all_is_there() -> None:
    class Whole:
        def generate(self, requests: list[Any]) -> np.ndarray:
            return np.array(requests)

    (only,) = frame_source(Whole())("asked")  # type: ignore[arg-type]
    assert only.tolist() == ["asked"]
