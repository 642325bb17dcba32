"""The name of one video. Files are named by key, never by prompt text, which is too long and not unique."""

import re
from dataclasses import dataclass
from typing import Self

from probekit.errors import UserError

_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_FILENAME = re.compile(rf"(?P<suite>{_FIELD.pattern})__(?P<prompt_id>{_FIELD.pattern})__(?P<sample>\d{{3,}})\.mp4")
_LONGEST_NAME = 255  # bytes, of every common file system
_ALLOWED = "Use ASCII letters, digits, dots and hyphens, and begin with a letter or digit."


@dataclass(frozen=True, order=True, slots=True)
class SampleKey:
    """One sampled video of one prompt of one suite; sorts by suite, prompt and sample.

    Raises:
        UserError: A field has characters that are not allowed in it.
    """

    suite: str
    prompt_id: str
    sample: int
    """Index of the video among those of the prompt, from 0."""

    def __post_init__(self) -> None:
        """Refuse fields that would not come back from a file name."""
        for name, value in (("suite", self.suite), ("prompt_id", self.prompt_id)):
            if not _FIELD.fullmatch(value):
                raise UserError(f"The {name} {value!r} cannot be part of a file name.", _ALLOWED)
        if len(self.filename()) > _LONGEST_NAME:
            raise UserError(
                f"The prompt_id {self.prompt_id[:40]}... of {len(self.prompt_id)} characters makes too long a name.",
                "Shorten it to 200 or fewer.",
            )
        if self.sample < 0:
            raise UserError(f"The sample index {self.sample} is negative.", "Count samples from 0.")

    def filename(self) -> str:
        """Return ``<suite>__<prompt_id>__<sample>.mp4``, the sample in three digits or more."""
        return f"{self.suite}__{self.prompt_id}__{self.sample:03d}.mp4"

    @classmethod
    def parse(cls, filename: str) -> Self:
        """Return the key whose `filename` is ``filename``.

        Raises:
            UserError: No key has this file name.
        """
        match = _FILENAME.fullmatch(filename)
        key = cls(match["suite"], match["prompt_id"], int(match["sample"])) if match else None
        if key is None or key.filename() != filename:
            raise UserError(
                f"{filename!r} is not the name of a sample.",
                "Name it <suite>__<prompt_id>__<sample>.mp4, the sample in three digits.",
            )
        return key
