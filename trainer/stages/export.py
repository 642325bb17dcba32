"""Writing trained models as folders that `probekit sample` and diffusers open."""

from pathlib import Path

from diffusers import WanTransformer3DModel

from probekit.atomic_files import atomic_folder
from probekit.choices import Role
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.model_folder import model_folder
from probekit.models.saving import complete_model_folder, save_weights
from trainer.config.run import CausalRunConfig
from trainer.distributed.sharding import whole_state
from trainer.distributed.world import World


def export_causal(model: CausalWan, folder: Path, shared_from: Path, card: CausalCard, world: World) -> None:
    """Write a generator as a model folder whose transformer opens in stock diffusers, with its `causal.json`."""
    export_transformer(model, folder, shared_from, card.shift, world, card)


def export_student(model: CausalWan, folder: Path, config: CausalRunConfig, role: Role, world: World) -> None:
    """Write a few-step student."""
    card = CausalCard(role=role, chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps)
    export_causal(model, folder, config.text_and_codec, card, world)


def export_transformer(
    model: WanTransformer3DModel,
    folder: Path,
    shared_from: Path,
    shift: float,
    world: World,
    card: CausalCard | None = None,
) -> None:
    """Write a transformer as a model folder, which appears whole or not at all, in the place of an earlier export.

    Every process takes part; the main one writes.

    Args:
        model: transformer; may be sharded.
        folder: folder of the export.
        shared_from: model folder whose text encoder, tokenizer and codec are copied.
        shift: default timestep shift of the folder's scheduler.
        world: processes of the run.
        card: card of a causal generator; None for another model.

    Raises:
        UserError: the folder holds something else than an export, or cannot be written.
    """
    weights = whole_state(model)
    if not world.main:
        return
    check_is_export(folder)
    with atomic_folder(folder) as unfinished:
        save_weights(dict(model.config), weights, unfinished)
        complete_model_folder(unfinished, model_folder(str(shared_from)), shift)
        if card is not None:
            write_causal_card(unfinished, card)


def check_is_export(folder: Path) -> None:
    """Refuse to replace a folder that is no export.

    Raises:
        UserError: the folder holds something, and neither a model nor a part of one.
    """
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set[str]()
    if names and not names & {"model_index.json", "transformer"}:
        raise UserError(f"{folder} holds {min(names)}, and no earlier export.", "Choose another folder.")
