"""A deeper model grown from a shallower one: it begins as the same function, and its new blocks learn."""

from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel

from probekit.errors import UserError
from probekit.models.presets import sprite_transformer_config
from tests.helpers.model_folders import write_tiny_model
from tests.unit.trainer.config.test_recipe_options import bidirectional_config
from tests.unit.trainer.stages.test_causal_stages import clips  # noqa: F401
from trainer.stages.bidirectional import BidirectionalStage
from trainer.stages.initialization import first_model, grow


def transformer(layers: int, seed: int, heads: int = 1) -> WanTransformer3DModel:
    torch.manual_seed(seed)
    return WanTransformer3DModel(**sprite_transformer_config(heads, layers)).eval()


def output(model: WanTransformer3DModel) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 16, 3, 8, 8, generator=rng), torch.randn(2, 5, 64, generator=rng)
    with torch.no_grad():
        return model(inputs[0], torch.tensor([900.0, 300.0]), inputs[1], return_dict=False)[0]


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_grown_model_computes_what_the_smaller_one_does(copies: int) -> None:
    smaller, deeper = transformer(2, seed=0), transformer(2 * copies, seed=1)
    assert not torch.allclose(output(deeper), output(smaller), atol=1e-3)
    grow(deeper, smaller)
    torch.testing.assert_close(output(deeper), output(smaller), atol=1e-5, rtol=1e-5)


def test_new_blocks_keep_the_inner_weights_of_the_block_before_them() -> None:
    smaller, deeper = transformer(2, seed=0), transformer(4, seed=1)
    grow(deeper, smaller)
    torch.testing.assert_close(deeper.blocks[3].attn1.to_q.weight, smaller.blocks[1].attn1.to_q.weight)
    assert (deeper.blocks[3].attn1.to_out[0].weight == 0).all()
    assert (deeper.blocks[2].attn1.to_out[0].weight != 0).any()


@pytest.mark.parametrize(("layers", "heads", "named"), [(3, 1, "layers"), (1, 1, "layers"), (4, 2, "heads")])
def test_sizes_that_do_not_fit_are_refused(layers: int, heads: int, named: str) -> None:
    with pytest.raises(UserError, match=named):
        grow(transformer(layers, 0, heads), transformer(2, 0))


def test_a_recipe_names_the_model_to_grow_from(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = write_tiny_model(tmp_path / "small")
    small = WanTransformer3DModel.from_pretrained(folder / "transformer")
    heads, layers = small.config.num_attention_heads, small.config.num_layers
    size = {"heads": heads, "layers": 2 * layers}
    config = bidirectional_config(clips, model=size, grown_from=str(folder))
    torch.testing.assert_close(first_model(config).state_dict()["proj_out.weight"], small.proj_out.weight.detach())
    stage = BidirectionalStage(config)
    before = stage.model.blocks[1].attn1.to_out[0].weight.detach().clone()
    for step in range(2):
        stage.training_step(step)
    assert (stage.model.blocks[1].attn1.to_out[0].weight != before).any()
