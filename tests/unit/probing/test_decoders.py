"""Decoders: batched fits equal single ones, find what is there, and nothing that is not."""

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from probekit.probing import decoders
from probekit.probing.decoder_goals import GoalSpace, chunk_goals, token_goals
from probekit.probing.decoder_inputs import (
    Components,
    Scaling,
    chunk_rows,
    from_patches,
    patches,
    place_features,
    token_rows,
)
from probekit.probing.decoders import DecoderStack, Goals, _Best, errors, fit_decoders
from probekit.probing.probe_settings import DecoderBudget
from probekit.probing.targets import FRAME, ProbeTarget
from probekit.seeding import counter_seed

BUDGET = DecoderBudget(width=16, steps=120, validate_every=20, batch=32, learning_rates=(3e-3,), seeds=(0,))


def rows(count: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def goals(values: torch.Tensor) -> Goals:
    return Goals(values, torch.ones(values.shape[:2], dtype=torch.bool))


def data(
    outputs: int = 3, seed: int = 0
) -> tuple[torch.Tensor, Goals, torch.Tensor, Goals, torch.Tensor, torch.Tensor]:
    """Two goals, linear in the inputs, of which the second is the negative of the first."""
    weights = rows(6, outputs, seed + 1)
    sides = [rows(count, seed=seed + 2 + index) for index, count in enumerate((300, 100, 100))]
    linear = [torch.stack([side @ weights, -(side @ weights)]) / 3 for side in sides]
    return sides[0], goals(linear[0]), sides[1], goals(linear[1]), sides[2], linear[2]


def test_what_is_linear_in_the_state_is_read_and_goals_are_not_mixed() -> None:
    train, train_goals, validation, validation_goals, test, truth = data()
    fitted = fit_decoders(train, train_goals, validation, validation_goals, test, BUDGET._replace(steps=400))
    assert fitted.readouts.shape == (2, 1, 100, 3)
    error = (fitted.readouts[:, 0] - truth).square().mean(dim=(1, 2))
    assert (error < 0.05 * truth.square().mean()).all()


@pytest.mark.long
def test_a_batch_of_fits_equals_fits_one_by_one() -> None:
    train, train_goals, validation, validation_goals, test, _ = data()
    budget = BUDGET._replace(seeds=(0, 1), learning_rates=(1e-3, 1e-2))
    together = fit_decoders(train, train_goals, validation, validation_goals, test, budget)
    for goal in (0, 1):
        for place, seed in enumerate((0, 1)):
            one = [
                part._replace(values=part.values[goal : goal + 1], known=part.known[goal : goal + 1])
                for part in (train_goals, validation_goals)
            ]
            alone = fit_decoders(train, one[0], validation, one[1], test, budget._replace(seeds=(seed,)))
            torch.testing.assert_close(alone.readouts[0, 0], together.readouts[goal, place], rtol=1e-3, atol=1e-4)
            assert alone.learning_rates[0, 0] == together.learning_rates[goal, place]


def test_the_rate_with_the_least_validation_error_is_kept() -> None:
    train, train_goals, validation, validation_goals, test, _ = data()
    budget = BUDGET._replace(learning_rates=(1e-6, 3e-3))
    fitted = fit_decoders(train, train_goals, validation, validation_goals, test, budget)
    assert fitted.learning_rates.flatten().tolist() == pytest.approx([3e-3, 3e-3])
    alone = fit_decoders(train, train_goals, validation, validation_goals, test, BUDGET)
    torch.testing.assert_close(fitted.validation, alone.validation, rtol=1e-3, atol=1e-5)


def test_a_fit_ends_at_its_best_weights() -> None:
    """Validation goals that no training row explains get worse as the fit goes on, so that the first look is kept."""
    train, train_goals, validation, validation_goals, test, _ = data()
    wrong = Goals(-validation_goals.values, validation_goals.known)
    fitted = fit_decoders(train, train_goals, validation, wrong, test, BUDGET._replace(steps=400))
    assert fitted.steps.flatten().tolist() == [20, 20]


def test_masked_rows_do_not_count() -> None:
    train, train_goals, validation, validation_goals, test, truth = data()
    values, known = train_goals.values.clone(), train_goals.known.clone()
    values[:, 150:], known[:, 150:] = 1e3, False
    fitted = fit_decoders(train, Goals(values, known), validation, validation_goals, test, BUDGET._replace(steps=400))
    assert (fitted.readouts[:, 0] - truth).square().mean() < 0.2 * truth.square().mean()


def test_classes_are_read_as_log_odds() -> None:
    train, validation, test = rows(400), rows(100, seed=1), rows(200, seed=2)
    label = lambda part: (part[:, 0] > 0).float() + (part[:, 1] > 1).float()  # noqa: E731
    made = [
        Goals(label(part)[None, :, None], torch.ones(1, len(part), dtype=torch.bool), 3) for part in (train, validation)
    ]
    fitted = fit_decoders(train, made[0], validation, made[1], test, BUDGET._replace(steps=300))
    assert (fitted.readouts[0, 0].argmax(dim=1) == label(test)).float().mean() > 0.85


def test_errors_are_squared_differences_or_cross_entropies() -> None:
    predicted, wanted = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]]), torch.tensor([[[0.0, 0.0], [7.0, 7.0]]])
    assert errors(predicted, wanted, torch.tensor([[1.0, 0.0]]), 0).tolist() == [5.0]
    logits, classes = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1.0]]])
    assert errors(logits, classes, torch.ones(1, 1), 2)[0] == pytest.approx(
        float(F.cross_entropy(logits[0], torch.tensor([1])))
    )


def test_a_stack_is_its_decoders_side_by_side() -> None:
    stack = DecoderStack(6, 8, 2, seeds=[3, 4, 3])
    inputs = rows(5)
    read = stack(inputs)
    assert torch.equal(read[0], read[2])
    assert not torch.equal(read[0], read[1])
    alone = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2))
    with torch.no_grad():
        for depth, layer in enumerate((alone[0], alone[2], alone[4])):
            layer.weight.copy_(stack.weights[depth][1].T)
            layer.bias.copy_(stack.biases[depth][1, 0])
    torch.testing.assert_close(alone(inputs), read[1])


def test_fits_repeat_exactly() -> None:
    train, train_goals, validation, validation_goals, test, _ = data()
    first, second = (fit_decoders(train, train_goals, validation, validation_goals, test, BUDGET) for _ in range(2))
    assert torch.equal(first.readouts, second.readouts)


def test_rows_of_chunks_and_of_tokens_by_hand() -> None:
    states = np.arange(1 * 2 * 3 * 4 * 5).reshape(1, 2, 3, 4, 5).astype(np.float16)  # N=2, n=3, T=4, W=5
    assert chunk_rows(states).shape == (2, 60)
    tokens = token_rows(states)
    assert tokens.shape == (8, 15)
    np.testing.assert_array_equal(tokens[5], states[0, 1, :, 1].reshape(-1))  # chunk 1, position 1, its three frames


def test_patches_lie_under_their_tokens_and_come_back() -> None:
    picture = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    cut = patches(picture.reshape(1, -1), (2, 3), (2, 2))
    assert cut.shape == (1, 6, 12)
    np.testing.assert_array_equal(cut[0, 4].reshape(2, 2, 3), picture[2:4, 2:4])
    np.testing.assert_array_equal(from_patches(cut, (2, 3), (2, 2)), picture.reshape(1, -1))
    assert len({tuple(row) for row in place_features(2, 3).round(decimals=4).tolist()}) == 6


def test_components_whiten_and_leave_out_what_few_rows_cannot_show() -> None:
    training = rows(400, 5) * torch.tensor([9.0, 3.0, 1.0, 0.3, 0.1])
    white = Components.of(training, 5)(training)
    torch.testing.assert_close(white.T @ white / 399, torch.eye(5), atol=0.02, rtol=0)
    assert Components.of(rows(20, 50), 128).axes.shape[1] == 5
    constant = Scaling.of(torch.ones(4, 2))
    assert constant(torch.full((1, 2), 7.0)).tolist() == [[0.0, 0.0]]


def test_errors_in_a_goal_space_are_in_proportion_to_errors_of_pixels() -> None:
    values = torch.rand(60, 40, generator=torch.Generator().manual_seed(0))
    space = GoalSpace.of(values, 12)
    projected = space.project(values)
    assert projected.shape == (60, 12)
    assert projected.square().mean() == pytest.approx(1, rel=1e-4)
    a, b = projected[0], projected[1]
    spanned = (space.restore(a) - space.restore(b)).square().sum()
    assert spanned == pytest.approx(float((a - b).square().sum()) * space.spread**2, rel=1e-4)
    whole = GoalSpace.of(values, None)
    torch.testing.assert_close(whole.restore(whole.project(values)), values)


@pytest.mark.parametrize("by_token", [False, True])
def test_goals_come_back_as_the_values_that_they_were_made_of(by_token: bool) -> None:
    frames = np.random.default_rng(0).random((5, 4 * 6 * 3), dtype=np.float32)
    frames[2] = np.nan
    sides = [frames], [frames[:2]]
    made = token_goals(*sides, (2, 3), (2, 2)) if by_token else chunk_goals(*sides, FRAME, 1000)
    assert made.train.known.sum() == (24 if by_token else 4)
    assert bool(made.train.values.isfinite().all())
    back = made.values(made.validation.values[0])
    np.testing.assert_allclose(back, frames[:2], atol=1e-5)


def test_goals_of_classes_are_their_indices() -> None:
    target = ProbeTarget("kind", "class", lambda data: data.latents, 4)
    labels = np.array([[2.0], [np.nan], [0.0]], np.float32)
    made = chunk_goals([labels], [labels], target, 8)
    assert made.train.values[0, :, 0].tolist() == [2.0, 0.0, 0.0]
    assert made.train.known[0].tolist() == [True, False, True]
    assert made.train.outputs == 4


def shuffled_rows(count: int, seed: int) -> Iterator[int]:
    """Numbers of rows without end, one permutation after another."""
    rng = torch.Generator().manual_seed(counter_seed("probe-batches", seed) % 2**63)
    while True:
        yield from torch.randperm(count, generator=rng).tolist()


def plain_error(net: nn.Module, inputs: torch.Tensor, values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    return (net(inputs) - values)[known].square().mean(dim=1).sum() / max(1, int(known.sum()))


def plain_fit(
    train: torch.Tensor, goal: Goals, validation: torch.Tensor, wanted: Goals, seed: int, rate: float,
    budget: DecoderBudget,
) -> tuple[nn.Module, float, int]:  # fmt: skip
    """One decoder with torch's own layers: AdamW, a cosine to zero, the weights of the least validation error."""
    stack = DecoderStack(train.shape[1], budget.width, goal.outputs, [seed])
    sizes = (train.shape[1], budget.width, budget.width, goal.outputs)
    layers = [nn.Linear(*pair) for pair in pairwise(sizes)]
    with torch.no_grad():
        for layer, weight, bias in zip(layers, stack.weights, stack.biases, strict=True):
            layer.weight.copy_(weight[0].T)
            layer.bias.copy_(bias[0, 0])
    net = nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=budget.weight_decay)
    rows_to_come, best, since = shuffled_rows(len(train), seed), (copy.deepcopy(net), math.inf, 0), 0
    for step in range(1, budget.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * (step - 1) / budget.steps)) / 2
        batch = torch.tensor([next(rows_to_come) for _ in range(budget.batch)])
        optimizer.zero_grad()
        plain_error(net, train[batch], goal.values[0, batch], goal.known[0, batch]).backward()
        optimizer.step()
        if step % budget.validate_every == 0 or step == budget.steps:
            error = float(plain_error(net, validation, wanted.values[0], wanted.known[0]).detach())
            since = 0 if error < best[1] else since + 1
            best = (copy.deepcopy(net), error, step) if error < best[1] else best
            if since == budget.patience:
                break
    return best


@pytest.mark.parametrize("patience", [1, 100])
def test_a_fit_is_a_plain_loop_of_adamw_batches_and_validation(patience: int) -> None:
    """Goals, seeds and rates side by side, some goals unknown; steps that are no multiple of the looks."""
    train, train_goals, validation, validation_goals, test, _ = data()
    budget = BUDGET._replace(
        width=8, steps=47, validate_every=10, batch=70, learning_rates=(1e-3, 3e-2), seeds=(0, 5), weight_decay=0.1,
        patience=patience,
    )  # fmt: skip
    made = []
    for goals_of_side in (train_goals, validation_goals):
        known = torch.rand(goals_of_side.known.shape, generator=torch.Generator().manual_seed(3)) < 0.7
        made.append(goals_of_side._replace(known=known))
    fitted = fit_decoders(train, made[0], validation, made[1], test, budget)
    for goal in range(2):
        own = [side._replace(values=side.values[goal : goal + 1], known=side.known[goal : goal + 1]) for side in made]
        for place, seed in enumerate(budget.seeds):
            plain = [plain_fit(train, own[0], validation, own[1], seed, rate, budget) for rate in (1e-3, 3e-2)]
            chosen = min(range(2), key=lambda number: plain[number][1])
            net, error, step = plain[chosen]
            assert fitted.learning_rates[goal, place] == pytest.approx(budget.learning_rates[chosen])
            assert fitted.steps[goal, place] == step
            assert fitted.validation[goal, place] == pytest.approx(error, rel=1e-3)
            torch.testing.assert_close(fitted.readouts[goal, place], net(test).detach(), rtol=1e-2, atol=1e-3)


def test_thousands_of_rows_are_validated_and_read_as_one() -> None:
    train, train_goals, _, _, _, _ = data()
    validation, wanted = rows(4100, seed=8), rows(4100, 3, seed=9)
    wanted[4096:] += 30  # the rows of the last part weigh as any other
    budget = BUDGET._replace(width=4, steps=1, validate_every=1)
    one = Goals(train_goals.values[:1], train_goals.known[:1])
    known = torch.ones(1, 4100, dtype=torch.bool)
    known[0, 7:2000] = False
    fitted = fit_decoders(train, one, validation, Goals(wanted[None], known), validation, budget)
    read = fitted.readouts[0, 0]
    assert read.shape == (4100, 3)
    expected = (read - wanted)[known[0]].square().mean()
    assert fitted.validation[0, 0] == pytest.approx(float(expected), rel=1e-4)


def test_a_decoder_whose_patience_is_over_keeps_its_weights_while_another_goes_on() -> None:
    """It would stop alone, so what it becomes beside another must not count."""
    stack = DecoderStack(1, 1, 1, seeds=[0, 1])
    best = _Best(stack, patience=1)
    looks = []
    for step, error in enumerate(([2.0, 2.0], [3.0, 1.5], [0.1, 1.0], [0.1, 1.0]), start=1):
        with torch.no_grad():
            stack.weights[0].fill_(float(step))
        looks.append(best.see(stack, torch.tensor(error), step))
    assert looks == [True, True, True, False]
    assert (best.error.tolist(), best.step.tolist()) == ([2.0, 1.0], [1, 3])
    best.restore(stack)
    assert stack.weights[0].flatten().tolist() == [1.0, 3.0]


def test_weights_are_drawn_as_torchs_linear_layers_draw_theirs() -> None:
    """Uniform within 1 / sqrt(inputs), from the decoder's own seed."""
    stack = DecoderStack(64, 100, 50, seeds=[3])
    for weight, bias in zip(stack.weights, stack.biases, strict=True):
        bound = weight.shape[1] ** -0.5
        for part in (weight, bias):
            assert 0.9 * bound < float(part.detach().abs().max()) <= bound
    assert stack.biases[0].shape == (1, 1, 100)


def test_a_decoder_without_known_rows_has_no_error() -> None:
    assert errors(torch.ones(1, 2, 1), torch.zeros(1, 2, 1), torch.zeros(1, 2), 0).tolist() == [0.0]


def test_a_goal_that_no_validation_row_knows_has_an_error_of_0_and_keeps_its_first_look() -> None:
    train, train_goals, validation, validation_goals, test, _ = data()
    unknown = validation_goals._replace(known=torch.zeros_like(validation_goals.known))
    fitted = fit_decoders(train, train_goals, validation, unknown, test, BUDGET._replace(steps=40))
    assert fitted.validation.flatten().tolist() == [0.0, 0.0]
    assert fitted.steps.flatten().tolist() == [20, 20]


@pytest.mark.parametrize(("batch", "threads"), [(32, 1), (256, 1), (257, 2)])
def test_steps_of_up_to_256_rows_run_on_one_thread_and_larger_ones_on_all(
    batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that share a small product wait for each other longer than they compute."""
    seen: set[int] = set()

    def see(*given: torch.Tensor) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return errors(*given)  # type: ignore[arg-type]

    train, train_goals, validation, validation_goals, test, _ = data()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(decoders, "errors", see)
        fit_decoders(train, train_goals, validation, validation_goals, test, BUDGET._replace(batch=batch, steps=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {threads}


@pytest.mark.parametrize(("patience", "steps"), [(1, 20), (3, 40), (99, 100)])
def test_a_fit_ends_once_no_decoder_was_better_for_as_many_looks_as_its_patience(
    patience: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of the validation rows, so that the first look, at step 10, is the best one."""
    train, train_goals, validation, validation_goals, test, _ = data()
    unknown = validation_goals._replace(known=torch.zeros_like(validation_goals.known))
    fitted_rows: list[int] = []

    def see(predicted: torch.Tensor, *rest: Any) -> torch.Tensor:
        if predicted.requires_grad:
            fitted_rows.append(predicted.shape[1])
        return errors(predicted, *rest)

    monkeypatch.setattr(decoders, "errors", see)
    budget = BUDGET._replace(steps=100, validate_every=10, patience=patience)
    fit_decoders(train, train_goals, validation, unknown, test, budget)
    assert fitted_rows == [32] * steps


def test_what_a_fit_gives_out_carries_no_graph() -> None:
    train, train_goals, validation, validation_goals, test, _ = data()
    fitted = fit_decoders(train, train_goals, validation, validation_goals, test, BUDGET._replace(steps=2))
    assert not fitted.readouts.requires_grad
    assert not any(parameter.requires_grad for parameter in fitted.stack.parameters())
