"""The foresight objective against sums written out chunk by chunk, and its updates by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.feature_reader import read_causal_features, read_features
from probekit.rollout.records import PassRecord
from probekit.seeding import counter_seed
from tests.helpers.tiny_wan import CHANNELS, HEAD_WIDTH, TEXT_WIDTH, tiny_causal, tiny_wan
from trainer.config.foresight import ForesightConfig
from trainer.foresight.losses import cosine_distance, cosines, mean_squared_distance, random_directions, sigreg
from trainer.foresight.objective import ExitStates, ForesightObjective, model_width
from trainer.objectives.auxiliary import AuxiliaryModels

CHUNKS, FRAMES, TOKENS, SEED = 4, 2, 8, 11
GENERATOR, AVERAGE = tiny_causal(heads=1, layers=4), tiny_causal(heads=1, layers=4, seed=7)
REAL, BASE = tiny_wan(heads=2, layers=3, seed=5), tiny_wan(heads=1, layers=5, seed=6)
TEXT = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))


def objective_of(**changes: Any) -> ForesightObjective:
    values = {"predictor_heads": 1, "predictor_blocks": 0, "weight": 0.3, "learning_rate": 1e-3, **changes}
    models = AuxiliaryModels(GENERATOR, REAL, AVERAGE, lambda: BASE)
    return ForesightObjective(ForesightConfig.model_validate(values), models, chunk_frames=FRAMES, seed=SEED)


def video(seed: int = 0) -> Tensor:
    return torch.randn(2, CHANNELS, CHUNKS * FRAMES, 4, 4, generator=torch.Generator().manual_seed(seed))


def chunk_states(seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(2, TOKENS, HEAD_WIDTH, generator=rng).requires_grad_() for _ in range(CHUNKS)]


def features_of(encoder: str = "real", seed: int = 0) -> list[Tensor]:
    """Each chunk's features at half the encoder's depth, rounded down."""
    if encoder == "ema":
        return [chunk.detach() for chunk in read_causal_features(AVERAGE, video(seed), TEXT, CHUNKS, 2)]
    model, layer = (REAL, 1) if encoder == "real" else (BASE, 2)
    whole = read_features(model, video(seed), torch.zeros(2), TEXT, layer).detach()
    return [frames.flatten(1, 2) for frames in whole.split(FRAMES, dim=1)]


def mean(values: Sequence[Tensor]) -> Tensor:
    return sum(values, torch.zeros(())) / len(values)


def expected_distance(objective: ForesightObjective, states: list[Tensor], targets: dict[int, list[Any]]) -> Tensor:
    """Mean over chunks of the mean cosine distance over a chunk's (offset's index, target)."""
    return mean(
        [
            mean([cosine_distance(objective.predictor(states[chunk], index), target) for index, target in pairs])
            for chunk, pairs in targets.items()
        ]
    )


@pytest.mark.parametrize("encoder", ["real", "base", "ema"])
def test_the_loss_is_lambda_times_the_mean_over_chunks_of_the_distance_to_their_future(encoder: str) -> None:
    objective = objective_of(encoder=encoder, offsets=(1, 2))
    features, states = features_of(encoder), chunk_states()
    targets = {
        0: [(None, (features[1] + features[2]) / 2)],
        1: [(None, (features[2] + features[3]) / 2)],
        2: [(None, features[3])],  # the last chunk has no future
    }
    found = objective.loss(states, video(), TEXT, step=0)
    torch.testing.assert_close(found, 0.3 * expected_distance(objective, states, targets))
    found.backward()
    assert states[3].grad is None
    assert all(state.grad is not None for state in states[:3])


@pytest.mark.parametrize("predictor", ["multi_mlp", "dit_adaln", "dit"])
def test_without_fusion_a_chunk_answers_for_the_mean_over_its_offsets(predictor: str) -> None:
    objective = objective_of(fusion="none", offsets=(0, 3), predictor=predictor, predictor_blocks=1)
    with torch.no_grad():
        for parameter in objective.predictor.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    features, states = features_of(), chunk_states()
    targets: dict[int, list[Any]] = {chunk: [(0, features[chunk])] for chunk in range(CHUNKS)}
    targets[0].append((1, features[3]))
    found = objective.loss(states, video(), TEXT, step=0)
    torch.testing.assert_close(found, 0.3 * expected_distance(objective, states, targets))


def test_a_single_chunk_may_be_all_that_has_a_future() -> None:
    objective, states = objective_of(offsets=(3,)), chunk_states()
    expected = expected_distance(objective, states, {0: [(None, features_of()[3])]})
    torch.testing.assert_close(objective.loss(states, video(), TEXT, step=0), 0.3 * expected)


def test_frame_fusion_compares_with_the_mean_over_the_frames_of_a_chunk() -> None:
    objective = objective_of(fusion="frames", offsets=(0,))
    states, targets = chunk_states(), {}
    for chunk, features in enumerate(features_of()):
        first, second = features.split(TOKENS // FRAMES, dim=1)
        targets[chunk] = [(None, torch.cat([(first + second) / 2] * 2, dim=1))]
    found = objective.loss(states, video(), TEXT, step=0)
    torch.testing.assert_close(found, 0.3 * expected_distance(objective, states, targets))


def test_the_squared_and_the_negative_cosine_distance_are_chosen_by_the_recipe() -> None:
    features, states = features_of(), chunk_states()
    squared, negative = objective_of(loss="mse", offsets=(0,)), objective_of(negative_cosine=True, offsets=(0,))
    distances = [mean_squared_distance(squared.predictor(state), f) for state, f in zip(states, features, strict=True)]
    torch.testing.assert_close(squared.loss(states, video(), TEXT, step=0), 0.3 * mean(distances))
    cosines = [1 - cosine_distance(negative.predictor(s), f) for s, f in zip(states, features, strict=True)]
    torch.testing.assert_close(negative.loss(states, video(), TEXT, step=0), -0.3 * mean(cosines))


def test_the_regulariser_acts_on_all_predicted_tokens_relative_to_their_number() -> None:
    objective = objective_of(offsets=(0,), sigreg_weight=0.7, sigreg_directions=5)
    states, features = chunk_states(), features_of()
    predicted = [objective.predictor(state) for state in states]
    tokens = torch.cat([output.flatten(0, 1) for output in predicted])
    assert tokens.shape == (CHUNKS * 2 * TOKENS, 2 * HEAD_WIDTH)
    distance = mean([cosine_distance(output, feature) for output, feature in zip(predicted, features, strict=True)])
    for step in (0, 4):  # with directions of its own in every step
        directions = random_directions(2 * HEAD_WIDTH, 5, counter_seed("sigreg", SEED, step))
        expected = distance + 0.7 * sigreg(tokens, directions) / len(tokens)
        torch.testing.assert_close(objective.loss(states, video(), TEXT, step), 0.3 * expected)


def test_lambda_rises_from_the_first_step() -> None:
    objective = objective_of(start_step=2, warmup_steps=4, offsets=(0,))
    assert [objective.active(step) for step in (1, 2, 3)] == [False, True, True]
    losses = [float(objective.loss(chunk_states(), video(), TEXT, step).detach()) for step in (2, 3, 5, 9)]
    assert losses[0] > 0
    assert losses == pytest.approx([losses[0] * factor for factor in (1, 2, 4, 4)])


def test_no_chunk_with_a_future_is_an_error_that_names_offsets() -> None:
    with pytest.raises(UserError, match=r"No chunk of 4 has a future at foresight.offsets \[4\]"):
        objective_of(offsets=(4,)).loss(chunk_states(), video(), TEXT, step=0)


def test_layers_are_ratios_of_each_models_own_depth_and_must_exist() -> None:
    assert objective_of(student_depth=0.75).layer == 3
    assert objective_of(student_layer=1).layer == 1
    with pytest.raises(UserError, match=r"foresight\.student_layer is 4"):
        objective_of(student_layer=4)
    with pytest.raises(UserError, match=r"foresight\.encoder_layer is 3, but the model has 3"):
        objective_of(encoder_layer=3)
    with pytest.raises(UserError, match=r"foresight\.encoder_layer is 4, but the model has 4"):
        objective_of(encoder="ema", encoder_layer=4)


def test_a_stage_without_a_real_score_cannot_read_with_it() -> None:
    models = AuxiliaryModels(GENERATOR, None, AVERAGE, lambda: BASE)
    with pytest.raises(UserError, match="this stage has no real score"):
        ForesightObjective(ForesightConfig(predictor_heads=1), models, chunk_frames=FRAMES, seed=SEED)


def test_the_predictor_maps_between_the_widths_of_the_models_and_is_placed_with_them() -> None:
    placed: list[torch.nn.Module] = []

    def place(module: torch.nn.Module) -> torch.nn.Module:
        placed.append(module)
        return module

    models = AuxiliaryModels(GENERATOR, REAL, AVERAGE, lambda: BASE, place)
    config = ForesightConfig(predictor_heads=1, learning_rate=0.07)
    objective = ForesightObjective(config, models, chunk_frames=FRAMES, seed=SEED)
    assert placed == [objective.predictor]
    assert objective.predictor.projection.weight.shape == (model_width(REAL), model_width(GENERATOR)) == (24, 12)
    assert objective.optimizer.defaults["lr"] == 0.07
    assert objective.optimizer.defaults["betas"] == (0.9, 0.999)


def record(chunk: int, step: int | None) -> PassRecord:
    """A pass whose block 2 gave the number of its chunk and step, and whose other blocks gave nothing of the kind."""
    nothing = torch.zeros(1)
    hidden = {layer: torch.full((1, 1, 1), 10.0 * chunk + (step or 0) + 100 * (layer != 2)) for layer in range(4)}
    return PassRecord(chunk, 3 * chunk, step, 0.5, nothing, nothing, hidden)


def test_states_are_those_of_the_exit_pass_alone() -> None:
    watch = ExitStates(layer=2, exit_step=1)
    for chunk in (1, 2):
        for step in (0, 1, 2, None):
            watch.on_pass(record(chunk, step))
    assert watch.layers == (2,)
    assert [float(state) for state in watch.states] == [11.0, 21.0]
    watched = objective_of(student_layer=2).watch(3)
    watched.on_pass(record(1, 3))
    watched.on_pass(record(1, 1))
    assert (watched.layers, [float(state) for state in watched.states]) == ((2,), [13.0])


def test_the_log_has_the_mean_cosine_of_each_chunk_over_the_micro_batches_of_an_update() -> None:
    objective = objective_of(offsets=(1,), learning_rate=0.02)
    for seed in (0, 1):
        objective.loss(chunk_states(seed), video(seed), TEXT, step=0).backward()
    expected = {}
    for chunk in range(CHUNKS - 1):
        each = [cosines(objective.predictor(chunk_states(s)[chunk]), features_of(seed=s)[chunk + 1]) for s in (0, 1)]
        expected[f"foresight_cosine_chunk_{chunk}"] = pytest.approx(sum(each) / 2, rel=1e-4)
    norm = objective.clip_gradients()
    found = objective.update()
    assert found == expected | {"foresight_gradient_norm": norm, "foresight_learning_rate": 0.02}
    assert objective.update().keys() == {"foresight_gradient_norm", "foresight_learning_rate"}


def test_before_anything_is_clipped_the_logged_norm_is_zero() -> None:
    assert objective_of().update()["foresight_gradient_norm"] == 0.0


def test_a_gradient_of_norm_above_ten_is_clipped_to_ten() -> None:
    objective = objective_of()
    weight = objective.predictor.projection.weight
    for size, clipped in ((10.4, 10.0), (9.6, 9.6)):
        weight.grad = torch.zeros_like(weight)
        weight.grad[0, 0] = size
        assert objective.clip_gradients() == pytest.approx(size)
        assert float(weight.grad.norm()) == pytest.approx(clipped, rel=1e-4)
        assert objective.update()["foresight_gradient_norm"] == pytest.approx(size)


def gradient(objective: ForesightObjective) -> Tensor:
    found = objective.predictor.projection.weight.grad
    assert found is not None
    return found.clone()


def test_gradients_add_up_over_micro_batches_and_begin_anew_with_an_update() -> None:
    objective = objective_of()
    objective.loss(chunk_states(0), video(0), TEXT, step=0).backward()
    first = gradient(objective)
    objective.loss(chunk_states(1), video(1), TEXT, step=0).backward()
    both = gradient(objective)
    objective.optimizer.param_groups[0]["lr"] = 0.0  # the update changes nothing but what is kept
    objective.optimizer.param_groups[0]["weight_decay"] = 0.0
    objective.update()
    objective.loss(chunk_states(1), video(1), TEXT, step=1).backward()
    torch.testing.assert_close(first + gradient(objective), both)


def test_replay_descends_the_weighted_mean_over_micro_batches_with_states_that_are_constants() -> None:
    objective = objective_of(predictor_blocks=1)
    states = [chunk_states(seed) for seed in (0, 1)]
    losses = [objective.loss(states[seed], video(seed), TEXT, step=0) for seed in (0, 1)]
    mean(losses).backward()
    expected = {name: p.grad.clone() for name, p in objective.predictor.named_parameters() if p.grad is not None}
    of_states = [state.grad.clone() for chunks in states for state in chunks]
    before = objective.predictor.projection.weight.detach().clone()
    logged = objective.replay()
    for name, parameter in objective.predictor.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-7)
    assert logged == {"foresight_replay": pytest.approx(float(mean(losses).detach()) / 0.3, rel=1e-5)}
    assert not torch.equal(objective.predictor.projection.weight, before)
    assert all(map(torch.equal, of_states, (state.grad for chunks in states for state in chunks)))


def test_replay_clips_the_gradient_and_has_directions_of_its_own() -> None:
    objective = objective_of(offsets=(0,), sigreg_weight=1e7, sigreg_directions=1)
    objective.loss(chunk_states(), video(), TEXT, step=0)
    tokens = torch.cat([objective.predictor(state).flatten(0, 1) for state in chunk_states()]).detach()
    directions = random_directions(2 * HEAD_WIDTH, 1, counter_seed("sigreg-replay", SEED))
    expected = 1e7 * float(sigreg(tokens, directions)) / len(tokens)
    assert objective.replay()["foresight_replay"] == pytest.approx(expected, rel=1e-4)
    assert float(gradient(objective).norm()) == pytest.approx(10.0, rel=1e-4)
    assert float(objective.clip_gradients()) == pytest.approx(10.0, rel=1e-4)


def test_without_replay_or_without_pairs_nothing_is_done() -> None:
    assert objective_of().replay() == {}
    quiet = objective_of(replay=False)
    quiet.loss(chunk_states(), video(), TEXT, step=0)
    assert quiet.replay() == {}


@pytest.mark.parametrize(("bound", "kept"), [(None, [4, 4]), (8, [4, 4]), (6, [4, 2]), (4, [4]), (3, [3])])
def test_replay_keeps_pairs_up_to_the_bound_over_all_micro_batches(bound: int | None, kept: list[int]) -> None:
    objective = objective_of(replay_pairs=bound, offsets=(0,))
    for _ in range(2):  # a second update forgets the pairs of the first
        for seed in (0, 1):
            objective.loss(chunk_states(seed), video(seed), TEXT, step=0)
        assert [len(pairs) for pairs in objective._kept] == kept
        objective.update()


def test_predictor_and_optimizer_are_what_a_checkpoint_keeps() -> None:
    objective = objective_of()
    state = objective.training_state()
    assert state.models == {"predictor": objective.predictor}
    assert state.optimizers == {"predictor": (objective.predictor, objective.optimizer)}
    assert state.counters == {}
