"""How videos are sampled; torch-free, so that bad combinations are refused before anything loads."""

from typing import Final

from pydantic import Field

from probekit.config import FiniteModel
from probekit.diffusion.few_step import FewSteps
from probekit.models.context_policy import TRAINED_WINDOW, ContextPolicy

MOST_STEPS: Final = 10_000


class SamplerSettings(FiniteModel):
    """How the ODE is solved.

    Attributes:
        steps: solver steps, each of which asks the model with and without the prompt.
        guidance: scale of classifier-free guidance; 1 is no guidance.
        shift: timestep shift of the noise levels.
        negative_prompt: what guidance steers away from.
    """

    steps: int = Field(default=10, gt=0, le=MOST_STEPS)
    guidance: float = Field(default=4.0, ge=1)
    shift: float = Field(default=4.0, gt=0)
    negative_prompt: str = ""


class PipelineSettings(FiniteModel):
    """What may be chosen in place of a pipeline's own defaults, which None keeps.

    Attributes:
        steps: solver steps.
        guidance: scale of classifier-free guidance.
        shift: timestep shift of the scheduler.
        negative_prompt: what guidance steers away from; without one, the empty prompt.
    """

    steps: int | None = Field(default=None, gt=0, le=MOST_STEPS)
    guidance: float | None = Field(default=None, ge=1)
    shift: float | None = Field(default=None, gt=0)
    negative_prompt: str | None = None


class StreamingOptions(FiniteModel):
    """What may be chosen beside what the generator was trained for.

    Attributes:
        policy: what the stream remembers, and at which positions.
        few_steps: list of steps before the shift in place of the generator's own, e.g. (1000, 500).
        first_chunk_steps: the list of the first chunk, where it differs (Causal-Forcing++).
        negative_prompt: what guidance steers away from, where the generator uses guidance.
    """

    policy: ContextPolicy = TRAINED_WINDOW
    few_steps: FewSteps | None = None
    first_chunk_steps: FewSteps | None = None
    negative_prompt: str = ""
