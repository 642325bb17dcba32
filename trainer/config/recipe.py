"""What a training run is: one frozen object, read from a recipe file. Each stage has its own keys."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from probekit.config import FiniteModel, M, StrictModel, load_config
from probekit.diffusion.few_step import Guidance, Shift
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.user_files.yaml_files import parse_yaml
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig, TrajectoryConfig
from trainer.config.foresight import ForesightConfig
from trainer.config.official import OFFICIAL_EMA_START, OFFICIAL_FORESIGHT, OFFICIAL_QUIRKS, OfficialQuirks
from trainer.config.optimizer import OptimizerConfig, check_schedule
from trainer.config.places import placed_but, recipe_file
from trainer.config.run import BatchSize, CausalRunConfig, LatentFrames, LatentSize, RunConfig, TimestepRange


class TransformerSize(StrictModel):
    """Size of a sprite transformer; its width is `heads` times `head_width`."""

    heads: int = Field(gt=0, le=64)
    head_width: int = Field(default=32, gt=0, le=256, multiple_of=8)
    layers: int = Field(gt=0, le=256)


class Phase(FiniteModel):
    """A stretch of training on clips of one length.

    Short clips first teach shapes, colours and words at a fraction of the cost; full clips then teach motion.
    """

    steps: int = Field(gt=0)
    latent_frames: LatentFrames
    batch_size: BatchSize
    timestep_shift: Shift = 2.0
    """Shift of the training noise levels; a larger one spends more of the training on high noise."""


class BidirectionalConfig(RunConfig):
    """Flow matching from random weights, or from a shallower model's.

    Attributes:
        data: folder of encoded clips.
        grown_from: folder or name of a model whose blocks are kept, each followed by new ones that begin by passing on
            what they are given; None starts from random weights.
        caption_dropout: share of captions replaced by the empty prompt, for classifier-free guidance.
        sampling_shift: default shift of the exported model's scheduler.
    """

    stage: Literal["bidirectional"]
    model: TransformerSize
    data: Path
    grown_from: str | None = None
    phases: tuple[Phase, ...] = Field(min_length=1)
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    sampling_shift: Shift = 4.0

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


class DmdConfig(CausalRunConfig):
    """Stage 3: asymmetric distribution-matching distillation with self-rollout; steps count generator updates.

    With the official `trainer_steps` they count critic updates, several to a generator update.

    Attributes:
        real_model: folder or name of the frozen real score (and foresight encoder).
        critic_model: folder or name that the fake score starts from.
        causal_scores: whether both are AR teachers, which judge each chunk by the clean chunks before it, and not
            bidirectional models, which know the future.
        base_model: bidirectional base that foresight reads with (`encoder: base`); None is the critic's start.
        history_gradient: let the loss of a chunk reach the passes that wrote the states of the chunks before it; a
            rollout's cache carries no gradient.
        guidance: standard scale w of the real score's guidance, u + w·(c - u); the official c + 3·(c - u) is 4.
        critic_updates: critic updates for each generator update.
        critic_optimizer: optimizer of the fake score.
        prompts: text, CSV or Parquet file of training prompts; None takes the sprite world's.
        latent_size: rows and columns of a latent frame.
        export_every: generator updates between exports that are kept.
        ema_start: generator updates before the average begins; until then the export is the generator itself.
        official: quirks of the official code, off by default.
        preset: `official` turns on every quirk that the recipe does not decide itself.
        foresight: the additional objective; None is the baseline.
    """

    stage: Literal["asymmetric_dmd"]
    real_model: str
    critic_model: str
    causal_scores: bool = False
    base_model: str | None = None
    history_gradient: bool = False
    guidance: Guidance = 4.0
    critic_updates: int = Field(default=5, gt=0)
    critic_optimizer: OptimizerConfig
    timestep_range: TimestepRange = (20.0, 980.0)
    prompts: Path | None = None
    latent_size: LatentSize = SPRITE_GEOMETRY.latent_size
    export_every: int = Field(default=20, gt=0)
    ema_start: int = Field(default=0, ge=0)
    official: OfficialQuirks = OfficialQuirks()
    preset: Literal["official"] | None = None
    foresight: ForesightConfig | None = None

    def generator_updates(self, count: int) -> int:
        """Generator updates in a count of the recipe."""
        return math.ceil(count / self.critic_updates) if self.official.trainer_steps else count

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.history_gradient and self.official.noisy_commit:
            raise ValueError("history_gradient writes clean chunks: turn off official.noisy_commit")
        reader = None if self.foresight is None else self.foresight.encoder
        if self.causal_scores and (reader == "real" or (reader == "base" and self.base_model is None)):
            raise ValueError("causal_scores know no future: set foresight.encoder: base and base_model, or world")
        return self

    @property
    def total_steps(self) -> int:
        """Generator updates of the run."""
        return self.generator_updates(self.steps)

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, values: Any) -> Any:
        """Fill in what the preset says and the recipe does not."""
        if not isinstance(values, dict) or values.get("preset") != "official":
            return values
        filled = {**values, "official": OFFICIAL_QUIRKS | dict(values.get("official") or {})}
        filled.setdefault("ema_start", OFFICIAL_EMA_START)
        for optimizer in ("optimizer", "critic_optimizer"):
            filled[optimizer] = {"warmup_steps": 0} | dict(values.get(optimizer) or {})
        if values.get("foresight") is not None:
            filled["foresight"] = OFFICIAL_FORESIGHT | dict(values["foresight"])
        return filled


StageConfig = BidirectionalConfig | AutoregressiveConfig | CausalOdeConfig | ConsistencyConfig | DmdConfig
"""Stages that the training loop runs."""


class StageName(StrictModel):
    """The key of a recipe that says which keys the others are; those are kept as they stand."""

    model_config = ConfigDict(extra="allow")

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

    Args:
        path: YAML file, or name of a shipped recipe.
        overrides: changes, `a.b=c`.

    Raises:
        UserError: naming the key that is unknown, missing or not allowed.
    """
    return _read(path, _CONFIGS[_read(path, StageName, overrides).stage], overrides)


def _read(path: Path, model: type[M], overrides: Sequence[str]) -> M:
    place = placed_but({override.partition("=")[0].strip() for override in overrides})
    return load_config(recipe_file(path), model, overrides, place)


def without_absent_blocks(path: Path, own: Sequence[str], overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides for many recipes, without those that would begin a block which this one leaves out.

    Else `foresight.weight=0.3` for all rows of a table would train its baseline with foresight.

    Args:
        path: YAML file, or name of a shipped recipe.
        own: changes of this recipe alone, which may begin a block.
        overrides: changes for all recipes.

    Raises:
        UserError: if the recipe cannot be read.
    """
    if not any(map(_block_of, overrides)):
        return tuple(overrides)
    found = _read(path, StageName, own)
    said = found.model_extra or {}
    absent = {name for name in _optional_blocks(_CONFIGS[found.stage]) if said.get(name) is None}
    return tuple(override for override in overrides if _block_of(override) not in absent)


def _optional_blocks(config: type[BaseModel]) -> Iterator[str]:
    """Keys whose value is a block of keys, or nothing."""
    for name, field in config.model_fields.items():
        kinds = get_args(field.annotation)
        if NoneType in kinds and any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
            yield name


def _block_of(override: str) -> str | None:
    """The block of which an override changes a key, or gives the whole; None for a key of no block."""
    dotted, _, text = override.partition("=")
    block, dot, _ = dotted.strip().partition(".")
    return block if dot or isinstance(parse_yaml(text, f"The override {override!r}"), dict) else None
