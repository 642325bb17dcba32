"""Muon: updates with the singular vectors of the momentum and equal singular values; AdamW for the rest."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim import Muon as TorchMuon

from trainer.config.optimizer import OptimizerConfig
from trainer.engine.muon import Muon, orthogonalized
from trainer.engine.optimizers import build_optimizer


def matrix(rows: int, columns: int, values: Tensor, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Singular vectors and the matrix that has them with these singular values."""
    rng = torch.Generator().manual_seed(seed)
    left, right = (torch.linalg.qr(torch.randn(n, len(values), generator=rng))[0] for n in (rows, columns))
    return left, right, left @ values.diag() @ right.T


@given(st.integers(4, 12), st.integers(4, 12), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_singular_vectors_stay_and_values_become_one(rows: int, columns: int, scale: float, seed: int) -> None:
    values = torch.linspace(0.1, 1.0, min(rows, columns)) * scale
    left, right, given_matrix = matrix(rows, columns, values, seed)
    found = left.T @ orthogonalized(given_matrix) @ right
    torch.testing.assert_close(found, found.diagonal().diag(), atol=2e-4, rtol=0)
    assert 0.6 < found.diagonal().min()
    assert found.diagonal().max() < 1.25


def test_matrices_of_a_stack_are_worked_on_alone_and_either_way_up() -> None:
    stack = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0))
    found = orthogonalized(stack)
    for one, alone in zip(stack, found, strict=True):
        torch.testing.assert_close(orthogonalized(one), alone)
        torch.testing.assert_close(orthogonalized(one.T), alone.T)
    assert torch.equal(orthogonalized(torch.zeros(4, 6)), torch.zeros(4, 6))


def stepped(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: int = 4) -> list[Tensor]:
    """Parameters after a few steps with gradients drawn from a seed."""
    rng = torch.Generator().manual_seed(7)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=rng)
        optimizer.step()
    return [parameter.detach().clone() for parameter in parameters]


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=rng)) for shape in shapes]


def test_matrices_are_updated_as_by_torchs_muon_up_to_its_bf16() -> None:
    shapes = ((16, 16), (16, 48), (48, 16))
    start = [tensor.detach().clone() for tensor in parameters(*shapes)]
    ours, theirs = parameters(*shapes), parameters(*shapes)
    settings = {"weight_decay": 0.1, "momentum": 0.95}
    mine = Muon(ours, [], [], learning_rate=0.02, betas=(0.9, 0.99), **settings)
    reference = TorchMuon(theirs, lr=0.02, adjust_lr_fn="match_rms_adamw", **settings)
    for before, found, expected in zip(start, stepped(mine, ours), stepped(reference, theirs), strict=True):
        assert (found - expected).norm() < 0.02 * (expected - before).norm()


def test_an_update_is_as_large_as_adamws() -> None:
    (weight,) = parameters((64, 64))
    before = weight.detach().clone()
    stepped(Muon([weight], [], [], learning_rate=0.01, betas=(0.9, 0.99), weight_decay=0.0), [weight], steps=1)
    assert float((weight.detach() - before).square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.25)


def test_other_parameters_are_adamws_own() -> None:
    shapes = ((4, 3, 2), (7,), (5, 5))
    ours, theirs = parameters(*shapes), parameters(*shapes)
    mine = Muon([], [ours[0], ours[2]], [ours[1]], learning_rate=0.1, betas=(0.5, 0.9), weight_decay=0.3)
    groups = [{"params": [theirs[0], theirs[2]], "weight_decay": 0.3}, {"params": [theirs[1]], "weight_decay": 0.0}]
    for found, expected in zip(
        stepped(mine, ours), stepped(AdamW(groups, lr=0.1, betas=(0.5, 0.9)), theirs), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


class Small(nn.Module):
    """Names as in a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(3, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4)])
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 2, 4))


def test_matrices_of_blocks_alone_are_orthogonalized_and_tables_do_not_decay() -> None:
    model = Small()
    optimizer = build_optimizer(model, OptimizerConfig(kind="muon", learning_rate=0.1, weight_decay=0.5))
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = [
        (group["orthogonal"], group["weight_decay"], {names[parameter] for parameter in group["params"]})
        for group in optimizer.param_groups
    ]
    assert found == [
        (True, 0.5, {"blocks.0.weight"}),
        (False, 0.5, {"patch_embedding.weight"}),
        (False, 0.0, {"patch_embedding.bias", "blocks.0.bias", "scale_shift_table"}),
    ]


def test_a_closure_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="closure"):
        Muon([], [], [], learning_rate=1.0, betas=(0.9, 0.9), weight_decay=0.0).step(lambda: 0.0)
