"""Choices between two blind videos, one line per choice as it is made; a table that `probekit compare` reads."""

from pathlib import Path
from typing import Final, Literal

from pydantic import model_validator

from probekit.config import StrictModel
from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.journal import read_journal

Choice = Literal["left", "right", "tie"]
"""Which of two videos is better."""

_FIX: Final = "Give a file that `probekit watch --preferences` wrote."


class Preference(StrictModel):
    """One choice.

    Attributes:
        left: name of the model that was shown on the left.
        right: name of the other one.
        left_hash: hash of the left model's weights.
        right_hash: hash of the right model's weights.
        prompt_id: identifier of the prompt.
        prompt: prompt of both videos.
        seed: seed of both videos' noise.
        order_seed: seed of the sides.
        chunks: chunks that were shown.
        choice: answer.
    """

    left: str
    right: str
    left_hash: str | None
    right_hash: str | None
    prompt_id: str
    prompt: str
    seed: int
    order_seed: int
    chunks: int
    choice: Choice

    @model_validator(mode="after")
    def _has_two_models(self) -> "Preference":
        if self.left == self.right:
            raise ValueError("a model is not compared with itself")
        return self


def read_preferences(path: Path) -> list[Preference]:
    """The choices of a file, in the order in which they were made.

    Raises:
        UserError: there is no such file, no choice in it, a line is no choice, or one name stands for two weights.
    """
    if not path.is_file():
        raise UserError(f"There is no file of choices {path}.", _FIX)
    found = [validated(Preference, entry.value, f"{path}, line {entry.number}") for entry in read_journal(path)]
    if not found:
        raise UserError(f"{path} holds no choice.", _FIX)
    refuse_mixed_weights(found, path)
    return found


def refuse_mixed_weights(choices: list[Preference], path: Path) -> None:
    """Refuse choices in which one name stands for two models.

    Raises:
        UserError: naming the model.
    """
    hashes: dict[str, str | None] = {}
    for choice in choices:
        for name, weights in ((choice.left, choice.left_hash), (choice.right, choice.right_hash)):
            if hashes.setdefault(name, weights) != weights:
                raise UserError(f"{path} has choices of two models named {name}.", "Keep a file per pair of models.")
