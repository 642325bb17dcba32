"""How a diffusers pipeline is called; torch-free, so that the command line can read it."""

from pydantic import Field

from probekit.config import StrictModel


class PipelineSettings(StrictModel):
    """What may be chosen in place of a pipeline's own defaults, which None keeps.

    Attributes:
        steps: solver steps.
        guidance: scale of classifier-free guidance.
        shift: timestep shift of the scheduler.
        negative_prompt: what guidance steers away from; without one, the empty prompt.
    """

    steps: int | None = Field(default=None, gt=0)
    guidance: float | None = Field(default=None, ge=1)
    shift: float | None = Field(default=None, gt=0)
    negative_prompt: str | None = None
