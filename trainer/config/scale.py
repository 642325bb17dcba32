"""How a recipe's update is spread over processes and memory; none of it changes what is learned."""

from typing import Literal, Self

from pydantic import Field, model_validator

from probekit.config import StrictModel
from trainer.config.choices import PassPrecision


class ScaleConfig(StrictModel):
    """Part of every training recipe.

    Attributes:
        gradient_accumulation: micro-batches of an update on each process. `batch_size` is the whole batch of an update:
            a process works on batch_size / (processes · gradient_accumulation) videos at a time.
        precision: `bf16` runs the passes under autocast; weights, gradients and optimizers stay in fp32.
        attention: `auto` is torch's choice; `math` multiplies whole score matrices. In bf16 on a CPU the backward pass
            of torch's fused kernel is slow on short sequences; with `math` a step takes 0.67 (single images) and 0.78
            (clips) of its time in fp32 (`benchmarks/training_step.py`). In fp32 `auto` is faster.
        activation_checkpointing: whether to keep the inputs of blocks alone and repeat their passes in the backward
            pass.
        compile: `torch.compile` for the blocks of bidirectional models and the feed-forwards of causal ones (a minute
            to begin with, then a quarter faster on a CPU).
        precompute_text: embed every prompt once, on disk, and let go of the text encoder (11 GB for Wan's).
        keep_checkpoints: how many of the newest stay.
        asynchronous_checkpoints: whether to write them while training goes on.
    """

    gradient_accumulation: int = Field(default=1, gt=0, le=2**20)
    precision: PassPrecision = "fp32"
    attention: Literal["auto", "math"] = "auto"
    activation_checkpointing: bool = False
    compile: bool = False
    precompute_text: bool = False
    keep_checkpoints: int = Field(default=2, gt=0)
    asynchronous_checkpoints: bool = False

    @model_validator(mode="after")
    def _recomputed_alike(self) -> Self:
        """A block that is repeated in the backward pass, outside the context of passes, would use another kernel."""
        if self.attention == "math" and self.activation_checkpointing:
            raise ValueError("attention: math needs activation_checkpointing: false")
        return self
