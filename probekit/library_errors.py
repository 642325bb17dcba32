"""What libraries raise about a file that they cannot read, as one sentence for its owner. Torch-free."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from probekit.errors import UserError

_LONGEST: Final = 300


@contextmanager
def reading(problem: str, fix: str) -> Iterator[None]:
    """Turn any error of the block into a `UserError`; the block holds calls of libraries alone, on files of the user.

    A list of classes would not do: on damaged files diffusers and transformers fail in whichever line comes first, and
    tokenizers raises `Exception` itself.

    Args:
        problem: what cannot be done, naming the file; the library's words follow after a colon.
        fix: what to do about it.

    Raises:
        UserError: in place of every error but a `UserError`.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{problem}: {said(error)}.", fix) from error


def said(error: BaseException) -> str:
    """The words of an error in one line of at most 300 characters; the name of its class where it has none."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, KeyError) or not words:
        words = f"{type(error).__name__} {words}".rstrip()
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
