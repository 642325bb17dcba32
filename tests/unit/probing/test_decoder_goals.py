"""Goals of decoders: one scale for all horizons, principal axes, and the way back, by hand."""

import numpy as np
import pytest
import torch

from probekit.probing.decoder_goals import GoalSpace, chunk_goals, token_goals
from probekit.probing.decoder_inputs import patches
from probekit.probing.targets import FRAME, LATENT, SHAPE
from probekit.seeding import counter_seed

NAN = np.nan


def rows(count: int, width: int, rank: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, rank, generator=rng) @ torch.randn(rank, width, generator=rng) + 5


def test_coordinates_are_centred_and_over_one_spread_for_all() -> None:
    values = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    space = GoalSpace.of(values, None)
    assert space.mean.tolist() == [2.0, 10.0]
    assert space.axes is None
    assert space.spread == pytest.approx((1 / 2) ** 0.5)  # squares 1, 1, 0, 0
    found = space.project(torch.tensor([[4.0, 11.0]]))
    assert found[0].tolist() == pytest.approx([2 / space.spread, 1 / space.spread])
    torch.testing.assert_close(space.restore(found), torch.tensor([[4.0, 11.0]]))


@pytest.mark.parametrize(("components", "axes"), [(3, 3), (6, None), (7, None), (None, None)])
def test_axes_are_taken_only_where_there_are_more_numbers_than_components(components: int, axes: int | None) -> None:
    space = GoalSpace.of(rows(30, 6, 6), components)
    assert (None if space.axes is None else space.axes.shape) == (None if axes is None else (6, axes))


def test_axes_are_orthonormal_and_span_what_varies_most() -> None:
    values = rows(40, 20, rank=3)
    space = GoalSpace.of(values, 3)
    assert space.axes is not None
    torch.testing.assert_close(space.axes.T @ space.axes, torch.eye(3), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(space.restore(space.project(values)), values, rtol=1e-3, atol=1e-3)
    centred = (values - values.mean(dim=0)) @ space.axes
    assert space.spread == pytest.approx(float(centred.square().mean().sqrt()))
    assert float(space.project(values).square().mean()) == pytest.approx(1.0, rel=1e-4)


def test_there_are_no_more_axes_than_rows() -> None:
    space = GoalSpace.of(rows(2, 6, 6), 4)
    assert space.axes is not None
    assert space.axes.shape == (6, 2)


def test_values_that_never_vary_have_a_spread_of_a_millionth() -> None:
    space = GoalSpace.of(torch.full((3, 2), 4.0), None)
    assert space.spread == 1e-6
    assert torch.isfinite(space.project(torch.full((1, 2), 4.0))).all()


def test_the_axes_are_a_function_of_the_values_alone() -> None:
    values = rows(60, 40, rank=40)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        space = GoalSpace.of(values, 5)
        assert torch.equal(before, torch.get_rng_state())
        found.append(space.axes)
    assert torch.equal(*found)


def test_axes_are_those_of_one_seed_and_eight_directions_more_than_are_kept() -> None:
    """To the last bit, so that a probe's numbers can be repeated."""
    values = rows(60, 40, rank=40)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("probe-goal-axes") % 2**63)
        _, _, axes = torch.svd_lowrank(values - values.mean(dim=0), q=5 + 8)
    found = GoalSpace.of(values, 5).axes
    assert found is not None
    assert torch.equal(found, axes[:, :5])


def test_goals_of_all_horizons_share_the_training_sides_space_and_unknown_ones_are_marked() -> None:
    """Known training rows are 0, 2 and 4 (of both horizons): mean 2, spread the root of 8 / 3."""
    train = [np.array([[0.0], [2.0]], np.float32), np.array([[4.0], [NAN]], np.float32)]
    validation = [np.array([[6.0]], np.float32), np.array([[NAN]], np.float32)]
    prepared = chunk_goals(train, validation, LATENT, components=9)
    spread = (8 / 3) ** 0.5
    assert prepared.train.known.tolist() == [[True, True], [True, False]]
    assert prepared.validation.known.tolist() == [[True], [False]]
    assert prepared.train.values[..., 0].flatten().tolist() == pytest.approx([-2 / spread, 0, 2 / spread, 0])
    assert prepared.validation.values.flatten().tolist() == pytest.approx([4 / spread, 0])
    assert prepared.rows_per_chunk == 1
    assert (prepared.train.classes, prepared.validation.classes) == (0, 0)  # numbers, not classes
    assert prepared.values(torch.tensor([[1.0]]))[0, 0] == pytest.approx(2 + spread)


def test_classes_stay_indices_and_what_a_decoder_gives_out_is_log_odds() -> None:
    train, validation = [np.array([[1.0], [NAN]], np.float32)], [np.array([[2.0]], np.float32)]
    prepared = chunk_goals(train, validation, SHAPE, components=1)
    assert prepared.space is None
    assert (prepared.train.classes, prepared.validation.classes) == (SHAPE.classes, SHAPE.classes)
    assert prepared.train.values.flatten().tolist() == [1.0, 0.0]
    assert prepared.train.known.tolist() == [[True, False]]
    odds = torch.tensor([[0.5, -1.0, 2.0]])
    assert prepared.values(odds).tolist() == odds.tolist()


def test_components_bound_the_coordinates_of_pictures() -> None:
    train = [rows(30, 48, rank=20).numpy()]
    prepared = chunk_goals(train, train, FRAME, components=4)
    assert prepared.train.values.shape == (1, 30, 4)
    assert prepared.values(prepared.train.values[0]).shape == (30, 48)


def test_a_positions_goal_is_the_patch_under_it_and_readouts_become_pictures_again() -> None:
    grid, patch = (2, 3), (2, 2)
    pictures = np.random.default_rng(0).random((4, 2 * 2 * 3 * 2 * 3), np.float32)
    unknown = pictures.copy()
    unknown[1] = NAN
    prepared = token_goals([pictures, unknown], [pictures, pictures], grid, patch)
    assert prepared.rows_per_chunk == 6
    assert prepared.train.values.shape == (2, 4 * 6, 2 * 2 * 3)
    assert (prepared.train.classes, prepared.validation.classes) == (0, 0)
    assert prepared.train.known[1].reshape(4, 6).all(dim=1).tolist() == [True, False, True, True]
    known = np.concatenate([pictures, pictures[[0, 2, 3]]])
    cut = patches(known, grid, patch).reshape(-1, 12)
    assert prepared.space is not None
    np.testing.assert_allclose(prepared.space.mean.numpy(), cut.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(prepared.values(prepared.train.values[0]), pictures, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prepared.values(prepared.validation.values[1]), pictures, rtol=1e-4, atol=1e-5)
