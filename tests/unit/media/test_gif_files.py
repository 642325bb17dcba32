"""Animated GIFs: frames, times and refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from probekit.media.gif_files import write_gif


def moving(count: int = 7) -> np.ndarray:
    frames = np.zeros((count, 8, 12, 3), np.uint8)
    for index in range(count):
        frames[index, :, index] = (255, 128, 0)
    return frames


def test_frames_come_back_and_the_sum_of_delays_keeps_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, moving(), 16)
    with Image.open(path) as image:
        assert image.n_frames == 7
        delays = []
        for index in range(7):
            image.seek(index)
            delays.append(image.info["duration"])
            shown = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(shown - moving()[index]).max() <= 4
        assert sum(delays) == 440  # 7 / 16 s in hundredths
        assert image.info["loop"] == 0
    write_gif(tmp_path / "b.gif", moving(), 16)
    assert path.read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_what_is_no_animation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frames must be"):
        write_gif(tmp_path / "a.gif", moving().astype(float), 16)
    with pytest.raises(ValueError, match="at most 50"):
        write_gif(tmp_path / "a.gif", moving(), 60)
    assert not list(tmp_path.iterdir())
