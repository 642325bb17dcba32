"""How the sampling ODE is solved; torch-free, so that the command line can show the defaults."""

from pydantic import Field

from probekit.config import StrictModel


class SamplerSettings(StrictModel):
    """How the ODE is solved.

    Attributes:
        steps: solver steps, each of which asks the model with and without the prompt.
        guidance: scale of classifier-free guidance; 1 is no guidance.
        shift: timestep shift of the noise levels.
        negative_prompt: what guidance steers away from.
    """

    steps: int = Field(default=10, gt=0)
    guidance: float = Field(default=4.0, ge=1)
    shift: float = Field(default=4.0, gt=0)
    negative_prompt: str = ""
