"""How a bidirectional model begins: Wan's initialisation, and which sizes another can grow to."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from probekit.errors import UserError
from probekit.seeding import counter_seed
from tests.helpers.seed_pairs import seeds_alike
from trainer.config.recipe import BidirectionalConfig
from trainer.stages.initialization import check_growth, random_transformer

HIGH = next(seed for seed in range(100) if counter_seed("initial-weights", seed) >= 3 * 2**62)
"""A seed whose number has both highest bits, of which torch takes 63."""


def config_of(seed: int = HIGH, heads: int = 2, layers: int = 1) -> BidirectionalConfig:
    values = {
        "stage": "bidirectional", "name": "b", "seed": seed, "model": {"heads": heads, "layers": layers}, "data": "x",
        "text_and_codec": "y", "phases": [{"steps": 1, "latent_frames": 1, "batch_size": 1}],
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0},
    }  # fmt: skip
    return BidirectionalConfig.model_validate(values)


def test_matrices_are_xaviers_biases_and_the_output_layer_are_zero() -> None:
    model = random_transformer(config_of())
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        bound = math.sqrt(6 / sum(module.weight.shape))
        if name == "proj_out":
            assert bool((module.weight == 0).all())
        else:
            assert 0.9 * bound < float(module.weight.detach().abs().max()) <= bound, name
        assert bool((module.bias == 0).all()), name


def test_the_patch_embedding_is_xaviers_over_all_values_of_a_patch() -> None:
    weight = random_transformer(config_of()).patch_embedding.weight
    bound = math.sqrt(6 / (weight.shape[0] + weight[0].numel()))
    assert 0.9 * bound < float(weight.detach().abs().max()) <= bound


def test_weights_are_a_function_of_the_seed_and_of_the_size_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (random_transformer(config_of(seed)) for seed in (HIGH, HIGH, HIGH + 1))
    assert torch.equal(before, torch.get_rng_state())
    weights = [model.patch_embedding.weight for model in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    size = random_transformer(config_of(heads=3, layers=2)).config
    assert (size.num_attention_heads, size.num_layers) == (3, 2)


def test_seeds_do_not_share_weights() -> None:
    one, other = (random_transformer(config_of(seed)).patch_embedding.weight for seed in seeds_alike("initial-weights"))
    assert not torch.equal(one, other)


def size(layers: int, heads: int = 2, head_width: int = 64) -> dict[str, Any]:
    return {"num_layers": layers, "num_attention_heads": heads, "attention_head_dim": head_width}


@pytest.mark.parametrize(("deep", "small", "copies"), [(6, 2, 3), (2, 2, 1), (4, 1, 4)])
def test_every_block_of_the_smaller_model_is_grown_alike(deep: int, small: int, copies: int) -> None:
    assert check_growth(size(deep), size(small)) == copies


@pytest.mark.parametrize(("deep", "small"), [(5, 2), (1, 2), (0, 2)])
def test_depths_that_do_not_divide_are_refused(deep: int, small: int) -> None:
    with pytest.raises(UserError, match=f"of {deep} layers cannot grow from one of {small}"):
        check_growth(size(deep), size(small))


def test_another_width_is_refused() -> None:
    with pytest.raises(UserError, match="of 2 heads cannot grow from one of 3"):
        check_growth(size(2), size(2, heads=3))
    with pytest.raises(UserError, match="of 64 head width cannot grow from one of 32"):
        check_growth(size(2), size(2, head_width=32))
