"""Foresight: targets, distance, predictor, and which weights it reaches."""

import copy

import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given
from hypothesis import strategies as st

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.noise_table import nearest_table_sigma, table_sigmas
from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import read_features
from probekit.models.presets import SPRITE_TEXT_WIDTH, sprite_transformer_config
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out
from trainer.config.foresight import ForesightConfig
from trainer.foresight.losses import cosine_distance
from trainer.foresight.objective import ForesightObjective
from trainer.foresight.predictors import build_predictor
from trainer.foresight.targets import fused_target, valid_offsets
from trainer.objectives.auxiliary import AuxiliaryModels

CHUNKS = 3


@given(st.integers(1, 8), st.sets(st.integers(0, 4), min_size=1))
def test_offsets_never_leave_the_video_and_none_that_fits_is_dropped(chunks: int, offsets: set[int]) -> None:
    for chunk in range(chunks):
        valid = valid_offsets(chunk, chunks, sorted(offsets))
        assert valid == [offset for offset in sorted(offsets) if chunk + offset <= chunks - 1]


def test_the_tail_keeps_what_it_has() -> None:
    features = [torch.full((1, 2, 3), float(i)) for i in range(3)]
    means = [fused_target(features, chunk, (0, 1)) for chunk in range(3)]
    assert [float(mean[0, 0, 0]) for mean in means if mean is not None] == [0.5, 1.5, 2.0]
    assert fused_target(features, 2, (1,)) is None


def test_the_distance_is_one_minus_cosine_and_finite_everywhere() -> None:
    a, b = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    expected = 1 - (a * b).sum(-1) / a.norm(dim=-1) / b.norm(dim=-1)
    torch.testing.assert_close(cosine_distance(a, b), expected.mean())
    torch.testing.assert_close(cosine_distance(1e30 * a, 1e-30 * b), expected.mean())
    zero = torch.zeros(1, 1, 4, requires_grad=True)
    distance = cosine_distance(zero, torch.ones(1, 1, 4))
    distance.backward()
    assert float(distance.detach()) == 1
    assert zero.grad is not None
    assert torch.isfinite(zero.grad).all()


def test_the_predictor_starts_as_its_linear_map_and_has_no_dead_weight() -> None:
    predictor = build_predictor(ForesightConfig(predictor_heads=2), 32, 48, seed=0)
    states = torch.randn(2, 6, 32)
    torch.testing.assert_close(predictor(states), predictor.projection(states))
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        cosine_distance(predictor(states), torch.randn(2, 6, 48)).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in predictor.parameters())


def test_a_token_of_one_chunk_never_sees_another_chunk() -> None:
    predictor = build_predictor(ForesightConfig(predictor_heads=2, predictor_blocks=1), 32, 48, seed=0)
    torch.nn.init.ones_(predictor.blocks[0].modulation)
    states = torch.randn(2, 6, 32)
    changed = states.clone()
    changed[1] += 1
    assert torch.equal(predictor(states)[0], predictor(changed)[0])


def models() -> tuple[CausalWan, WanTransformer3DModel]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = CausalWan(**sprite_transformer_config(heads=1, layers=4))
        encoder = WanTransformer3DModel(**sprite_transformer_config(heads=2, layers=2)).eval().requires_grad_(False)
        torch.nn.init.normal_(encoder.proj_out.weight)
    return generator, encoder


def objective_of(config: ForesightConfig, generator: CausalWan, encoder: WanTransformer3DModel) -> ForesightObjective:
    models = AuxiliaryModels(generator, encoder, copy.deepcopy(generator).eval(), lambda: encoder)
    return ForesightObjective(config, models, chunk_frames=3, seed=0)


def watched(
    objective: ForesightObjective, generator: CausalWan, text: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A rollout's video and its states."""
    watch = objective.watch(1)
    noise = SeededNoise(("foresight-test",), range(2), (16, 3, 8, 8))
    denoiser = FewStepDenoiser(few_step_sigmas(), exit_step=1, gradient=True)
    video = roll_out(Rollout(generator, TextContext(text), noise, denoiser, chunks=CHUNKS, observers=[watch]))
    return video, watch.states


def loss_of(objective: ForesightObjective, generator: CausalWan, text: torch.Tensor, step: int = 0) -> torch.Tensor:
    video, states = watched(objective, generator, text)
    return objective.loss(states, video.detach(), text, step)


def test_the_loss_is_the_papers_equation_and_reaches_only_the_blocks_below() -> None:
    generator, encoder = models()
    config = ForesightConfig(predictor_heads=1, predictor_blocks=0, student_layer=1, encoder_layer=0, weight=0.5)
    objective = objective_of(config, generator, encoder)
    text = torch.randn(2, 5, SPRITE_TEXT_WIDTH)
    watch = objective.watch(1)
    noise = SeededNoise(("foresight-test",), range(2), (16, 3, 8, 8))
    denoiser = FewStepDenoiser(few_step_sigmas(), exit_step=1, gradient=True)
    video = roll_out(Rollout(generator, TextContext(text), noise, denoiser, chunks=CHUNKS, observers=[watch]))
    states = list(watch.states)
    loss = objective.loss(watch.states, video.detach(), text, step=0)
    features = read_features(encoder, video.detach(), torch.zeros(2), text, 0).unflatten(1, (CHUNKS, 3)).flatten(2, 3)
    by_hand = []
    for chunk in range(CHUNKS):
        target = features[:, chunk : chunk + 2].mean(dim=1)
        predicted = objective.predictor.projection(states[chunk])
        by_hand.append(1 - torch.nn.functional.cosine_similarity(predicted, target, dim=-1).mean())
    torch.testing.assert_close(loss, 0.5 * torch.stack(by_hand).mean())
    loss.backward()
    reached = [block.ffn.net[2].weight.grad is not None for block in generator.blocks]
    assert reached == [True, True, False, False]
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_replay_moves_the_predictor_and_not_the_generator() -> None:
    generator, encoder = models()
    config = ForesightConfig(predictor_heads=1, predictor_blocks=1, learning_rate=1e-2)
    objective = objective_of(config, generator, encoder)
    assert objective.replay() == {}
    text = torch.randn(2, 5, SPRITE_TEXT_WIDTH)
    loss_of(objective, generator, text)
    distances = [objective.replay()["foresight_replay"] for _ in range(30)]
    assert distances[-1] < 0.8 * distances[0]
    assert all(parameter.grad is None for parameter in generator.parameters())
    quiet = objective_of(config.model_copy(update={"replay": False}), generator, encoder)
    loss_of(quiet, generator, text)
    assert quiet.replay() == {}


def test_replay_descends_the_weighted_mean_over_the_micro_batches() -> None:
    generator, encoder = models()
    config = ForesightConfig(predictor_heads=1, predictor_blocks=0, weight=0.3)
    objective = objective_of(config, generator, encoder)
    texts = [torch.randn(2, 5, SPRITE_TEXT_WIDTH) for _ in range(2)]
    losses = [loss_of(objective, generator, text) for text in texts]  # two micro-batches of one update
    torch.stack(losses).sum().div(2).backward()
    expected = {name: parameter.grad.clone() for name, parameter in objective.predictor.named_parameters()}
    logged = objective.replay()
    for name, parameter in objective.predictor.named_parameters():  # the step leaves the gradients that it followed
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6)
    distances = [float(loss.detach()) / 0.3 for loss in losses]
    assert logged["foresight_replay"] == pytest.approx(sum(distances) / 2, rel=1e-4)


def test_depths_become_blocks_and_what_does_not_fit_is_named() -> None:
    generator, encoder = models()
    assert objective_of(ForesightConfig(predictor_heads=1), generator, encoder).layer == 2
    with pytest.raises(UserError, match=r"foresight\.encoder_layer is 5"):
        objective_of(ForesightConfig(predictor_heads=1, encoder_layer=5), generator, encoder)
    with pytest.raises(UserError, match="do not divide"):
        objective_of(ForesightConfig(predictor_heads=3), generator, encoder)
    far = objective_of(ForesightConfig(predictor_heads=1, offsets=(5,)), generator, encoder)
    text = torch.randn(2, 5, SPRITE_TEXT_WIDTH)
    with pytest.raises(UserError, match="No chunk of 3 has a future"):
        loss_of(far, generator, text)


def test_table_levels_are_the_official_ones() -> None:
    table = table_sigmas(5.0)
    torch.testing.assert_close(1000 * table[:3], torch.tensor([1000.0, 999.80, 999.60]), atol=5e-3, rtol=0)
    torch.testing.assert_close(1000 * table[-3:], torch.tensor([14.82, 9.92, 4.98]), atol=5e-3, rtol=0)
    assert float(nearest_table_sigma(torch.tensor(0.0), 5.0)) == pytest.approx(0.0049801, abs=1e-7)
