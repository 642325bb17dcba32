"""What a training run is: one frozen object, read from a recipe file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from probekit.config import StrictModel


class TransformerSize(StrictModel):
    """Size of a sprite transformer; its width is 32 times its heads."""

    heads: int = Field(gt=0)
    layers: int = Field(gt=0)


class Phase(StrictModel):
    """A stretch of training on clips of one length.

    Short clips first teach shapes, colours and words at a fraction of the cost; full clips then teach motion.
    """

    steps: int = Field(gt=0)
    latent_frames: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    timestep_shift: float = Field(default=2.0, gt=0)
    """Shift of the training noise levels; a larger one spends more of the training on high noise."""


class OptimizerConfig(StrictModel):
    """AdamW with linear warm-up, a constant stretch and linear decay to zero."""

    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    decay_steps: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)


class TrainingConfig(StrictModel):
    """A training run.

    Attributes:
        stage: which stage trains; `bidirectional` is flow matching from random weights.
        name: of the run and of the model that it makes.
        seed: of initial weights, clips, noise and dropout.
        data: folder of encoded clips.
        text_and_codec: pipeline folder that gives the tokenizer, the text encoder and the codec.
        caption_dropout: share of captions replaced by the empty prompt, for classifier-free guidance.
        sampling_shift: default shift of the exported model's scheduler.
        ema_decay: of the exported exponential moving average.
        threads: CPU threads; by default torch's own choice.
        compile: run the training passes through `torch.compile` (a minute a phase, then a quarter faster on a CPU).
    """

    stage: Literal["bidirectional"]
    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    seed: int = Field(ge=0)
    model: TransformerSize
    data: Path
    text_and_codec: Path
    phases: tuple[Phase, ...] = Field(min_length=1)
    optimizer: OptimizerConfig
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    sampling_shift: float = Field(default=4.0, gt=0)
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    log_every: int = Field(default=20, gt=0)
    checkpoint_every: int = Field(default=200, gt=0)
    threads: int | None = Field(default=None, gt=0)
    compile: bool = False

    @property
    def total_steps(self) -> int:
        """Optimizer steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        """The phase that owns a zero-based step."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if self.optimizer.warmup_steps + self.optimizer.decay_steps > self.total_steps:
            raise ValueError(f"warmup_steps + decay_steps exceed the {self.total_steps} steps of all phases")
        return self
