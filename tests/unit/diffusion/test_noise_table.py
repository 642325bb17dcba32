"""The official table of noise levels against its formula, and the entry that a timestep is given."""

import pytest
import torch

from probekit.diffusion.noise_table import GENERATOR_SHIFT, SCORE_SHIFT, nearest_table_sigma, table_sigmas


@pytest.mark.parametrize("shift", [1.0, 5.0, 8.0])
def test_the_table_has_a_thousand_shifted_levels_from_one_down(shift: float) -> None:
    table = table_sigmas(shift, torch.float64)
    plain = [1 - index / 1000 for index in range(1000)]
    assert table.tolist() == pytest.approx([shift * level / (1 + (shift - 1) * level) for level in plain])


def test_the_clean_timestep_is_read_as_the_last_entry() -> None:
    """5 · 0.001 / 1.004 = 0.00498, where the exact level is 0."""
    assert nearest_table_sigma(torch.tensor([0.0]), 5.0).tolist() == pytest.approx([0.005 / 1.004])


def test_each_timestep_is_given_the_entry_that_is_nearest() -> None:
    timesteps = torch.tensor([[1000.0, 937.5], [833.3, 625.0], [20.0, 3.0]])
    found = nearest_table_sigma(timesteps, 5.0)
    table = table_sigmas(5.0).tolist()
    expected = [min(table, key=lambda level: abs(level * 1000 - time)) for time in timesteps.flatten().tolist()]
    assert found.shape == timesteps.shape
    assert found.flatten().tolist() == expected


def test_every_entry_finds_itself() -> None:
    table = table_sigmas(8.0)
    torch.testing.assert_close(nearest_table_sigma(table * 1000, 8.0), table, rtol=0, atol=0)


def test_the_official_shifts_stretch_the_timestep_20_by_19_percent() -> None:
    """The ratio of the two tables' levels that the official critic loss scales its flow by (Self-Forcing)."""
    timestep = torch.tensor([20.0])
    ratio = nearest_table_sigma(timestep, SCORE_SHIFT) / nearest_table_sigma(timestep, GENERATOR_SHIFT)
    assert (GENERATOR_SHIFT, SCORE_SHIFT) == (5, 8)
    assert ratio.item() == pytest.approx(1.19, abs=0.005)
