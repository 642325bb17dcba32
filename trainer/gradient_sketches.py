"""Do the objectives of a distillation agree? Gradients of each loss, by block, as sketches that probekit reads.

A sketch is a random projection that keeps inner products on average: every number gets a random sign, and numbers that
are `size` apart are added up. Signs are a function of the block and the parameter, so sketches of different losses and
batches can be compared (Achlioptas 2003; Charikar et al. 2002).
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from probekit.errors import UserError
from probekit.probing.gradient_store import BatchGradients, GradientCard, claim_gradients, has_batch, write_batch
from probekit.progress import track
from probekit.run_folder.writers import writing
from probekit.seeding import counter_seed
from trainer.config.recipe import DmdConfig, load_recipe
from trainer.engine.checkpoint import load_checkpoint, newest_checkpoint
from trainer.launch import build_stage
from trainer.planning.refusals import refuse_absent, refuse_unworkable
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

REST: Final = "rest"
"""Name of all parameters outside the blocks."""
_LOSSES: Final = ("dmd_loss", "auxiliary_loss")
_BLOCK: Final = re.compile(r"blocks\.(\d+)\.")


class SketchSettings(NamedTuple):
    """What is sketched.

    Attributes:
        batches: generator updates whose gradients are taken, none of which is made.
        size: numbers of a sketch.
    """

    batches: int = 16
    size: int = 4096


def sketch_gradients(
    recipe: Path, run: Path | None, out: Path, settings: SketchSettings | None = None, overrides: Sequence[str] = ()
) -> Path:
    """Write the gradients of each loss at a point of a distillation; batches that are there are not computed again.

    Args:
        recipe: recipe of a distillation with a `foresight` block.
        run: run folder, whose newest checkpoint is the point; None is the point before the first update, where the
            predictor is untrained.
        out: folder of the gradients.
        settings: number of batches, size of the sketches.
        overrides: changes of the recipe, as `key=value`.

    Raises:
        UserError: the recipe has one loss alone, cannot run, foresight does not act at this point, the run has no
            checkpoint, or the folder holds gradients of something else.
    """
    chosen = settings or SketchSettings()
    config = distillation_of(recipe, overrides)
    newest = newest_checkpoint(run / "checkpoints") if run else None
    if run and newest is None:
        raise UserError(f"{run} has no checkpoint.", "Train first, or leave --run out.")
    step = newest.steps_done if newest else 0
    with writing(out, "gradients", None):
        stage = build_stage(config)
        assert isinstance(stage, AsymmetricDmdStage)
        if newest:
            load_checkpoint(newest, stage.training_state())
        if stage.auxiliary is None or not stage.auxiliary.active(step):
            raise UserError(f"Foresight does not act at step {step}.", "Take a later checkpoint.")
        parts = parameter_blocks(stage.model)
        card = GradientCard(
            model=config.name,
            recipe=config.model_dump_json(),
            step=step,
            size=chosen.size,
            losses=_LOSSES,
            blocks=tuple(parts),
        )
        claim_gradients(out, card)
        missing = [number for number in range(chosen.batches) if not has_batch(out, number, card)]
        for number in track(missing, "sketching gradients"):
            write_batch(out, number, batch_gradients(stage, step + number, config.batch_size, chosen.size))
    return out


def distillation_of(recipe: Path, overrides: Sequence[str]) -> DmdConfig:
    """The configuration of a distillation with foresight, once it is known that it can run here.

    Raises:
        UserError: the recipe is of another stage, has no `foresight` block, or cannot run.
    """
    config = load_recipe(recipe, overrides)
    if not isinstance(config, DmdConfig) or config.foresight is None:
        raise UserError(f"{recipe} has one loss alone.", "Give a recipe of asymmetric_dmd with a foresight block.")
    refuse_unworkable(config, 1)
    refuse_absent(config)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return config


def batch_gradients(stage: AsymmetricDmdStage, step: int, batch_size: int, size: int) -> BatchGradients:
    """Sketches and norms of each loss in one generator update, which is not made."""
    parts = parameter_blocks(stage.model)
    found = loss_gradients(stage, step, batch_size)
    sketches = [[sketch(part, _of(found[loss], names), size) for part, names in parts.items()] for loss in _LOSSES]
    norms = [[norm(_of(found[loss], names)) for names in parts.values()] for loss in _LOSSES]
    stacked = torch.stack([torch.stack(blocks) for blocks in sketches])
    return BatchGradients(stacked.numpy(), np.array(norms), stage.exit_step(step))


def loss_gradients(stage: AsymmetricDmdStage, step: int, batch_size: int) -> dict[str, dict[str, Tensor]]:
    """By loss and parameter: gradients of an update's whole batch; no weight and no gradient of the model changes."""
    parameters = {name: parameter for name, parameter in stage.model.named_parameters() if parameter.requires_grad}
    losses = stage.generator_losses(step, range(batch_size))
    found = {}
    for number, name in enumerate(_LOSSES, start=1):
        gradients = torch.autograd.grad(
            losses[name], list(parameters.values()), retain_graph=number < len(_LOSSES), allow_unused=True
        )
        found[name] = {
            parameter_name: torch.zeros_like(parameter) if gradient is None else gradient
            for (parameter_name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
        }
    return found


def _of(gradients: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    return {name: gradients[name] for name in names}


def parameter_blocks(model: nn.Module) -> dict[str, list[str]]:
    """Names of trained parameters by block, `blocks.0` first; those outside the blocks last."""
    found: dict[str, list[str]] = {}
    for name, parameter in model.named_parameters():
        match = _BLOCK.match(name)
        if parameter.requires_grad:
            found.setdefault(f"blocks.{match[1]}" if match else REST, []).append(name)
    return dict(sorted(found.items(), key=lambda item: (item[0] == REST, len(item[0]), item[0])))


def sketch(block: str, gradients: Mapping[str, Tensor], size: int) -> Tensor:
    """Sketch (size,) float32 of a block's gradients; inner products of sketches are those of gradients, on average."""
    total = torch.zeros(size)
    for name, gradient in gradients.items():
        flat = gradient.detach().flatten().float().cpu()
        rng = torch.Generator().manual_seed(counter_seed("gradient-sketch", block, name) % 2**63)
        signed = flat * (2 * torch.randint(0, 2, flat.shape, generator=rng) - 1)
        total += nn.functional.pad(signed, (0, -len(flat) % size)).view(-1, size).sum(dim=0)
    return total


def norm(gradients: Mapping[str, Tensor]) -> float:
    """Exact norm of a block's gradients."""
    return math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients.values()))
