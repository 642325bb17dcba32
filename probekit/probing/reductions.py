"""What is kept of a state: all of it, a mean per frame, some of its tokens, or a random projection."""

import re
from typing import Final, Literal, NamedTuple, Self

import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.seeding import counter_seed

Kind = Literal["all", "mean", "tokens", "project"]
_TEXT: Final = re.compile(r"(all|mean)|(tokens|project):(\d{1,6})")


class Reduction(NamedTuple):
    """How (B, n·T, W) becomes (B, n, T', W').

    Attributes:
        kind: ``all`` keeps every token; ``mean`` averages a frame's tokens; ``tokens`` keeps `size` tokens of each
            frame, the same ones everywhere; ``project`` multiplies each token with a seeded Gaussian matrix to width
            `size` (Johnson and Lindenstrauss: distances are kept on average).
        size: tokens or width; 0 where the kind has none.
    """

    kind: Kind = "all"
    size: int = 0

    @property
    def text(self) -> str:
        """As written on the command line: ``all``, ``mean``, ``tokens:64``, ``project:32``."""
        return f"{self.kind}:{self.size}" if self.size else self.kind

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reduction of a text.

        Raises:
            UserError: the text is none.
        """
        match = _TEXT.fullmatch(text)
        if match is None or match[3] == "0":
            raise UserError(f"{text[:40]!r} is no way to reduce states.", "Write all, mean, tokens:64 or project:32.")
        return cls(match[1]) if match[1] else cls(match[2], int(match[3]))  # type: ignore[arg-type]

    def apply(self, state: Tensor, frames: int) -> Tensor:
        """Reduce a state (B, n·T, W) of n frames."""
        tokens: Tensor = state.unflatten(1, (frames, -1))
        if self.kind == "mean":
            tokens = tokens.float().mean(dim=2, keepdim=True)
        elif self.kind == "tokens":
            tokens = tokens[:, :, kept_tokens(tokens.shape[2], self.size)]
        elif self.kind == "project":
            tokens = tokens.float() @ projection(tokens.shape[3], self.size).to(tokens.device)
        return tokens

    def shape(self, tokens: int, width: int) -> tuple[int, int]:
        """(T', W') of what is left of T tokens per frame of width W."""
        if self.kind == "mean":
            return 1, width
        if self.kind == "tokens":
            return min(self.size, tokens), width
        return tokens, self.size if self.kind == "project" else width


def kept_tokens(tokens: int, size: int) -> Tensor:
    """Indices of `size` of a frame's tokens, evenly spread in the order of rows and columns."""
    return torch.linspace(0, tokens - 1, min(size, tokens)).round().long()


def projection(width: int, size: int) -> Tensor:
    """Gaussian matrix (width, size) with variance 1/size, a function of its shape alone."""
    rng = torch.Generator().manual_seed(counter_seed("state-projection", width, size) % 2**63)
    matrix: Tensor = torch.randn(width, size, generator=rng) / size**0.5
    return matrix
