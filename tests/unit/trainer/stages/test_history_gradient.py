"""Gradients through the history: the same video as the rollout's, and the derivative of writing its past anew."""

import copy

import pytest
import torch
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.records import RolloutObserver
from probekit.rollout.streaming_rollout import Rollout, roll_out
from tests.helpers.tiny_wan import CHANNELS, TEXT_WIDTH, tiny_causal
from trainer.foresight.objective import ExitStates
from trainer.stages.history_gradient import ExitInputs, with_history

CHUNKS, FRAMES, STEP = 3, 2, 1e-4
SIGMAS = few_step_sigmas((1000, 500), 5.0)
TEXT = torch.randn(2, 5, TEXT_WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def double_model() -> CausalWan:
    """In double precision, so that differences of losses tell derivatives."""
    return tiny_causal(layers=2, seed=4).double()


def rollout(
    model: CausalWan,
    exit_step: int,
    observers: tuple[RolloutObserver, ...] = (),
    gradient: bool = False,
    forced: Tensor | None = None,
) -> Tensor:
    def noise(chunk: int, step: int) -> Tensor:
        return SeededNoise(("history",), range(2), (CHANNELS, FRAMES, 4, 4))(chunk, step).double()

    denoiser = FewStepDenoiser(SIGMAS, exit_step, gradient)
    made = Rollout(
        model, TextContext(TEXT), noise, denoiser, chunks=CHUNKS, observers=observers, forced=forced, whole_commit=True
    )
    return roll_out(made)


def anew(model: CausalWan, exit_step: int, layer: int | None = None) -> tuple[Tensor, list[Tensor], Tensor]:
    """The video with history, its states, and the rollout's own video."""
    exits = ExitInputs(exit_step)
    with torch.no_grad():
        video = rollout(model, exit_step, (exits,))
    return *with_history(model, video, exits, SIGMAS[exit_step], TextContext(TEXT), layer), video


@pytest.mark.parametrize("exit_step", [0, 1])
def test_video_and_states_are_the_rollouts(exit_step: int) -> None:
    model, seen = double_model(), ExitStates(1, exit_step)
    found, states, video = anew(model, exit_step, layer=1)
    rollout(model, exit_step, (seen,))
    torch.testing.assert_close(found, video, rtol=1e-4, atol=1e-5)
    assert len(states) == CHUNKS
    for state, other in zip(states, seen.states, strict=True):
        torch.testing.assert_close(state, other, rtol=1e-4, atol=1e-5)


def slope(model: CausalWan, video: Tensor, weight: Tensor, direction: dict[str, Tensor]) -> float:
    """Derivative along a direction of weight · video, where the past is written with the moved weights too."""
    values = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                parameter.add_(sign * STEP * direction[name])
            values.append(float((weight * rollout(moved, 0, forced=video)).sum()))
    return (values[0] - values[1]) / (2 * STEP)


def along(model: CausalWan, loss: Tensor, direction: dict[str, Tensor]) -> float:
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return sum(
        float((gradient * direction[name]).sum())
        for name, gradient in zip(named, gradients, strict=True)
        if gradient is not None
    )


def test_the_gradient_is_that_of_a_rollout_whose_past_is_written_with_the_same_weights() -> None:
    """Exits at the first step have noise alone as input, so that the loss depends on weights through past and exit."""
    model = double_model()
    rng = torch.Generator().manual_seed(3)
    direction = {
        name: torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
        for name, parameter in model.named_parameters()
    }
    found, _, video = anew(model, 0)
    weight = torch.randn(video.shape, dtype=torch.float64, generator=rng)
    expected = slope(model, video, weight, direction)
    assert along(model, (weight * found).sum(), direction) == pytest.approx(expected, rel=1e-3)
    frozen = along(model, (weight * rollout(model, 0, gradient=True)).sum(), direction)
    assert frozen != pytest.approx(expected, rel=0.02)


def test_the_first_chunk_has_no_history() -> None:
    model = double_model()
    first = anew(model, 0)[0][:, :, :FRAMES].square().sum()
    plain = rollout(model, 0, gradient=True)[:, :, :FRAMES].square().sum()
    name = "blocks.0.attn1.to_k.weight"
    with_past, without = (
        torch.autograd.grad(loss, [dict(model.named_parameters())[name]])[0] for loss in (first, plain)
    )
    torch.testing.assert_close(with_past, without, rtol=1e-3, atol=1e-6)
