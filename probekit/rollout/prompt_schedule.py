"""Which prompt a chunk reads: one for the whole video, or another from some chunk on."""

from collections.abc import Mapping

from probekit.errors import UserError
from probekit.models.text_context import TextContext


class PromptSchedule:
    """Prompts by the chunk from which they hold; a new prompt has its own cross-attention keys and values.

    Args:
        starts: first chunk of each prompt; one begins at 0.

    Raises:
        UserError: if no prompt begins at chunk 0.
    """

    def __init__(self, starts: Mapping[int, TextContext]) -> None:
        if 0 not in starts:
            raise UserError("No prompt begins at chunk 0.", "Give the first prompt the start 0.")
        self._starts = dict(sorted(starts.items()))

    def at(self, chunk: int) -> TextContext:
        """The prompt of a chunk; given first latents (chunk -1) read the first one."""
        return self._starts[max(start for start in self._starts if start <= max(chunk, 0))]
