"""JSON of a user's file within bounds: depth, size of numbers, one meaning for each key, whole characters."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.user_files.text import lines_of, read_text

MOST_NESTED: Final = 64
INTEGER_BITS: Final = 64

_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
_MAY_HOLD_HALVES: Final = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
"""Text of a document without a match holds whole characters alone; most have none, and need no look at each text."""


class _Refused(ValueError):
    """A value that JSON can say and this project does not take."""


def read_json(path: Path, *, what: str = "JSON file", fix: str, allow_nan: bool = False) -> Any:
    """Read a JSON file of the user.

    Args:
        path: place of the file.
        what: name of the kind of file in messages.
        fix: advice where the file is absent or no JSON.
        allow_nan: whether NaN and infinities are read.

    Raises:
        UserError: As `read_text`, or the content is no JSON or goes beyond its bounds.
    """
    text = read_text(path, what=what, fix=fix)
    try:
        return parse_json(text, allow_nan=allow_nan)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", fix) from error


def json_holds(path: Path, content: Any) -> bool:
    """Whether a JSON file holds exactly this; one that is absent or damaged does not."""
    try:
        return bool(read_json(path, fix="Delete it.") == content)
    except UserError:
        return False


def read_json_object(path: Path, *, what: str = "JSON file", fix: str, allow_nan: bool = False) -> dict[str, Any]:
    """Read a JSON file of keys and values; arguments as `read_json`.

    Raises:
        UserError: As `read_json`, or the file holds something else.
    """
    found = read_json(path, what=what, fix=fix, allow_nan=allow_nan)
    if not isinstance(found, dict):
        raise UserError(f"{path} holds a {type(found).__name__}, not keys and values.", fix)
    return found


def read_json_lines(path: Path, *, what: str, fix: str) -> list[tuple[int, dict[str, Any]]]:
    """Read a file of one JSON object a line, with the numbers of the lines; empty lines are passed over.

    Args:
        path: place of the file.
        what: name of the kind of file in messages.
        fix: advice where there is no such file.

    Raises:
        UserError: As `read_text`, or naming a line that is no object within bounds.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    for number, line in lines_of(read_text(path, what=what, fix=fix), path):
        if not line.strip():
            continue
        try:
            document = parse_json(line, allow_nan=True)
        except ValueError as error:
            raise UserError(f"{path}, line {number} is not JSON: {error}.", "Delete the line.") from error
        if not isinstance(document, dict):
            raise UserError(f"{path}, line {number} is not a record.", "Delete the line.")
        found.append((number, document))
    return found


def parse_json(text: str, *, allow_nan: bool = False) -> Any:
    """Parse JSON.

    Args:
        text: text of the document.
        allow_nan: whether NaN and infinities are read.

    Raises:
        ValueError: The text is no JSON, nests deeper than 64 levels, repeats a key, or holds an integer of more than 64
            bits, a number that is not finite or half a character.
    """
    constant = float if allow_nan else _refuse_constant
    try:
        document = json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=constant,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise _Refused(f"it nests deeper than {MOST_NESTED} levels") from error
    _check_depth(document)
    if _MAY_HOLD_HALVES.search(text):
        _check_characters(document)
    return document


def _refuse_constant(name: str) -> float:
    raise _Refused(f"it holds {name}, which is no number")


def _integer(digits: str) -> int:
    # Python refuses to convert thousands of digits; a double turns hundreds into infinity.
    if len(digits) > INTEGER_BITS or int(digits).bit_length() > INTEGER_BITS:
        raise _Refused(
            f"it holds an integer of {len(digits.lstrip('-'))} digits, more than {INTEGER_BITS} bits can say"
        )
    return int(digits)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"it holds {text[:20]}, which is no finite number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _Refused(f"the key {repeated!r} stands twice in one object")
    return made


def _check_depth(document: Any) -> None:
    """Refuse what is too deep to be walked through."""
    level: list[Any] = [[document]]
    for _ in range(MOST_NESTED + 1):
        level = [value for container in level for value in _values(container) if isinstance(value, dict | list)]
    if level:
        raise _Refused(f"it nests deeper than {MOST_NESTED} levels")


def _check_characters(document: Any) -> None:
    """Refuse texts that no file could hold."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and _HALF_CHARACTER.search(value):
            raise _Refused(f"it holds half a character, in {value[:40]!r}")
        if isinstance(value, dict):
            waiting += [*reversed(value.values()), *reversed(value.keys())]
        elif isinstance(value, list):
            waiting += reversed(value)


def _values(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
