"""Noise is a function of its names: what it depends on, and what it does not."""

import numpy as np
import torch

from probekit.geometry import LatentGeometry
from probekit.rollout.initial_noise import initial_noise
from probekit.rollout.noise import GeneratorNoise, KeyedNoise, SeededNoise, normal_rows
from probekit.run_folder.sample_key import SampleKey
from probekit.seeding import counter_seed, noise

SHAPE = (2, 3, 4, 2)
FIRST, SECOND = SampleKey("sprite-5s", "a", 0), SampleKey("sprite-5s", "b", 1)


def test_keyed_noise_is_the_noise_of_each_key_chunk_and_step() -> None:
    drawn = KeyedNoise([FIRST, SECOND], SHAPE, run_seed=7)(2, 3)
    for row, key in enumerate((FIRST, SECOND)):
        expected = noise(SHAPE, run_seed=7, prompt_id=key.prompt_id, sample=key.sample, chunk=2, step=3)
        np.testing.assert_array_equal(drawn[row].numpy(), expected)
    assert torch.equal(KeyedNoise([SECOND], SHAPE, run_seed=7)(2, 3)[0], drawn[1])


def test_a_row_of_a_batch_has_its_numbers_wherever_it_is_computed() -> None:
    whole = normal_rows(SHAPE, range(4), "batch", 3)
    assert whole.shape == (4, *SHAPE)
    assert torch.equal(normal_rows(SHAPE, [2, 3], "batch", 3), whole[2:])
    rng = torch.Generator().manual_seed(counter_seed("batch", 3, 1) % 2**63)
    assert torch.equal(torch.randn(SHAPE, generator=rng), whole[1])
    assert not torch.equal(normal_rows(SHAPE, range(4), "batch", 4), whole)


def test_training_noise_is_named_by_batch_row_chunk_and_step() -> None:
    source = SeededNoise(("run", 5), [1, 3], SHAPE)
    assert torch.equal(source(2, 0), normal_rows(SHAPE, [1, 3], "run", 5, 2, 0))
    assert not torch.equal(source(2, 0), source(0, 2))


def test_a_generators_noise_comes_in_the_order_in_which_it_is_asked_for() -> None:
    rng = torch.Generator().manual_seed(1)
    expected = [torch.randn(2, *SHAPE, generator=rng) for _ in range(4)]
    source = GeneratorNoise(2, SHAPE, torch.Generator().manual_seed(1))
    first = source(0, 0)
    assert torch.equal(first, expected[0])
    assert torch.equal(source(0, 0), first)  # the first noise is drawn once
    assert torch.equal(source(0, 1), expected[1])
    assert torch.equal(source(1, 0), expected[2])
    assert torch.equal(source(1, 0), expected[3])
    assert torch.equal(source(0, 0), first)


def test_a_video_starts_from_its_chunks_noise_and_the_last_chunk_is_cut() -> None:
    geometry = LatentGeometry(latent_channels=2, latent_height=4, latent_width=2, patch=(1, 2, 2), spatial_stride=8)
    for frames, chunks in ((6, 2), (7, 3), (8, 3), (9, 3), (1, 1)):
        drawn = initial_noise(geometry, frames, 7, SECOND)
        expected = [KeyedNoise([SECOND], SHAPE, 7)(chunk, 0)[0] for chunk in range(chunks)]
        assert drawn.shape == (2, frames, 4, 2)
        assert torch.equal(drawn, torch.cat(expected, dim=1)[:, :frames])
