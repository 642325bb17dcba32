"""What recipes plug into stages; the one place that knows the foresight package, and only when a recipe asks."""

import functools

from probekit.errors import UserError
from trainer.config.causal import CausalOdeConfig
from trainer.config.recipe import DmdConfig
from trainer.objectives.auxiliary import MakeAuxiliary


def auxiliary_of(config: DmdConfig | CausalOdeConfig) -> MakeAuxiliary | None:
    """The objective that the recipe's `foresight` block asks for; None without the block.

    Raises:
        UserError: if the package is not there.
    """
    if config.foresight is None:
        return None
    try:
        from trainer.foresight.objective import ForesightObjective
    except ModuleNotFoundError as error:
        raise UserError(f"The recipe asks for foresight, but {error.name} is missing.", "Remove the block.") from error
    foresight = config.foresight
    if isinstance(config, DmdConfig):
        start = config.generator_updates(foresight.start_step)
        foresight = foresight.model_copy(update={"start_step": start})
    return functools.partial(ForesightObjective, foresight, chunk_frames=config.chunk_frames, seed=config.seed)
