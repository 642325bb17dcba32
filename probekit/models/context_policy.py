"""What a streaming generator remembers: which earlier latent frames stay in its cache, and at which positions."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from pydantic import Field, model_validator

from probekit.choices import Rotary
from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.models.presets import TRAINED_FRAMES


class Positions(NamedTuple):
    """Rotary positions of latent frames: those in the cache and those of the open chunk."""

    context: tuple[int, ...]
    chunk: tuple[int, ...]


class ContextPolicy(StrictModel):
    """Sink and rolling window of latent frames, as in StreamingLLM (arXiv 2309.17453) and Self-Forcing.

    Attributes:
        window_frames: latent frames that attention sees, the current chunk and the sink among them; None is all.
        sink_frames: first frames that are never dropped.
        rotary: `absolute` keeps each frame's number in the video, as the reference code does; `re-indexed` counts
            the frames that attention sees from 0, so that positions stay within the window; `sink-beside-window`
            keeps the window's frame numbers and turns the sink to the positions just before it (Rolling-Forcing,
            arXiv 2509.25161).
    """

    window_frames: int | None = Field(default=None, gt=0)
    sink_frames: int = Field(default=0, ge=0)
    rotary: Rotary = "absolute"

    @model_validator(mode="after")
    def _sink_fits(self) -> Self:
        if self.window_frames is not None and self.sink_frames >= self.window_frames:
            raise ValueError(f"sink_frames {self.sink_frames} leave no room in window_frames {self.window_frames}")
        return self

    def kept_slots(self, cached: int, incoming: int) -> tuple[int, ...]:
        """Cache slots that stay when a chunk of `incoming` frames arrives: the sink and the newest others.

        Raises:
            UserError: if the chunk and the sink exceed the window.
        """
        if self.window_frames is None:
            return tuple(range(cached))
        sink = min(self.sink_frames, cached)
        newest = self.window_frames - incoming - sink
        if newest < 0:
            raise UserError(
                f"A chunk of {incoming} frames and a sink of {self.sink_frames} exceed a window of "
                f"{self.window_frames} latent frames.",
                "Widen window_frames or shorten sink_frames.",
            )
        return (*range(sink), *range(max(sink, cached - newest), cached))

    def positions(self, context_frames: Sequence[int], first_frame: int, incoming: int) -> Positions:
        """Rotary positions while the chunk that begins at `first_frame` is open."""
        cached = len(context_frames)
        own = tuple(range(first_frame, first_frame + incoming))
        if self.rotary == "absolute":
            return Positions(tuple(context_frames), own)
        if self.rotary == "sink-beside-window":
            return Positions(tuple(range(first_frame - cached, first_frame)), own)
        return Positions(tuple(range(cached)), tuple(range(cached, cached + incoming)))

    def check_length(self, frames: int, table_frames: int) -> None:
        """Refuse a rollout whose positions would leave the rotary table.

        Raises:
            UserError: naming the policies that can go on.
        """
        bounded = self.rotary == "re-indexed" and self.window_frames is not None
        longest = self.window_frames if bounded and self.window_frames else frames
        if longest > table_frames:
            raise UserError(
                f"{frames} latent frames need rotary positions up to {longest - 1}; the table ends at "
                f"{table_frames - 1}.",
                "Use rotary: re-indexed with a window_frames, e.g. window_frames=21 sink_frames=3.",
            )

    @property
    def window_name(self) -> str:
        """The window in words, for protocol cards."""
        window = "all frames" if self.window_frames is None else f"window {self.window_frames}"
        return f"{window}, sink {self.sink_frames}"


FULL_CONTEXT: Final = ContextPolicy()
TRAINED_WINDOW: Final = ContextPolicy(window_frames=TRAINED_FRAMES, sink_frames=3, rotary="re-indexed")
"""Within 21 latent frames this is the full context; beyond them positions stay in the trained range."""
