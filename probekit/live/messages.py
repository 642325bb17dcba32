"""What a page and the server say to one another: every message of a page is held against a schema."""

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from probekit.config import StrictModel
from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.live.script import Change, Chunk, PromptText, Seed
from probekit.run_folder.preferences import Choice
from probekit.user_files.json_files import parse_json

if TYPE_CHECKING:
    from probekit.live.live_session import Step

LONGEST_MESSAGE: Final = 16_384
"""Characters."""
_HEAD_BYTES: Final = 4
_RELOAD: Final = "Load the page again."


class Shown(StrictModel):
    """The page has shown all frames of a chunk."""

    kind: Literal["shown"]
    chunk: Chunk


class ChangeAsked(Change):
    """Go on otherwise from a chunk on."""

    kind: Literal["change"]

    def change(self) -> Change:
        """The change alone."""
        return Change(**self.model_dump(exclude={"kind"}))


class StartAsked(StrictModel):
    """Begin again with a prompt and a seed."""

    kind: Literal["start"]
    prompt: PromptText
    seed: Seed


class ExportAsked(StrictModel):
    """Send what has been generated as a file.

    Attributes:
        kind: what is asked.
        suffix: kind of file: the whole film, or one frame.
        frame: zero-based number of the frame that a still shows.
    """

    kind: Literal["export"]
    suffix: Literal[".mp4", ".png"]
    frame: Annotated[int, Field(strict=True, ge=0, le=10**7)] = 0


class Chosen(StrictModel):
    """Which of two videos is better."""

    kind: Literal["choice"]
    choice: Choice


Message = Shown | ChangeAsked | StartAsked | ExportAsked | Chosen
_KINDS: Final[Mapping[str, type[Message]]] = {
    "shown": Shown,
    "change": ChangeAsked,
    "start": StartAsked,
    "export": ExportAsked,
    "choice": Chosen,
}


def parse_message(text: str | bytes | None) -> Message:
    """A message of the page.

    Raises:
        UserError: it is no text, too long, no JSON object, of no known kind, or a value does not fit.
    """
    if not isinstance(text, str):
        raise UserError("A message is not text.", _RELOAD)
    if len(text) > LONGEST_MESSAGE:
        raise UserError(f"A message has {len(text)} characters.", f"Send {LONGEST_MESSAGE} at most.")
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UserError(f"A message is not JSON: {error}.", _RELOAD) from error
    kind = document.get("kind") if isinstance(document, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise UserError("A message is of no known kind.", f"Send one of {', '.join(_KINDS)}.")
    return validated(model, document, "The message")


def error_text(error: UserError) -> str:
    """An error for the page."""
    return said("error", problem=error.problem, fix=error.fix)


def said(kind: str, **facts: Any) -> str:
    """A message to the page."""
    return json.dumps({"kind": kind, **facts})


def file_text(name: str, content: bytes, command: str) -> str:
    """A file for the page, with the command that makes it again."""
    return said("file", name=name, content=base64.b64encode(content).decode("ascii"), command=command)


def step_bytes(step: "Step") -> bytes:
    """A chunk of every lane: length of the head (4 bytes, little-endian), head as JSON, then RGB bytes.

    The pictures follow in the order of the head: each lane's frames, then its readouts in the order of their chunks
    ahead.
    """
    lanes: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for model, forked, live in step:
        lanes.append(
            {
                "model": model,
                "forked": forked,
                "seed": live.seed,
                "prompt": live.prompt,
                "frames": len(live.frames),
                "readouts": list(live.readouts),
                "errors": live.errors,
                "copies": live.copies,
                "seconds": live.seconds,
            }
        )
        parts += [live.frames.tobytes(), *(picture.tobytes() for picture in live.readouts.values())]
    first = step[0].live
    head = {"kind": "step", "chunk": first.chunk, "size": first.frames.shape[1:3], "lanes": lanes}
    encoded = json.dumps(head).encode()
    return b"".join([len(encoded).to_bytes(_HEAD_BYTES, "little"), encoded, *parts])
