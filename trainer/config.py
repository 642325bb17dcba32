"""What a training run is: one frozen object, read from a recipe file. Each stage has its own keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from probekit.config import StrictModel, load_config
from trainer.foresight_config import (
    OFFICIAL_EMA_START,
    OFFICIAL_FORESIGHT,
    OFFICIAL_SWITCHES,
    ForesightConfig,
    OfficialSwitches,
)
from trainer.optimizer_config import OptimizerConfig, check_schedule
from trainer.scale_config import ScaleConfig


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


class RunConfig(StrictModel):
    """What every training run has.

    Attributes:
        name: of the run and of the model that it makes.
        seed: of initial weights, clips, noise and dropout.
        text_and_codec: pipeline folder that gives the tokenizer, the text encoder and the codec.
        ema_decay: of the exported exponential moving average.
        scale: processes, memory and precision.
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
    threads: int | None = Field(default=None, gt=0)


class BidirectionalConfig(RunConfig):
    """Flow matching from random weights.

    Attributes:
        data: folder of encoded clips.
        caption_dropout: share of captions replaced by the empty prompt, for classifier-free guidance.
        sampling_shift: default shift of the exported model's scheduler.
    """

    stage: Literal["bidirectional"]
    model: TransformerSize
    data: Path
    phases: tuple[Phase, ...] = Field(min_length=1)
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    sampling_shift: float = Field(default=4.0, gt=0)

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
        check_schedule(self.optimizer, self.total_steps)
        return self


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
    batch_size: int = Field(gt=0)
    chunk_frames: int = Field(default=3, gt=0)
    latent_frames: int = Field(default=21, gt=0)
    shift: float = Field(default=5.0, gt=0)
    few_steps: tuple[int, ...] = Field(default=(1000, 750, 500, 250), min_length=1)

    @property
    def total_steps(self) -> int:
        """Steps of the loop."""
        return self.steps

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        check_schedule(self.optimizer, self.total_steps)
        return self


class AutoregressiveConfig(CausalRunConfig):
    """Stage 1: flow matching with teacher forcing, one noise level a chunk.

    Attributes:
        data: folder of encoded clips.
        bell_weighting: weight the loss by timestep as the official code does.
        sampling_steps: Euler steps of the exported model.
        sampling_guidance: scale of classifier-free guidance of the exported model.
    """

    stage: Literal["ar_finetune"]
    data: Path
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    bell_weighting: bool = True
    sampling_steps: int = Field(default=16, gt=0)
    sampling_guidance: float = Field(default=4.0, ge=1)


class TrajectoryConfig(StrictModel):
    """Stage 2a, its data: Euler trajectories of the AR teacher, forced on ground truth.

    Attributes:
        euler_steps: a multiple of the number of few-step levels lies on the grid exactly where their steps do.
        guidance: scale of classifier-free guidance.
        out: folder of the shards.
    """

    stage: Literal["ode_trajectories"]
    name: str
    seed: int = Field(ge=0)
    teacher: str
    text_and_codec: Path
    data: Path
    out: Path
    shards: int = Field(gt=0)
    clips_per_shard: int = Field(default=32, gt=0)
    euler_steps: int = Field(default=48, gt=0)
    guidance: float = Field(default=6.0, ge=1)
    shift: float = Field(default=5.0, gt=0)
    chunk_frames: int = Field(default=3, gt=0)
    few_steps: tuple[int, ...] = Field(default=(1000, 750, 500, 250), min_length=1)
    threads: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _few_steps_on_the_grid(self) -> Self:
        off = [step for step in self.few_steps if (1000 - step) * self.euler_steps % 1000]
        if off:
            raise ValueError(f"few_steps {off} are not on a grid of {self.euler_steps} euler_steps")
        return self


class CausalOdeConfig(CausalRunConfig):
    """Stage 2b: regression of the teacher's trajectory ends from its stored states.

    Attributes:
        trajectories: folder of the shards.
        real_model: frozen teacher of stage 3, where foresight reads with it (`encoder: real`).
        base_model: bidirectional base, where foresight reads with it (`encoder: base`).
        foresight: additional objective on the ground-truth clips (tables 12 to 14).
    """

    stage: Literal["causal_ode"]
    trajectories: Path
    real_model: str | None = None
    base_model: str | None = None
    foresight: ForesightConfig | None = None


class DmdConfig(CausalRunConfig):
    """Stage 3: asymmetric distribution-matching distillation with self-rollout; steps count generator updates.

    Attributes:
        real_model: folder or name of the frozen real score (and foresight encoder).
        critic_model: folder or name that the fake score starts from.
        guidance: standard scale of classifier-free guidance of the real score; c + 3(c - u) is scale 4.
        critic_updates: critic updates for each generator update.
        critic_optimizer: of the fake score.
        prompts: text, CSV or Parquet file of training prompts; None takes the sprite world's.
        latent_size: rows and columns of a latent frame.
        export_every: also keep an export every so many generator updates.
        ema_start: generator updates before the average begins; until then the export is the generator itself.
        official: habits of the official code, off by default.
        preset: `official` turns on every habit that the recipe does not decide itself.
        foresight: the additional objective; None is the baseline.
    """

    stage: Literal["asymmetric_dmd"]
    real_model: str
    critic_model: str
    guidance: float = Field(default=4.0, ge=1)
    critic_updates: int = Field(default=5, gt=0)
    critic_optimizer: OptimizerConfig
    timestep_range: tuple[float, float] = (20.0, 980.0)
    prompts: Path | None = None
    latent_size: tuple[int, int] = (8, 8)
    export_every: int = Field(default=20, gt=0)
    ema_start: int = Field(default=0, ge=0)
    official: OfficialSwitches = OfficialSwitches()
    preset: Literal["official"] | None = None
    foresight: ForesightConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, values: Any) -> Any:
        """Fill in what the preset says and the recipe does not."""
        if not isinstance(values, dict) or values.get("preset") != "official":
            return values
        filled = {**values, "official": OFFICIAL_SWITCHES | dict(values.get("official") or {})}
        filled.setdefault("ema_start", OFFICIAL_EMA_START)
        for optimizer in ("optimizer", "critic_optimizer"):
            filled[optimizer] = {"warmup_steps": 0} | dict(values.get(optimizer) or {})
        if values.get("foresight") is not None:
            filled["foresight"] = OFFICIAL_FORESIGHT | dict(values["foresight"])
        return filled


class ConsistencyConfig(CausalRunConfig):
    """Stage 2 without trajectories: consistency distillation of the AR teacher.

    Attributes:
        data: folder of encoded clips.
        teacher: AR teacher, frozen.
        euler_steps: of the grid on which neighbours are made to agree.
        guidance: scale of the teacher's classifier-free guidance; the official v_u + 3(v_c - v_u) is 3.
    """

    stage: Literal["consistency"]
    data: Path
    teacher: str
    euler_steps: int = Field(default=48, gt=0)
    guidance: float = Field(default=3.0, ge=1)


StageConfig = BidirectionalConfig | AutoregressiveConfig | CausalOdeConfig | ConsistencyConfig | DmdConfig
"""Stages that the training loop runs."""


class StageName(BaseModel):
    """The key of a recipe that says which keys the others are."""

    stage: Literal["bidirectional", "ar_finetune", "ode_trajectories", "causal_ode", "consistency", "asymmetric_dmd"]


_CONFIGS: Final[dict[str, type[StageConfig] | type[TrajectoryConfig]]] = {
    "bidirectional": BidirectionalConfig,
    "ar_finetune": AutoregressiveConfig,
    "ode_trajectories": TrajectoryConfig,
    "causal_ode": CausalOdeConfig,
    "consistency": ConsistencyConfig,
    "asymmetric_dmd": DmdConfig,
}


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> StageConfig | TrajectoryConfig:
    """Read a recipe of any stage.

    Raises:
        UserError: naming the key that is unknown, missing or not allowed.
    """
    return load_config(path, _CONFIGS[load_config(path, StageName, overrides).stage], overrides)
