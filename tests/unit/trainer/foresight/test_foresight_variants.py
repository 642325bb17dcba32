"""Every variant of the paper's ablations: each option changes what it names, and each loss is what its formula says."""

import copy
from typing import get_args

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.config_errors import validated
from probekit.diffusion.few_step import few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import read_causal_features
from probekit.models.presets import SPRITE_TEXT_WIDTH, WAN_1_3B, WAN_14B, sprite_transformer_config
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out
from trainer.config.foresight import ForesightConfig
from trainer.foresight import predictors
from trainer.foresight.losses import cosine_distance, mean_squared_distance, random_directions, sigreg, weight_at
from trainer.foresight.objective import ForesightObjective
from trainer.foresight.predictors import new_predictor, predictor_size
from trainer.foresight.targets import frame_mean, targets_of
from trainer.objectives.auxiliary import AuxiliaryModels

CHUNKS = 3
TEXT = torch.randn(2, 5, SPRITE_TEXT_WIDTH, generator=torch.Generator().manual_seed(1))


def transformer(heads: int, layers: int, seed: int) -> WanTransformer3DModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WanTransformer3DModel(**sprite_transformer_config(heads, layers)).eval().requires_grad_(False)


def causal(seed: int = 0) -> CausalWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: CausalWan = CausalWan(**sprite_transformer_config(heads=1, layers=4))
    return model


def objective_of(generator: CausalWan, **changes: object) -> ForesightObjective:
    config = ForesightConfig.model_validate({"predictor_heads": 1, "predictor_blocks": 1, **changes})
    models = AuxiliaryModels(generator, transformer(2, 2, 5), causal(7).eval(), lambda: transformer(1, 4, 6))
    return ForesightObjective(config, models, chunk_frames=3, seed=0)


def loss_of(objective: ForesightObjective, generator: CausalWan, step: int = 0) -> Tensor:
    noise = SeededNoise(("variants",), range(2), (16, 3, 8, 8))
    denoiser = FewStepDenoiser(few_step_sigmas(), exit_step=1, gradient=True)
    watch = objective.watch(1)
    video = roll_out(Rollout(generator, TextContext(TEXT), noise, denoiser, chunks=CHUNKS, observers=[watch]))
    return objective.loss(watch.states, video.detach(), TEXT, step)


VARIANTS = {
    "offset 0": {"offsets": (0,)},
    "offset 1": {"offsets": (1,)},
    "offsets 0 1 2": {"offsets": (0, 1, 2)},
    "per frame": {"fusion": "frames"},
    "no fusion": {"fusion": "none"},
    "mse": {"loss": "mse"},
    "sigreg": {"sigreg_weight": 0.1},
    "mlp": {"predictor": "mlp"},
    "multi mlp": {"predictor": "multi_mlp", "fusion": "none"},
    "adaln": {"predictor": "dit_adaln", "fusion": "none"},
    "base encoder": {"encoder": "base"},
    "ema encoder": {"encoder": "ema"},
    "student layer": {"student_layer": 0},
    "encoder layer": {"encoder_layer": 0},
    "student depth": {"student_depth": 0.3},
    "encoder depth": {"encoder_depth": 0.3},
    "lambda": {"weight": 0.1},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_each_option_changes_the_loss_and_trains(name: str) -> None:
    generator = causal()
    plain, variant = objective_of(generator), objective_of(generator, **VARIANTS[name])
    reference, found = loss_of(plain, generator), loss_of(variant, generator)
    assert not torch.equal(reference, found)
    found.backward()
    logged = variant.update()
    assert all(parameter.grad is not None for parameter in variant.predictor.parameters() if parameter.requires_grad)
    assert any(key.startswith("foresight_cosine_chunk_0") for key in logged)
    before = [variant.replay()["foresight_replay"] for _ in range(2)]
    assert all(torch.isfinite(torch.tensor(before)))


PREDICTORS = {
    "more blocks": {"predictor_blocks": 2},
    "no blocks": {"predictor_blocks": 0},
    "heads": {"predictor_heads": 2},
    "learning rate": {"learning_rate": 1e-3},
    "directions": {"sigreg_directions": 8},
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_each_option_of_the_predictor_changes_how_it_learns(name: str) -> None:
    """Its blocks are the identity at first, so that depth and heads show after the first updates."""
    distances = []
    for changes in ({}, PREDICTORS[name]):
        generator = causal()
        objective = objective_of(generator, **{"learning_rate": 1e-2, "sigreg_weight": 0.1, **changes})
        loss_of(objective, generator).backward()
        objective.update()
        distances.append([objective.replay()["foresight_replay"] for _ in range(3)])
    assert distances[0][-1] != distances[1][-1]


def test_an_mlp_is_as_deep_as_asked() -> None:
    config = ForesightConfig(predictor="mlp", predictor_blocks=2)
    sizes = [tuple(weight.shape) for weight in new_predictor(config, 32, 48).parameters() if weight.ndim == 2]
    assert sizes == [(128, 32), (48, 128)]


def test_without_fusion_every_offset_has_its_own_cosine_in_the_log() -> None:
    generator = causal()
    objective = objective_of(generator, fusion="none", offsets=(0, 2))
    loss_of(objective, generator).backward()
    names = {name.removeprefix("foresight_cosine_") for name in objective.update() if "cosine" in name}
    assert names == {"chunk_0_offset_0", "chunk_0_offset_1", "chunk_1_offset_0", "chunk_2_offset_0"}


def test_the_negative_cosine_is_lower_by_lambda_and_has_the_same_gradient() -> None:
    found = []
    for negative in (False, True):
        generator = causal()
        loss = loss_of(objective_of(generator, negative_cosine=negative, weight=0.5), generator)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in generator.parameters() if p.grad is not None])
        found.append((loss.detach(), gradient))
    torch.testing.assert_close(found[1][0], found[0][0] - 0.5)
    torch.testing.assert_close(found[1][1], found[0][1])


def test_every_predictor_of_the_configuration_is_one_entry_whose_size_is_its_parameters() -> None:
    assert set(predictors.PREDICTORS) == set(get_args(ForesightConfig.model_fields["predictor"].annotation))
    for name in predictors.PREDICTORS:
        fusion = "none" if name in ("multi_mlp", "dit_adaln") else "offsets"
        config = ForesightConfig(predictor=name, predictor_heads=2, fusion=fusion)  # type: ignore[arg-type]
        parameters = new_predictor(config, 32, 48).parameters()
        assert sum(predictor_size(config, 32, 48).values()) == sum(parameter.numel() for parameter in parameters)


@pytest.mark.parametrize("depth", [0.3, 0.5, 0.8])
def test_relative_depths_are_the_papers_layers(depth: float) -> None:
    """Table 3 at full size: (9, 12), (15, 20), (24, 32)."""
    config = ForesightConfig(student_depth=depth, encoder_depth=depth)
    found = [config.student_block(WAN_1_3B["num_layers"]), config.encoder_block(WAN_14B["num_layers"])]
    assert found == {0.3: [9, 12], 0.5: [15, 20], 0.8: [24, 32]}[depth]


@pytest.mark.parametrize("scale", [0.0, 1e4, 1e30])
def test_distances_of_half_precision_features_are_finite_with_finite_gradients(scale: float) -> None:
    predicted = (scale * torch.randn(2, 5, 7)).bfloat16().requires_grad_()
    target = (scale * torch.randn(2, 5, 7)).bfloat16()
    for distance in (cosine_distance, mean_squared_distance):
        predicted.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            loss = distance(predicted, target)
        loss.backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert predicted.grad is not None
        assert torch.isfinite(predicted.grad).all()


def test_the_squared_distance_is_right_for_huge_targets_and_defined_for_zero_ones() -> None:
    predicted, target = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    once = mean_squared_distance(predicted, target)
    torch.testing.assert_close(mean_squared_distance(1e30 * predicted, 1e30 * target), once)
    torch.testing.assert_close(mean_squared_distance(predicted, 0 * target), predicted.square().mean())


def test_the_regulariser_is_the_same_under_autocast() -> None:
    features, directions = torch.randn(64, 8), random_directions(8, 16, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        found = sigreg(features, directions)
    torch.testing.assert_close(found, sigreg(features, directions))


def test_no_fusion_averages_the_losses_of_the_offsets() -> None:
    features = [torch.randn(2, 6, 4) for _ in range(3)]
    fused = targets_of(features, 0, (0, 1), "offsets", frames=3)
    assert len(fused) == 1
    torch.testing.assert_close(fused[0][1], (features[0] + features[1]) / 2)
    apart = targets_of(features, 1, (0, 1, 2), "none", frames=3)
    assert [index for index, _ in apart] == [0, 1]
    assert torch.equal(apart[1][1], features[2])


def test_frame_fusion_gives_every_frame_the_mean_of_its_position() -> None:
    features = torch.arange(12.0).reshape(1, 6, 2)  # 3 frames of 2 tokens
    mean = frame_mean(features, 3)
    assert mean.shape == features.shape
    torch.testing.assert_close(mean[0, 0], features[0, [0, 2, 4]].mean(dim=0))
    assert torch.equal(mean[0, 0], mean[0, 4])
    both = targets_of([features, features + 2], 0, (0, 1), "frames", frames=3)[0][1]
    torch.testing.assert_close(both, mean + 1)


def test_the_adaln_condition_and_each_mlp_belong_to_one_offset() -> None:
    for changes in ({"predictor": "multi_mlp"}, {"predictor": "dit_adaln"}):
        config = ForesightConfig.model_validate({"fusion": "none", "predictor_heads": 2, **changes})
        predictor = new_predictor(config, 32, 48)
        for name, parameter in predictor.named_parameters():
            if "condition" in name or "modulation" in name:
                torch.nn.init.normal_(parameter)
        states = torch.randn(1, 6, 32)
        assert not torch.allclose(predictor(states, 0), predictor(states, 1))


def test_fusion_and_predictor_must_fit() -> None:
    with pytest.raises(UserError, match="fusion: none"):
        validated(ForesightConfig, {"predictor": "multi_mlp"}, "test")
    with pytest.raises(UserError, match="repeat"):
        validated(ForesightConfig, {"offsets": [0, 0]}, "test")


def test_the_average_encoder_is_causal_and_the_base_is_not() -> None:
    model = causal(7).eval()
    video = torch.randn(1, 16, 9, 8, 8)
    changed = video.clone()
    changed[:, :, 6:] += 1
    with torch.no_grad():
        first, second = (read_causal_features(model, one, TEXT[:1], CHUNKS, 2) for one in (video, changed))
    torch.testing.assert_close(first[1], second[1])
    assert not torch.allclose(first[2], second[2])


def test_lambda_can_start_late_and_rise() -> None:
    assert [weight_at(step, 0.2, 2, 0) for step in range(4)] == [0.0, 0.0, 0.2, 0.2]
    assert [weight_at(step, 0.2, 1, 2) for step in range(4)] == pytest.approx([0.0, 0.1, 0.2, 0.2])
    generator = causal()
    objective = objective_of(generator, start_step=10)
    assert [objective.active(step) for step in (9, 10)] == [False, True]
    rising = objective_of(generator, warmup_steps=4)
    torch.testing.assert_close(4 * loss_of(rising, generator, 0), loss_of(rising, generator, 3))


def test_the_squared_distance_does_not_depend_on_the_encoders_scale() -> None:
    predicted, target = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    once = mean_squared_distance(predicted, target)
    torch.testing.assert_close(mean_squared_distance(1e3 * predicted, 1e3 * target), once)


def test_sigreg_is_small_for_normal_features_and_large_for_collapsed_ones() -> None:
    """Under normality the Epps-Pulley statistic has a mean that does not grow with the number of samples."""
    directions = random_directions(8, 32, seed=0)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(32))
    generator = torch.Generator().manual_seed(0)
    normal = [float(sigreg(torch.randn(count, 8, generator=generator), directions)) for count in (256, 4096)]
    assert max(normal) < 3
    for wrong in (torch.zeros(256, 8), 3 * torch.randn(256, 8, generator=generator), torch.ones(256, 8)):
        assert float(sigreg(wrong, directions)) > 5 * max(normal)
    by_hand = features_statistic(torch.randn(50, 8, generator=generator), directions)
    assert by_hand > 0


def features_statistic(features: Tensor, directions: Tensor) -> float:
    """The closed form of the Epps-Pulley statistic under a normal window, integrated to infinity."""
    count = len(features)
    statistics = []
    for direction in directions.T:
        y = features @ direction
        pairs = torch.exp(-(y[:, None] - y[None]).square() / 2).sum() / count
        single = 2 * torch.exp(-y.square() / 4).sum() / 2**0.5
        statistics.append((2 * torch.pi) ** 0.5 * (pairs - single + count / 3**0.5))
    closed = float(torch.stack(statistics).mean())
    assert closed == pytest.approx(float(sigreg(features, directions)), rel=0.01)
    return closed


def test_parameter_counts_are_the_papers_and_our_leaner_ones() -> None:
    """135.3 M with the matrices that never train, 92.9 M without (1.3B generator, 14B encoder)."""
    width = WAN_1_3B["num_attention_heads"] * 128
    encoder_width = WAN_14B["num_attention_heads"] * 128
    counts = {}
    for dead in (True, False):
        config = ForesightConfig(predictor_heads=12, dead_modulation=dead)
        with torch.device("meta"):
            predictor = new_predictor(config, width, encoder_width)
        counts[dead] = sum(parameter.numel() for parameter in predictor.parameters())
    assert counts[True] == 135_344_640
    assert counts[False] == 135_344_640 - 3 * 6 * width * width


def test_a_bf16_predictor_at_the_official_rate_hardly_moves() -> None:
    moved = {}
    for dtype in ("float32", "bfloat16"):
        generator = causal()
        objective = objective_of(generator, master_dtype=dtype, learning_rate=2e-6, dead_modulation=True)
        before = copy.deepcopy(objective.predictor.state_dict())
        loss_of(objective, generator).backward()
        for _ in range(5):
            objective.update()
        after = objective.predictor.state_dict()
        changed = [before[name].ne(after[name]).float().mean() for name in before if name.endswith("projection.weight")]
        moved[dtype] = float(torch.stack(changed).mean())
        assert objective.predictor.blocks[0].condition.weight.abs().max() == 0
    assert moved["float32"] > 0.99
    assert moved["bfloat16"] < 0.2


def test_replay_is_bounded() -> None:
    generator = causal()
    objective = objective_of(generator, replay_pairs=1)
    loss_of(objective, generator).backward()
    loss_of(objective, generator).backward()
    assert [len(pairs) for pairs in objective._kept] == [1]
