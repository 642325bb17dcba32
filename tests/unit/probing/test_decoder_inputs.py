"""Rows that decoders read: their order, their standardisation and their components, against plain formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from probekit.probing.decoder_inputs import (
    Components,
    InputMap,
    Scaling,
    chunk_rows,
    from_patches,
    latent_tokens,
    patches,
    pixel_tokens,
    place_features,
    token_rows,
    with_places,
)
from probekit.seeding import counter_seed

STATES = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.float16).reshape(2, 3, 2, 4, 5)
"""(V 2, N 3, n 2, T 4, W 5), every number another."""


def test_a_row_of_a_chunk_is_all_of_its_numbers() -> None:
    rows = chunk_rows(STATES)
    assert (rows.shape, rows.dtype) == ((6, 40), torch.float32)
    assert rows[4].tolist() == STATES[1, 1].flatten().tolist()


def test_a_row_of_a_position_has_the_tokens_of_all_frames_there() -> None:
    rows = token_rows(STATES)
    assert (rows.shape, rows.dtype) == ((2 * 3 * 4, 10), torch.float32)
    assert rows[(1 * 3 + 1) * 4 + 2].tolist() == [*STATES[1, 1, 0, 2].tolist(), *STATES[1, 1, 1, 2].tolist()]


def test_inputs_are_standardised_by_the_training_rows_and_constants_are_left_at_zero() -> None:
    rows = torch.tensor([[1.0, 7.0, 100.0], [3.0, 7.0, 100.00001], [5.0, 7.0, 100.0]])
    scaling = Scaling.of(rows)
    assert scaling.mean[0] == 3
    assert scaling.spread[0].item() == pytest.approx((8 / 3) ** 0.5)
    found = scaling(torch.tensor([[3.0 + 2 * (8 / 3) ** 0.5, 9.0, 101.0]]))
    assert found[0].tolist() == pytest.approx([2.0, 0.0, 0.0])


def test_what_varies_by_a_millionth_of_its_size_still_counts() -> None:
    rows = torch.tensor([[0.0], [1e-5]], dtype=torch.float64)  # spread 5e-6, limit 1e-6 · (1 + 5e-6)
    assert Scaling.of(rows)(rows).flatten().tolist() == pytest.approx([-1.0, 1.0])
    assert Scaling.of(rows / 4)(rows / 4).flatten().tolist() == pytest.approx([-1.0, 1.0])
    assert Scaling.of(rows / 6)(rows).flatten().tolist() == [0.0, 0.0]
    far = torch.tensor([[9.0], [9.0 + 1.6e-5]], dtype=torch.float64)  # spread 8e-6, limit 1e-5
    assert Scaling.of(far)(far).flatten().tolist() == [0.0, 0.0]


def training_rows(count: int = 60, width: int = 6) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    mixed = torch.randn(count, width, generator=rng) @ torch.randn(width, width, generator=rng)
    return mixed + 3


def test_components_are_the_whitened_principal_axes_of_the_training_rows() -> None:
    rows = training_rows()
    components = Components.of(rows, count=4)
    standard = (rows - rows.mean(dim=0)) / rows.std(dim=0, correction=0)
    _, singular, axes = torch.linalg.svd(standard, full_matrices=False)
    torch.testing.assert_close(components.spread, singular[:4] / 59**0.5, rtol=1e-4, atol=1e-5)
    signs = (components.axes * axes[:4].T).sum(dim=0)
    torch.testing.assert_close(signs.abs(), torch.ones(4), rtol=1e-4, atol=1e-4)
    whitened = components(rows)
    torch.testing.assert_close(whitened.T @ whitened / 59, torch.eye(4), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "asked", "kept"), [(60, 4, 4), (60, 99, 6), (16, 99, 4), (19, 99, 4), (3, 99, 1), (1, 5, 1)]
)
def test_components_are_at_most_as_many_as_asked_as_there_are_numbers_and_a_quarter_of_the_rows(
    rows: int, asked: int, kept: int
) -> None:
    components = Components.of(training_rows(rows), asked)
    assert components.axes.shape == (6, kept)
    assert torch.isfinite(components(training_rows(rows))).all()


def test_a_component_without_spread_is_not_blown_up() -> None:
    rows = torch.randn(40, 1, generator=torch.Generator().manual_seed(0)).repeat(1, 3)
    components = Components.of(rows, 3)
    assert float(components.spread.min()) == pytest.approx(1e-6)
    assert float(components(rows)[:, 1:].abs().max()) < 10


def test_two_rows_have_the_spread_of_one_degree_of_freedom() -> None:
    """Standardised they are -1 and 1 in both numbers: sum of squares 4, over 2 - 1."""
    components = Components.of(torch.tensor([[0.0, 3.0], [2.0, 9.0]]), 5)
    assert components.spread.tolist() == pytest.approx([2.0])


def test_components_leave_the_global_generator_alone_and_depend_on_it_in_nothing() -> None:
    rows = training_rows(200, 40)
    torch.manual_seed(1)
    first = Components.of(rows, 5)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = Components.of(rows, 5)
    assert torch.equal(first.axes, second.axes)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_components_are_those_of_one_seed_and_eight_directions_more_than_are_kept() -> None:
    """To the last bit, so that a probe's numbers can be repeated."""
    rows = training_rows(200, 40)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("probe-basis", 0) % 2**63)
        _, singular, axes = torch.svd_lowrank(Scaling.of(rows)(rows), q=5 + 8)
    found = Components.of(rows, 5)
    assert torch.equal(found.axes, axes[:, :5])
    assert torch.equal(found.spread, singular[:5] / 199**0.5)


def test_a_place_is_sines_and_cosines_of_its_row_and_column() -> None:
    found = place_features(3, 2)
    assert found.shape == (6, 12)
    for token in range(6):
        y, x = (token // 2) / 2, float(token % 2)
        angles = np.pi * np.array([y, 2 * y, 4 * y, x, 2 * x, 4 * x])
        np.testing.assert_allclose(found[token].numpy(), [*np.sin(angles), *np.cos(angles)], atol=1e-6)


def test_every_chunks_tokens_have_the_same_places_behind_them() -> None:
    tokens = torch.arange(2 * 6 * 3.0).reshape(12, 3)
    found = with_places(tokens, (3, 2))
    assert torch.equal(found[:, :3], tokens)
    assert torch.equal(found[:6, 3:], place_features(3, 2))
    assert torch.equal(found[6:, 3:], place_features(3, 2))


def test_a_patch_is_the_pixels_under_its_token() -> None:
    picture = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    cut = patches(picture.reshape(1, -1), grid=(2, 3), patch=(2, 2))
    assert cut.shape == (1, 6, 12)
    for token in range(6):
        row, column = 2 * (token // 3), 2 * (token % 3)
        np.testing.assert_array_equal(cut[0, token], picture[row : row + 2, column : column + 2].flatten())


@given(grid=st.tuples(st.integers(1, 3), st.integers(1, 3)), patch=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_patches_come_back_as_pixels(grid: tuple[int, int], patch: tuple[int, int]) -> None:
    size = grid[0] * grid[1] * patch[0] * patch[1] * 3
    pixels = np.arange(2 * 5 * size, dtype=np.float32).reshape(2, 5, size)
    for some in (pixels, pixels[0], pixels[0, 0]):
        np.testing.assert_array_equal(from_patches(patches(some, grid, patch), grid, patch), some)


def test_whole_chunks_are_read_on_their_components_and_positions_with_their_place() -> None:
    """Fitted to some chunks, applied to others."""
    training, others = np.split(np.random.default_rng(0).normal(size=(4, 6, 2, 6, 3)).astype(np.float32), 2)
    whole = InputMap.of_chunks(training, 2)
    expected = Components.of(chunk_rows(training), 2)
    assert whole.grid is None
    assert torch.equal(whole(others), expected(chunk_rows(others)))
    by_position = InputMap.of_tokens(training, (3, 2))
    standard = Scaling.of(token_rows(training))(token_rows(others))
    assert torch.equal(by_position(others), with_places(standard, (3, 2)))


def test_a_token_of_latents_is_all_channels_of_the_patch_under_it() -> None:
    """Two videos of 3 channels, 4 latent frames in chunks of 2, 4 x 9 latents under 2 x 3 tokens."""
    latents = np.arange(2 * 3 * 4 * 4 * 9, dtype=np.float32).reshape(2, 3, 4, 4, 9)
    tokens = latent_tokens(latents, (2, 3), 2)
    assert tokens.shape == (2, 2, 2, 6, 3 * 2 * 3)
    for video, chunk, frame, row, column in np.ndindex(2, 2, 2, 2, 3):
        under = latents[video, :, 2 * chunk + frame, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        np.testing.assert_array_equal(tokens[video, chunk, frame, 3 * row + column], under.flatten())


def test_a_token_of_pixels_is_their_intensities_in_the_patch_under_it() -> None:
    """Black is 0 and white is 1."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 2, 4, 6, 3)).astype(np.uint8)
    tokens = pixel_tokens(frames, (2, 2), (2, 3))
    assert (tokens.shape, tokens.dtype) == ((2, 3, 2, 4, 2 * 3 * 3), np.float32)
    for video, chunk, frame, row, column in np.ndindex(2, 3, 2, 2, 2):
        under = frames[video, chunk, frame, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
        np.testing.assert_allclose(tokens[video, chunk, frame, 2 * row + column], under.flatten() / 255.0, rtol=1e-6)
