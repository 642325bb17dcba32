"""The bidirectional model that training starts from: random weights, or a smaller model with more blocks."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from probekit.errors import UserError
from probekit.models.loading import load_transformer
from probekit.models.model_folder import model_folder
from probekit.models.presets import sprite_transformer_config
from probekit.seeding import counter_seed
from trainer.config.recipe import BidirectionalConfig


def first_model(config: BidirectionalConfig) -> WanTransformer3DModel:
    """The seeded transformer of the configured size, grown from another where the recipe names one."""
    model = random_transformer(config)
    if config.grown_from is not None:
        grow(model, load_transformer(model_folder(config.grown_from)))
    return model


def random_transformer(config: BidirectionalConfig) -> WanTransformer3DModel:
    """A seeded transformer of the configured size, initialised as Wan is: Xavier matrices and a zero output layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("initial-weights", config.seed) % 2**63)
        model = WanTransformer3DModel(**sprite_transformer_config(**config.model.model_dump()))
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(model.patch_embedding.weight.flatten(1))
        nn.init.zeros_(model.proj_out.weight)
    return model


def check_growth(deep: Mapping[str, Any], small: Mapping[str, Any]) -> int:
    """Blocks of the deeper model for each of the smaller one's.

    Args:
        deep: configuration of the model that is trained.
        small: configuration of the model that it grows from.

    Raises:
        UserError: if the depths do not divide, or the widths differ.
    """
    copies, rest = divmod(int(deep["num_layers"]), int(small["num_layers"]))
    if rest or copies == 0:
        raise UserError(
            f"A model of {deep['num_layers']} layers cannot grow from one of {small['num_layers']}.",
            "Set model.layers to a multiple of the smaller model's.",
        )
    for name, key in (("heads", "num_attention_heads"), ("head_width", "attention_head_dim")):
        if deep[key] != small[key]:
            raise UserError(
                f"A model of {deep[key]} {name.replace('_', ' ')} cannot grow from one of {small[key]}.",
                f"Set model.{name} to the smaller model's.",
            )
    return copies


def grow(model: WanTransformer3DModel, smaller: WanTransformer3DModel) -> None:
    """Fill a deeper model so that it computes what a shallower one does: block expansion, arXiv 2401.02415.

    Every block of the smaller model is followed by copies of itself whose output layers are zero, so that they pass on
    what they are given until training changes them.

    Raises:
        UserError: if the depths do not divide, or the widths differ.
    """
    copies = check_growth(model.config, smaller.config)
    deep = {name: tensor for name, tensor in smaller.state_dict().items() if not name.startswith("blocks.")}
    for index in range(len(model.blocks)):
        block = smaller.blocks[index // copies].state_dict()
        deep |= {f"blocks.{index}.{name}": tensor for name, tensor in block.items()}
    model.load_state_dict(deep)
    for index, block in enumerate(model.blocks):
        if index % copies:
            _pass_on(block)


def _pass_on(block: nn.Module) -> None:
    """Zero the last layer of each residual branch."""
    for name in ("attn1.to_out.0", "attn2.to_out.0", "ffn.net.2"):
        layer = block.get_submodule(name)
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
