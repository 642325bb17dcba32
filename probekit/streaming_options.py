"""How a streaming generator is run; torch-free, so that bad combinations are refused before anything loads."""

from pydantic import Field

from probekit.config import StrictModel
from probekit.context_policy import TRAINED_WINDOW, ContextPolicy


class StreamingOptions(StrictModel):
    """What may be chosen beside what the generator was trained for.

    Attributes:
        policy: what the stream remembers, and at which positions.
        few_steps: list of steps before the shift in place of the generator's own, e.g. (1000, 500).
        first_chunk_steps: the list of the first chunk, where it differs (Causal-Forcing++).
        negative_prompt: what guidance steers away from, where the generator uses guidance.
    """

    policy: ContextPolicy = TRAINED_WINDOW
    few_steps: tuple[int, ...] | None = Field(default=None, min_length=1)
    first_chunk_steps: tuple[int, ...] | None = Field(default=None, min_length=1)
    negative_prompt: str = ""
