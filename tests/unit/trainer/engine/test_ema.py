"""The moving average by hand: what an update takes from the model, and how fast it forgets its beginning."""

import pytest
import torch
from torch import nn

from trainer.engine.ema import ExponentialMovingAverage


class Model(nn.Module):
    """A weight that is averaged and a count that is copied."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([weight]))
        self.register_buffer("count", torch.tensor(0.0))


def value(average: ExponentialMovingAverage[Model]) -> float:
    return float(average.model.weight)


def test_the_first_update_keeps_a_tenth_of_the_beginning() -> None:
    """Decay (1 + 0) / (10 + 0): 0.1 of the old average and 0.9 of the new weight."""
    average = ExponentialMovingAverage(Model(10.0), decay=0.99)
    average.update(Model(20.0))
    assert value(average) == pytest.approx(0.1 * 10 + 0.9 * 20)


def test_the_decay_rises_with_the_updates_until_its_limit() -> None:
    average = ExponentialMovingAverage(Model(1.0), decay=0.25)
    expected = 1.0
    for update, decay in enumerate((1 / 10, 2 / 11, 0.25, 0.25)):
        assert int(average.updates) == update
        average.update(Model(0.0))
        expected *= decay
        assert value(average) == pytest.approx(expected)


def test_after_many_updates_the_limit_alone_acts() -> None:
    average = ExponentialMovingAverage(Model(0.0), decay=0.99)
    average.updates.fill_(100_000)
    average.update(Model(5.0))
    assert value(average) == pytest.approx(0.01 * 5)
    assert int(average.updates) == 100_001


def test_an_average_of_equal_weights_is_that_weight() -> None:
    average = ExponentialMovingAverage(Model(3.0), decay=0.9)
    for _ in range(5):
        average.update(Model(3.0))
    assert value(average) == pytest.approx(3.0)


def test_buffers_are_copied() -> None:
    average, model = ExponentialMovingAverage(Model(0.0), decay=0.9), Model(1.0)
    model.count.fill_(7.0)
    average.update(model)
    assert float(average.model.count) == 7.0


def test_the_average_is_a_copy_of_its_own_that_does_not_learn() -> None:
    model = Model(1.0)
    average = ExponentialMovingAverage(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(5.0)
    assert value(average) == 1.0
    assert not average.model.training
    assert not average.model.weight.requires_grad
    average.update(model)
    assert not average.model.weight.requires_grad
    assert model.training
    assert model.weight.requires_grad
