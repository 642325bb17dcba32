"""What the configurations of all stages share."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from probekit.config import FiniteModel
from probekit.diffusion.few_step import FEW_STEPS, FewSteps, Shift
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.geometry import CHUNK_FRAMES
from probekit.models.presets import TRAINED_FRAMES
from trainer.config.optimizer import OptimizerConfig, check_schedule
from trainer.config.scale import ScaleConfig
from trainer.config.watch import WatchConfig

BatchSize = Annotated[int, Field(gt=0, le=2**20)]
LatentFrames = Annotated[int, Field(gt=0, le=2**16)]
LatentSize = tuple[Annotated[int, Field(gt=0, le=2**12)], Annotated[int, Field(gt=0, le=2**12)]]
Threads = Annotated[int, Field(gt=0, le=1024)]


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError("the first timestep must be below the second")
    return bounds


_Timestep = Annotated[float, Field(ge=0, le=TIMESTEPS)]
TimestepRange = Annotated[tuple[_Timestep, _Timestep], AfterValidator(_rising)]


class RunConfig(FiniteModel):
    """What every training run has.

    Attributes:
        name: name of the run and of the model that it makes.
        seed: seed of initial weights, clips, noise and dropout.
        text_and_codec: pipeline folder that gives the tokenizer, the text encoder and the codec.
        ema_decay: decay of the exported exponential moving average.
        scale: processes, memory and precision.
        skip_corrupt_shards: leave out shards of clips, trajectories or prompts that cannot be read, with a warning.
        watch: what is looked at while the run goes on.
        threads: CPU threads; by default torch's own choice.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    seed: int = Field(ge=0)
    text_and_codec: Path
    optimizer: OptimizerConfig
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    log_every: int = Field(default=20, gt=0)
    checkpoint_every: int = Field(default=200, gt=0)
    scale: ScaleConfig = ScaleConfig()
    skip_corrupt_shards: bool = False
    watch: WatchConfig = WatchConfig()
    threads: Threads | None = None


class CausalRunConfig(RunConfig):
    """What the causal stages share.

    Attributes:
        initial_model: folder, or name of a shipped model, whose transformer the generator starts from.
        chunk_frames: latent frames generated together.
        shift: timestep shift of training levels and of the sampling steps.
        few_steps: steps of the few-step student before the shift, highest first.
    """

    initial_model: str
    steps: int = Field(gt=0)
    batch_size: BatchSize
    chunk_frames: int = Field(default=CHUNK_FRAMES, gt=0)
    latent_frames: LatentFrames = TRAINED_FRAMES
    shift: Shift = 5.0
    few_steps: FewSteps = FEW_STEPS

    @property
    def total_steps(self) -> int:
        """Steps of the loop."""
        return self.steps

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        check_schedule(self.optimizer, self.total_steps)
        return self
