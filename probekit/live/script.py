"""What a watcher did, in a form that repeats it: first prompt and seed, and changes chunk by chunk. Torch-free."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, field_validator

from probekit.config import StrictModel
from probekit.config_errors import validated
from probekit.errors import UserError

MOST_FORKS: Final = 6
"""Rollouts beside the first that one model continues at most."""
LARGEST_SEED: Final = 2**53 - 1
"""The largest whole number that JavaScript can say."""
MOST_CHUNKS: Final = 100_000
MOST_CHARACTERS: Final = 2000

Chunk = Annotated[int, Field(strict=True, ge=0, le=MOST_CHUNKS)]
Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]
PromptText = Annotated[
    str,
    StringConstraints(
        strict=True, strip_whitespace=True, min_length=1, max_length=MOST_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
"""One line; what a shell's command can hold."""

_AT: Final = re.compile(r"([0-9]{1,6}):(prompt|seed|forks)=(.*)", re.DOTALL)
_WRITTEN: Final = "Write CHUNK:seed=N, CHUNK:prompt=TEXT or CHUNK:forks=N,N, for example 3:seed=7."


class Change(StrictModel):
    """A change that holds from the beginning of a chunk on; None leaves as it was.

    Attributes:
        chunk: zero-based number of the first chunk that it holds for.
        prompt: prompt of all rollouts.
        seed: seed of the first rollout's noise.
        forks: seeds of the rollouts that go on from this state beside the first; an empty list ends them.
    """

    chunk: Chunk
    prompt: PromptText | None = None
    seed: Seed | None = None
    forks: tuple[Seed, ...] | None = Field(default=None, max_length=MOST_FORKS)

    @field_validator("forks")
    @classmethod
    def _are_different(cls, forks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if forks is not None and len(set(forks)) < len(forks):
            raise ValueError("two forks with one seed would be the same video")
        return forks

    def then(self, later: "Change") -> "Change":
        """Both changes of one chunk as one; where both set a field, the later one holds."""
        return self.model_copy(update=later.model_dump(exclude_none=True))

    def options(self) -> list[str]:
        """The change as options of the command, e.g. `--at 3:seed=7`."""
        values = {"prompt": self.prompt, "seed": self.seed, "forks": _listed(self.forks)}
        texts = [f"{self.chunk}:{name}={value}" for name, value in values.items() if value is not None]
        return [word for text in texts for word in ("--at", text)]


class Script(StrictModel):
    """What is watched, from the first chunk on.

    Attributes:
        prompt: first prompt.
        seed: first seed of the noise.
        changes: changes in the order of their chunks, one per chunk.
    """

    prompt: PromptText
    seed: Seed = 0
    changes: tuple[Change, ...] = ()

    def at(self, chunk: int) -> Change:
        """What changes at a chunk; a change of nothing where nothing does."""
        return next((change for change in self.changes if change.chunk == chunk), Change(chunk=chunk))

    def with_change(self, change: Change) -> Self:
        """The script with one more change, which takes those of later chunks away."""
        before = tuple(one for one in self.changes if one.chunk < change.chunk)
        return self.model_copy(update={"changes": (*before, self.at(change.chunk).then(change))})

    def options(self) -> list[str]:
        """The script as options of the command."""
        first = ["--prompt", self.prompt, "--seed", str(self.seed)]
        return [*first, *(word for change in self.changes for word in change.options())]


def script_of(prompt: str, seed: int, at: Sequence[str]) -> Script:
    """The script that a command's options say.

    Args:
        prompt: first prompt.
        seed: first seed.
        at: changes as `CHUNK:NAME=VALUE`, in any order; of two for one field of one chunk the last holds.

    Raises:
        UserError: naming the option that does not fit.
    """
    script = validated(Script, {"prompt": prompt, "seed": seed}, "the command's options")
    for change in sorted(map(_parsed, at), key=lambda one: one.chunk):
        script = script.with_change(change)
    return script


def _parsed(text: str) -> Change:
    match = _AT.fullmatch(text)
    if match is None:
        raise UserError(f"--at {text!r} is no change.", _WRITTEN)
    chunk, name, value = match.groups()
    return validated(Change, {"chunk": int(chunk), name: _value(name, value, text)}, f"--at {text!r}")


def _value(name: str, value: str, text: str) -> Any:
    if name == "prompt":
        return value
    parts = [part for part in value.split(",") if part or name == "seed"]
    if not all(re.fullmatch(r"[0-9]{1,16}", part) for part in parts) or (name == "seed" and len(parts) != 1):
        raise UserError(f"--at {text!r} has a seed that is no whole number.", _WRITTEN)
    return int(parts[0]) if name == "seed" else tuple(map(int, parts))


def _listed(forks: tuple[int, ...] | None) -> str | None:
    return None if forks is None else ",".join(map(str, forks))
