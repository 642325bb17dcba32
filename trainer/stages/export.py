"""Writing trained models as folders that `probekit sample` and diffusers open."""

from pathlib import Path

from diffusers import WanTransformer3DModel

from probekit.models.causal_card import CausalCard, Role, write_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.model_folder import model_folder
from probekit.models.saving import complete_model_folder, save_weights
from trainer.config.run import CausalRunConfig
from trainer.distributed.sharding import whole_state
from trainer.distributed.world import World


def export_causal(model: CausalWan, folder: Path, shared_from: Path, card: CausalCard, world: World) -> None:
    """Write a generator as a model folder whose transformer opens in stock diffusers, with its `causal.json`."""
    export_transformer(model, folder, shared_from, card.shift, world)
    if world.main:
        write_causal_card(folder, card)


def export_student(model: CausalWan, folder: Path, config: CausalRunConfig, role: Role, world: World) -> None:
    """Write a few-step student."""
    card = CausalCard(role=role, chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps)
    export_causal(model, folder, config.text_and_codec, card, world)


def export_transformer(
    model: WanTransformer3DModel, folder: Path, shared_from: Path, shift: float, world: World
) -> None:
    """Write a transformer as a model folder. Every process takes part; the main one writes.

    Args:
        model: may be sharded.
        folder: of the export.
        shared_from: model folder whose text encoder, tokenizer and codec are copied.
        shift: default timestep shift of the folder's scheduler.
        world: of the run.
    """
    weights = whole_state(model)
    if world.main:
        save_weights(dict(model.config), weights, folder)
        complete_model_folder(folder, model_folder(str(shared_from)), shift)
