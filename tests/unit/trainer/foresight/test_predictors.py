"""Predictors against equations written out here: a block's parts, who has weights of its own, and how they begin."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from probekit.errors import UserError
from probekit.seeding import counter_seed
from tests.helpers.seed_pairs import seeds_alike
from trainer.config.foresight import ForesightConfig
from trainer.foresight.predictors import (
    DitBlock,
    DitPredictor,
    MlpPredictor,
    build_predictor,
    gate_sizes,
    new_predictor,
    predictor_size,
)

WIDTH, ENCODER_WIDTH = 8, 12


def states(seed: int = 0) -> Tensor:
    """(B 2, T 5, W 8), of sizes at which the norms' epsilon shows."""
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(seed)) * 2e-3


def randomized(module: nn.Module, seed: int = 0) -> Any:
    """The module with every weight drawn anew, those that begin at 0 or 1 too."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.5)
    return module


def dit_block(block: DitBlock, x: Tensor, modulation: Tensor) -> Tensor:
    """A DiT block head by head: x + gate · attention(...), then x + gate · MLP(...)."""
    scale1, shift1, gate1, scale2, shift2, gate2 = modulation

    def norm(value: Tensor) -> Tensor:
        centred = value - value.mean(dim=-1, keepdim=True)
        return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()

    def rms(value: Tensor, weight: Tensor) -> Tensor:
        return weight * value / (value.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()

    given = norm(x) * (1 + scale1) + shift1
    query, key, value = (linear(given) for linear in block.qkv)
    query, key = rms(query, block.norm_q.weight), rms(key, block.norm_k.weight)
    size = x.shape[-1] // block.heads
    mixed = []
    for head in range(block.heads):
        part = slice(head * size, (head + 1) * size)
        attention = (query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(size)).softmax(dim=-1)
        mixed.append(attention @ value[..., part])
    x = x + gate1 * block.out(torch.cat(mixed, dim=-1))
    inner = functional.gelu(block.ffn[0](norm(x) * (1 + scale2) + shift2))
    return x + gate2 * block.ffn[2](inner)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_a_block_is_attention_and_an_mlp_with_scale_shift_and_gate(heads: int) -> None:
    block = randomized(DitBlock(WIDTH, heads))
    torch.testing.assert_close(block(states()), dit_block(block, states(), block.modulation), rtol=1e-4, atol=1e-6)


def test_a_blocks_mlp_is_four_times_as_wide_and_its_norm_has_no_weights() -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in DitBlock(WIDTH, 2).named_parameters()}
    assert shapes["ffn.0.weight"] == (4 * WIDTH, WIDTH)
    assert shapes["modulation"] == (6, WIDTH)
    assert not {"condition.weight", "norm.weight"} & shapes.keys()


def test_a_new_block_is_the_identity() -> None:
    assert torch.equal(DitBlock(WIDTH, 2)(states()), states())


def test_a_condition_adds_its_silu_through_one_matrix_to_the_modulation() -> None:
    block = randomized(DitBlock(WIDTH, 2, conditions=3))
    condition = torch.linspace(-1, 1, WIDTH)
    activated = condition * torch.sigmoid(condition)
    modulation = block.modulation + (block.condition.weight @ activated).view(6, WIDTH)
    expected = dit_block(block, states(), modulation)
    torch.testing.assert_close(block(states(), condition), expected, rtol=1e-4, atol=1e-6)
    assert block.condition.bias is None


def test_the_dead_matrix_is_there_and_does_nothing() -> None:
    """Without a condition the official zero stands in for it, so that the matrix has no gradient."""
    block = randomized(DitBlock(WIDTH, 2, dead_modulation=True))
    torch.testing.assert_close(block(states()), dit_block(block, states(), block.modulation), rtol=1e-4, atol=1e-6)
    block(states()).sum().backward()
    assert float(block.condition.weight.grad.abs().max()) == 0


def test_the_size_of_a_gate_is_the_mean_magnitude_of_both() -> None:
    predictor = DitPredictor(WIDTH, ENCODER_WIDTH, blocks=2, heads=2)
    with torch.no_grad():
        predictor.blocks[1].modulation[:] = 100.0
        predictor.blocks[1].modulation[2] = -3.0
        predictor.blocks[1].modulation[5] = 1.0
    assert gate_sizes(predictor) == {"foresight_gate_0": 0.0, "foresight_gate_1": 2.0}
    assert gate_sizes(MlpPredictor(WIDTH, ENCODER_WIDTH, 2)) == {}


def test_a_dit_is_its_blocks_in_turn_and_then_a_map_without_bias() -> None:
    predictor = randomized(DitPredictor(WIDTH, ENCODER_WIDTH, blocks=2, heads=2))
    first, second = predictor.blocks
    expected = second(first(states())) @ predictor.projection.weight.T
    torch.testing.assert_close(predictor(states()), expected)
    assert torch.equal(predictor(states(), 1), predictor(states()))  # it knows no offsets
    assert predictor.projection.bias is None
    assert predictor.offset_embedding is None
    assert first.condition is None
    assert len(DitPredictor(WIDTH, ENCODER_WIDTH, blocks=0, heads=2).blocks) == 0


def test_the_condition_of_a_dit_is_the_embedding_of_the_offset() -> None:
    predictor = randomized(DitPredictor(WIDTH, ENCODER_WIDTH, blocks=1, heads=2, offsets=3))
    (block,) = predictor.blocks
    assert predictor.offset_embedding.weight.shape == (3, WIDTH)
    for offset in range(3):
        expected = predictor.projection(block(states(), predictor.offset_embedding.weight[offset]))
        torch.testing.assert_close(predictor(states(), offset), expected)
    torch.testing.assert_close(predictor(states(), None), predictor.projection(block(states(), None)))


@pytest.mark.parametrize(("width", "heads", "fitting"), [(32, 12, 8), (33, 2, 1), (36, 5, 4), (30, 7, 6)])
def test_heads_that_do_not_divide_the_width_are_refused_with_the_most_that_do(
    width: int, heads: int, fitting: int
) -> None:
    with pytest.raises(UserError, match=f"{heads} do not divide the generator's width {width}") as refusal:
        DitPredictor(width, ENCODER_WIDTH, blocks=1, heads=heads)
    assert refusal.value.fix == f"Use {fitting} heads, for example."


def passes(predictor: Any, given: Tensor, gradient: bool) -> int:
    """How often the first block runs in a forward and, with gradient, a backward pass."""
    calls: list[int] = []
    handle = predictor.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.set_grad_enabled(gradient):
        found = predictor(given, 1)
    if gradient:
        found.sum().backward()
    handle.remove()
    return len(calls)


def test_a_block_is_repeated_in_the_backward_pass_only_if_told_to() -> None:
    predictor = randomized(DitPredictor(WIDTH, ENCODER_WIDTH, blocks=1, heads=2))
    assert passes(predictor, states(), gradient=True) == 1
    plain = {name: parameter.grad.clone() for name, parameter in predictor.named_parameters()}
    predictor.zero_grad()
    predictor.enable_gradient_checkpointing()
    assert passes(predictor, states(), gradient=True) == 2  # states without gradient, as in replay
    for name, parameter in predictor.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name])
    assert passes(predictor, states(), gradient=False) == 1


@pytest.mark.parametrize(
    ("depth", "sizes"), [(0, [(12, 8)]), (1, [(12, 8)]), (2, [(32, 8), (12, 32)]), (3, [(32, 8), (32, 32), (12, 32)])]
)
def test_an_mlp_has_as_many_layers_as_asked_and_gelu_between_them(depth: int, sizes: list[tuple[int, int]]) -> None:
    predictor = randomized(MlpPredictor(WIDTH, ENCODER_WIDTH, depth))
    (mlp,) = predictor.heads
    layers = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == sizes
    x = states()
    for place, layer in enumerate(layers):
        x = layer(functional.gelu(x) if place else x)
    torch.testing.assert_close(predictor(states()), x)


def test_one_mlp_serves_every_offset_and_several_serve_one_each() -> None:
    shared = randomized(MlpPredictor(WIDTH, ENCODER_WIDTH, 1))
    assert torch.equal(shared(states(), 2), shared.heads[0](states()))
    apart = randomized(MlpPredictor(WIDTH, ENCODER_WIDTH, 1, heads=2))
    for offset in range(2):
        assert torch.equal(apart(states(), offset), apart.heads[offset](states()))
    assert torch.equal(apart(states()), apart.heads[0](states()))
    assert not torch.equal(apart(states(), 0), apart(states(), 1))


def config_of(predictor: str, **changes: Any) -> ForesightConfig:
    fusion = "none" if predictor in ("multi_mlp", "dit_adaln") else "offsets"
    values = {"predictor": predictor, "predictor_heads": 2, "predictor_blocks": 2, "fusion": fusion, **changes}
    return ForesightConfig.model_validate(values)


def test_each_name_of_a_recipe_is_a_predictor_with_the_parts_that_its_parameters_say() -> None:
    inner, projection = WIDTH * WIDTH + WIDTH, WIDTH * ENCODER_WIDTH
    block = 4 * inner + 2 * WIDTH + 2 * 4 * WIDTH * WIDTH + 5 * WIDTH + 6 * WIDTH
    matrix = 6 * WIDTH * WIDTH
    mlp = 4 * WIDTH * (WIDTH + 1) + ENCODER_WIDTH * (4 * WIDTH + 1)
    dit = {"blocks.0": block, "blocks.1": block, "projection": projection}
    adaln = {"blocks.0": block + matrix, "blocks.1": block + matrix, "projection": projection}
    expected = {
        "dit": dit,
        "dit_adaln": adaln | {"offset_embedding": 3 * WIDTH},
        "mlp": {"heads.0": mlp},
        "multi_mlp": {"heads.0": mlp, "heads.1": mlp, "heads.2": mlp},
    }
    for name, parts in expected.items():
        assert predictor_size(config_of(name, offsets=(0, 1, 2)), WIDTH, ENCODER_WIDTH) == parts, name
    assert predictor_size(config_of("dit", dead_modulation=True), WIDTH, ENCODER_WIDTH) == adaln


def test_a_recipes_heads_and_dead_matrix_reach_the_blocks() -> None:
    predictor = new_predictor(config_of("dit", predictor_heads=4, dead_modulation=True), WIDTH, ENCODER_WIDTH)
    assert [block.heads for block in predictor.blocks] == [4, 4]
    assert all(block.condition is not None for block in predictor.blocks)


def test_weights_are_a_function_of_the_seed_and_the_global_generator_is_left_alone() -> None:
    high = next(seed for seed in range(100) if counter_seed("predictor", seed) >= 3 * 2**62)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (
        build_predictor(config_of("mlp"), WIDTH, ENCODER_WIDTH, seed) for seed in (high, high, high + 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    weights = [next(predictor.parameters()) for predictor in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_seeds_do_not_share_weights() -> None:
    one, other = (
        next(build_predictor(config_of("mlp"), WIDTH, ENCODER_WIDTH, seed).parameters())
        for seed in seeds_alike("predictor")
    )
    assert not torch.equal(one, other)


def xavier(layer: nn.Linear) -> bool:
    """Whether a layer's weights fill the interval of Xavier's uniform draw, and its biases are zero."""
    bound = math.sqrt(6 / sum(layer.weight.shape))
    largest = float(layer.weight.detach().abs().max())
    return 0.9 * bound < largest <= bound and (layer.bias is None or bool((layer.bias == 0).all()))


@pytest.mark.parametrize("name", ["dit", "dit_adaln", "mlp", "multi_mlp"])
def test_matrices_begin_as_xaviers_and_biases_modulation_and_conditions_as_zeros(name: str) -> None:
    predictor = build_predictor(config_of(name), 16, 24, seed=0)
    layers = {place: module for place, module in predictor.named_modules() if isinstance(module, nn.Linear)}
    zeros = {place for place in layers if place.endswith("condition")}
    assert all((layers[place].weight == 0).all() for place in zeros)
    assert len(zeros) == (2 if name == "dit_adaln" else 0)
    assert all(xavier(layer) for place, layer in layers.items() if place not in {*zeros, "projection"})
    assert all((value == 0).all() for place, value in predictor.named_parameters() if "modulation" in place)


def test_the_map_of_a_dit_begins_as_torchs_linear_layers_do() -> None:
    """The official initialisation covers the blocks: within 1 / sqrt(W), where Xavier's bound is another."""
    projection = build_predictor(config_of("dit"), 16, 256, seed=0).projection
    assert 0.9 / 4 < float(projection.weight.detach().abs().max()) <= 1 / 4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_have_the_recipes_precision(dtype: str) -> None:
    predictor = build_predictor(config_of("dit", master_dtype=dtype), WIDTH, ENCODER_WIDTH, seed=0)
    assert {str(parameter.dtype) for parameter in predictor.parameters()} == {f"torch.{dtype}"}
