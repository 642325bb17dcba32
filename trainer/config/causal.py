"""Configurations of the stages that make a causal few-step student: stages 1 and 2."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from probekit.config import FiniteModel
from probekit.diffusion.few_step import FEW_STEPS, FewSteps, Guidance, Shift, SolverSteps, grid_position
from probekit.geometry import CHUNK_FRAMES
from probekit.models.presets import SPRITE_GEOMETRY, TRAINED_FRAMES
from trainer.config.choices import PassPrecision
from trainer.config.foresight import ForesightConfig
from trainer.config.run import BatchSize, CausalRunConfig, LatentFrames, LatentSize, Threads


class AutoregressiveConfig(CausalRunConfig):
    """Stage 1: flow matching of a causal model, one noise level per chunk.

    Attributes:
        data: folder of encoded clips.
        forcing: what a noisy chunk sees of the chunks before it: their clean latents (`teacher`, Causal-Forcing), or
            their noisy ones, each at a level of its own (`diffusion`, arXiv 2407.01392).
        clean_noise: highest level of noise on the clean chunks of teacher forcing; each chunk's level is uniform up to
            this one before the shift; 0 is off, as in the official recipes.
        bell_weighting: weight the loss by timestep as the official code does.
        sampling_steps: Euler steps of the exported model.
        sampling_guidance: scale w of the exported model's guidance, u + w·(c - u).
    """

    stage: Literal["ar_finetune"]
    data: Path
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    forcing: Literal["teacher", "diffusion"] = "teacher"
    clean_noise: float = Field(default=0.0, ge=0, lt=1)
    bell_weighting: bool = True
    sampling_steps: SolverSteps = 16
    sampling_guidance: Guidance = 4.0


class TrajectoryConfig(FiniteModel):
    """Stage 2a, its data: Euler trajectories of a teacher.

    An AR teacher solves chunk after chunk, forced on ground truth (Causal-Forcing); a bidirectional one solves whole
    clips from prompts alone (Self-Forcing). The folder's `causal.json` says which it is.

    Attributes:
        teacher: folder or name of the teacher.
        data: folder of encoded clips, for an AR teacher.
        prompts: prompts of a bidirectional teacher: text, CSV or Parquet file; None takes the sprite world's.
        latent_frames: latent frames of a bidirectional teacher's clips; an AR teacher's are as long as the data.
        latent_size: rows and columns of a bidirectional teacher's latent frames.
        negative_prompt: prompt that guidance leads away from.
        euler_steps: a multiple of the number of few-step levels lies on the grid exactly where their steps do.
        guidance: scale w of u + w·(c - u); both official scripts take 6.
        out: folder of the shards.
        precision: precision of the teacher's passes; the official scripts solve in fp32.
        precompute_text: embed every prompt once, on disk, and let go of the text encoder.
    """

    stage: Literal["ode_trajectories"]
    name: str
    seed: int = Field(ge=0)
    teacher: str
    text_and_codec: Path
    data: Path | None = None
    prompts: Path | None = None
    latent_frames: LatentFrames = TRAINED_FRAMES
    latent_size: LatentSize = SPRITE_GEOMETRY.latent_size
    negative_prompt: str = ""
    out: Path
    shards: int = Field(gt=0, le=99_999)
    clips_per_shard: BatchSize = 32
    euler_steps: SolverSteps = 48
    guidance: Guidance = 6.0
    shift: Shift = 5.0
    chunk_frames: int = Field(default=CHUNK_FRAMES, gt=0)
    few_steps: FewSteps = FEW_STEPS
    precision: PassPrecision = "fp32"
    precompute_text: bool = False
    threads: Threads | None = None

    @model_validator(mode="after")
    def _few_steps_on_the_grid(self) -> Self:
        off = [step for step in self.few_steps if grid_position(step, self.euler_steps).denominator > 1]
        if off:
            raise ValueError(f"few_steps {off} are not on a grid of {self.euler_steps} euler_steps")
        return self


class CausalOdeConfig(CausalRunConfig):
    """Stage 2b: regression of the teacher's trajectory ends from its stored states.

    Attributes:
        trajectories: folder of the shards.
        clean_context: a chunk sees the clean ground truth of the chunks before it, and all chunks share one level
            (Causal-Forcing); off, it sees their noisy states, each chunk at a level of its own (Self-Forcing).
        real_model: frozen teacher of stage 3, where foresight reads with it (`encoder: real`).
        base_model: bidirectional base, where foresight reads with it (`encoder: base`).
        foresight: additional objective on the ground-truth clips (tables 12 to 14).
    """

    stage: Literal["causal_ode"]
    trajectories: Path
    clean_context: bool = True
    real_model: str | None = None
    base_model: str | None = None
    foresight: ForesightConfig | None = None


class ConsistencyConfig(CausalRunConfig):
    """Stage 2 without trajectories: consistency distillation of the AR teacher.

    Attributes:
        data: folder of encoded clips.
        teacher: AR teacher, frozen.
        euler_steps: Euler steps of the grid on which neighbours are made to agree.
        guidance: scale w of the teacher's guidance, u + w·(c - u); the official u + 3·(c - u) is 3.
    """

    stage: Literal["consistency"]
    data: Path
    teacher: str
    euler_steps: SolverSteps = 48
    guidance: Guidance = 3.0
