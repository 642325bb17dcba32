"""What a sweep reads from its training runs beside their scores."""

from typing import Annotated, Literal

from pydantic import Field

from probekit.config import StrictModel

ReadingPart = Literal["probes", "alignment", "gradients", "permanence"]


class SweepReadings(StrictModel):
    """What is read from runs.

    Attributes:
        parts: probes of the next chunks' frames, alignment with an encoder's view of them, whether foresight's gradient
            agrees with the score's, and which attributes of sprites last in the scored videos.
        suite: suite whose prompts are rolled out for probes and alignment, one video each.
        prompts: number of its prompts.
        site: state that is read, e.g. `blocks.3@step3`.
        horizons: chunks ahead.
        encoder: bidirectional model that states are held against.
        batches: generator updates whose gradients are taken, none of which is made.
        runs: training runs of each row that are read; further ones are scored alone.
    """

    parts: tuple[ReadingPart, ...] = Field(default=("probes", "alignment", "gradients", "permanence"), min_length=1)
    suite: str = "sprite-probes"
    prompts: int = Field(default=80, gt=0)
    site: str = "blocks.3@step3"
    horizons: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(1, 2, 3), min_length=1)
    encoder: str = "sprite-base"
    batches: int = Field(default=8, ge=4)
    runs: int = Field(default=2, gt=0)
