"""Survivors that are known: changes that nothing can notice, and those that nobody needs to notice."""

import tomllib
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.mutants.session import Change, plain

ACCEPTED: Final = Path(__file__).with_name("accepted.toml")
KINDS: Final = ("equivalent", "accepted")


class Known(NamedTuple):
    """A known survivor.

    Attributes:
        module: name by which the module is imported.
        function: dotted name of the function, or an empty text.
        before: the line as it is.
        after: the line with the change; "*" for every change of this line.
        reason: begins with "equivalent:" or "accepted:".
    """

    module: str
    function: str
    before: str
    after: str
    reason: str


def read_accepted(path: Path) -> list[Known]:
    """Known survivors of a file.

    Raises:
        ValueError: A reason does not say whether the change is equivalent or accepted.
    """
    if not path.exists():
        return []
    known = [Known(**row) for row in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])]
    for row in known:
        kind, colon, why = row.reason.partition(":")
        if kind not in KINDS or not colon or not why.strip():
            raise ValueError(f"{path}: a reason begins with equivalent: or accepted: and says why, unlike {row}.")
    return known


def reason_of(known: list[Known], module: str, change: Change) -> str:
    """Reason why a change survives, or an empty text if it is not known."""
    for row in known:
        if (row.module, row.function, plain(row.before)) == (module, change.function, change.before):
            if row.after == "*" or plain(row.after) == change.after:
                return row.reason
    return ""
