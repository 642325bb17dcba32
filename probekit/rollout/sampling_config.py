"""How videos are sampled: one configuration for every kind of model. Torch-free, so that it is refused before loading.

Every sampler reads what it has a use for and refuses what it has none for.
"""

from typing import Final

from pydantic import Field

from probekit.choices import Precision
from probekit.config import FiniteModel
from probekit.devices import DEVICE_NAME
from probekit.diffusion.few_step import FewSteps, Guidance, Shift, SolverSteps
from probekit.errors import UserError
from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy

CLIP_STEPS: Final = 10
CLIP_GUIDANCE: Final = 2.0
CLIP_SHIFT: Final = 4.0
"""What a bidirectional model of ours is sampled with, where the configuration leaves it open."""

SOLVER_FIELDS: Final = ("steps", "guidance", "shift")
"""What a streaming generator has learned with its weights."""
STREAM_FIELDS: Final = ("few_steps", "first_chunk_steps", "policy", "compile")
"""What a model of whole clips has no use for."""


class SamplingConfig(FiniteModel):
    """How videos are sampled; None is the model's own.

    Attributes:
        steps: solver steps of a model of whole clips.
        guidance: scale of classifier-free guidance, for a model of whole clips; 1 is no guidance.
        shift: timestep shift of the noise levels, for a model of whole clips.
        negative_prompt: what guidance steers away from, where there is guidance; None is the empty prompt.
        few_steps: list of a few-step student's steps before the shift, e.g. (1000, 500).
        first_chunk_steps: list of the first chunk's steps, where it differs (Causal-Forcing++).
        policy: what a stream remembers, and at which positions; None is `TRAINED_WINDOW`.
        seed: run seed of the noise.
        device: device of the networks; noise is drawn on the CPU.
        precision: number format of the denoiser.
        compile: whether a stream's denoiser runs through `torch.compile`, see `models.compiled_blocks`. It pays from
            the second minute of sampling on; without a working compiler the log says so and nothing is compiled.
    """

    steps: SolverSteps | None = None
    guidance: Guidance | None = None
    shift: Shift | None = None
    negative_prompt: str | None = None
    few_steps: FewSteps | None = None
    first_chunk_steps: FewSteps | None = None
    policy: ContextPolicy | None = None
    seed: int = Field(default=0, ge=0)
    device: str = Field(default="cpu", pattern=DEVICE_NAME)
    precision: Precision = "float32"
    compile: bool = False

    @property
    def stream_policy(self) -> ContextPolicy:
        """What a stream remembers under this configuration."""
        return self.policy or TRAINED_WINDOW

    @property
    def card_precision(self) -> str | None:
        """The number format as protocol cards state it; None for float32, the usual one."""
        return None if self.precision == "float32" else self.precision

    def refuse(self, names: tuple[str, ...], sampler: str) -> None:
        """Refuse what a sampler has no use for.

        Args:
            names: names of fields that it does not read.
            sampler: the sampler, in words that begin a sentence.

        Raises:
            UserError: naming those that are set.
        """
        unused = [name for name in names if name in self.model_dump(include=set(names), exclude_defaults=True)]
        if unused:
            raise UserError(f"{sampler} has no use for {', '.join(unused)}.", "Leave that out.")
