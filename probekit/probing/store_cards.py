"""Who a folder of results belongs to: its card, written once and held against every later call. Torch-free."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from probekit.atomic_files import write_json
from probekit.config import StrictModel
from probekit.errors import UserError


def claim(path: Path, card: StrictModel, read: Callable[[Path], StrictModel], content: str) -> None:
    """Write the card of a new folder; refuse one that was made with something else.

    Args:
        path: place of the card, in the folder.
        card: what the folder is to hold.
        read: reads the card of a folder.
        content: name of what the folder holds, for the message.

    Raises:
        UserError: naming the first field that differs.
    """
    if not path.is_file():
        write_json(path, card.model_dump(mode="json"))
        return
    ours, theirs = card.model_dump(mode="json"), read(path.parent).model_dump(mode="json")
    for name, own, found in _different("", ours, theirs):
        raise UserError(
            f"{path.parent} holds {content} with {name} = {str(found)[:80]}, not {str(own)[:80]}.",
            "Choose another folder, or delete that one.",
        )


def _different(prefix: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours:
            yield from _different(f"{prefix}{name}.", ours[name], theirs.get(name))
    elif ours != theirs:
        yield prefix.rstrip("."), ours, theirs
