"""Optimizer and learning-rate schedule of a recipe."""

from typing import Annotated, Literal

from pydantic import Field

from probekit.config import FiniteModel

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(FiniteModel):
    """AdamW, or Muon for the matrices of blocks, with linear warm-up, a constant stretch and linear decay to zero."""

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(gt=0)
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    decay_steps: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)


def check_schedule(optimizer: OptimizerConfig, total_steps: int) -> None:
    """Refuse warm-up and decay that do not fit into a run.

    Raises:
        ValueError: naming the number of steps.
    """
    if optimizer.warmup_steps + optimizer.decay_steps > total_steps:
        raise ValueError(f"warmup_steps + decay_steps exceed the {total_steps} steps of the run")
