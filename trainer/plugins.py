"""What recipes plug into stages; the one place that knows the foresight package, and only when a recipe asks."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from probekit.errors import UserError
from trainer.config.causal import CausalOdeConfig
from trainer.config.foresight import ForesightConfig
from trainer.config.recipe import DmdConfig
from trainer.objectives.auxiliary import MakeAuxiliary


def auxiliary_of(config: DmdConfig | CausalOdeConfig) -> MakeAuxiliary | None:
    """The objective that the recipe's `foresight` block asks for; None without the block.

    Raises:
        UserError: if the package is not there.
    """
    if config.foresight is None:
        return None
    with _asked_for():
        from trainer.foresight.objective import ForesightObjective
    foresight = config.foresight
    if isinstance(config, DmdConfig):
        start = config.generator_updates(foresight.start_step)
        foresight = foresight.model_copy(update={"start_step": start})
    return functools.partial(ForesightObjective, foresight, chunk_frames=config.chunk_frames, seed=config.seed)


def predictor_size(config: ForesightConfig, width: int, encoder_width: int) -> dict[str, int]:
    """Parameters of the predictor's parts by name, from the widths of generator and encoder.

    Raises:
        UserError: if the package is not there, or its predictor does not fit the widths.
    """
    with _asked_for():
        from trainer.foresight.predictors import predictor_size as size_of
    return size_of(config, width, encoder_width)


@contextmanager
def _asked_for() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"The recipe asks for foresight, but {error.name} is missing.", "Remove the block.") from error
