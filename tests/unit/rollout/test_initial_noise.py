"""The noise of a whole clip is that of its chunks, one after another."""

from typing import Any

import numpy as np
import pytest

from probekit.geometry import LatentGeometry
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.rollout.initial_noise import initial_noise
from probekit.run_folder.sample_key import SampleKey
from probekit.seeding import noise


@pytest.mark.parametrize("frames", [1, 3, 4, 6, 7])
def test_a_clips_noise_is_that_of_its_chunks_and_the_last_one_may_be_cut(frames: int) -> None:
    geometry: LatentGeometry = SPRITE_GEOMETRY
    found = initial_noise(geometry, frames, 9, SampleKey("s", "p", 2))
    size = geometry.latent_height, geometry.latent_width
    assert found.shape == (geometry.latent_channels, frames, *size)
    for frame in range(frames):
        chunk = noise(
            (geometry.latent_channels, 3, *size), run_seed=9, prompt_id="p", sample=2, chunk=frame // 3, step=0
        )
        np.testing.assert_array_equal(found[:, frame].numpy(), chunk[:, frame % 3])


@pytest.mark.parametrize(("frames", "chunks"), [(1, [0]), (3, [0]), (4, [0, 1]), (6, [0, 1]), (7, [0, 1, 2])])
def test_no_noise_is_drawn_behind_the_last_chunk(
    frames: int, chunks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def counted(*shape: Any, **place: Any) -> Any:
        drawn.append(place["chunk"])
        return noise(*shape, **place)

    monkeypatch.setattr("probekit.rollout.initial_noise.noise", counted)
    initial_noise(SPRITE_GEOMETRY, frames, 9, SampleKey("s", "p", 2))
    assert drawn == chunks
