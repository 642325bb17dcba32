"""The user's own prompt files: lists to make a suite from, and longer versions of the prompts of a benchmark.

A file is text of one prompt a line, or a CSV with the column prompt_id and a column of prompts.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from probekit.errors import UserError
from probekit.run_folder.sample_key import SampleKey
from probekit.suites.suite import Prompt, Suite

_EXTENDED_COLUMNS = ("prompt_id", "extended")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


def suite_from_file(
    path: Path, *, seconds: float, size: tuple[int, int], samples: int = 1, chunk_frames: int = 3, fps: int = 16
) -> Suite:
    """Build a suite from a prompt file.

    Args:
        path: `.csv` with the columns prompt_id and prompt, or any other file with one prompt a line.
        seconds: least length of a video; it is rounded up to whole chunks.
        size: rows and columns of a frame in pixels.
        samples: videos of each prompt.
        chunk_frames: latent frames generated together.
        fps: frames a second.

    Raises:
        UserError: naming the line of an empty or duplicate prompt or identifier.
    """
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}.", "Give a .txt or .csv file.")
    prompts = _from_csv(path) if path.suffix == ".csv" else _from_lines(path)
    if not prompts:
        raise UserError(f"{path} holds no prompts.", "Write one prompt a line.")
    name = _NOT_IN_NAMES.sub("-", path.stem).strip("-.") or "prompts"
    frames = frames_of(seconds, chunk_frames, fps)
    return Suite(name, tuple(prompts), samples, frames, f"{seconds:g}s", *size, fps)


def frames_of(seconds: float, chunk_frames: int = 3, fps: int = 16) -> int:
    """RGB frames of the fewest whole chunks that last at least so long: 81 for 5 s, 489 for 30 s.

    Raises:
        UserError: if the length is not positive.
    """
    if seconds <= 0:
        raise UserError(f"A video cannot last {seconds:g} s.", "Give a positive --seconds.")
    latent_frames = -(-round(seconds * fps) // 4) + 1
    return 1 + 4 * (-(-latent_frames // chunk_frames) * chunk_frames - 1)


def _from_lines(path: Path) -> list[Prompt]:
    lines = path.read_text(encoding="utf-8").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise UserError(f"{path}, line {number}: the prompt is empty.", "Delete the line, so that none is lost.")
        rows.append(Prompt(f"p{number - 1:04d}", line.strip()))
    return rows


def _from_csv(path: Path) -> list[Prompt]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"prompt_id", "prompt"} - set(reader.fieldnames or ())
        if missing:
            raise UserError(f"{path} has no column {', '.join(sorted(missing))}.", "Name columns prompt_id and prompt.")
        seen: dict[str, int] = {}
        prompts = []
        for number, row in enumerate(reader, start=2):
            identifier, text = (row["prompt_id"] or "").strip(), (row["prompt"] or "").strip()
            for what, value in (("prompt_id", identifier), ("prompt", text)):
                if not value:
                    raise UserError(f"{path}, line {number}: the {what} is empty.", "Fill it in, or delete the row.")
            if identifier in seen:
                raise UserError(
                    f"{path}, line {number}: prompt_id {identifier!r} is also on line {seen[identifier]}.",
                    "Give every prompt an identifier of its own.",
                )
            SampleKey("suite", identifier, 0)  # refuses what cannot be part of a file name
            seen[identifier] = number
            prompts.append(Prompt(identifier, text))
    return prompts


def read_lines(path: Path) -> list[str]:
    """Lines of a prompt file without the ends that upstream data loaders drop too; empty lines at the end are left out.

    Raises:
        UserError: the file is absent or not text, or a line in between is empty.
    """
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}.", "give a text file of one prompt a line.")
    try:
        lines = [line.rstrip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8.", "save it as UTF-8.") from error
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise UserError(f"{path}, line {lines.index('') + 1}: the prompt is empty.", "every line is one prompt's.")
    return lines


def read_extended(path: Path, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """Read the extended text of each prompt.

    Args:
        path: `.csv` with the columns prompt_id and extended, or any other file with one prompt a line in their order.
        prompts: all prompts of the benchmark.

    Returns:
        One text for each prompt, in their order.

    Raises:
        UserError: the file is absent, has another number of lines, or lacks or repeats a prompt.
    """
    if path.suffix.lower() == ".csv":
        return _extended_from_csv(path, prompts)
    lines = read_lines(path)
    if len(lines) != len(prompts):
        raise UserError(
            f"{path} has {len(lines)} lines for {len(prompts)} prompts.",
            "give one line an entry in the order of the benchmark's list, or a CSV with prompt_id and extended.",
        )
    return tuple(lines)


def _extended_from_csv(path: Path, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}.", "give a CSV with the columns prompt_id and extended.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(_EXTENDED_COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise UserError(f"{path} has no column {', '.join(sorted(missing))}.", "name prompt_id and extended.")
        texts: dict[str, str] = {}
        for row in reader:
            identifier, text = (row["prompt_id"] or "").strip(), (row["extended"] or "").strip()
            if not text or identifier in texts:
                problem = "appears twice" if identifier in texts else "has no text"
                raise UserError(f"{path}, line {reader.line_num}: {identifier!r} {problem}.", "mend that line.")
            texts[identifier] = text
    known = [prompt.prompt_id for prompt in prompts]
    for identifier in sorted(set(known) ^ set(texts)):
        problem = "has no line" if identifier in known else "is no prompt of the benchmark"
        raise UserError(f"{path}: {identifier!r} {problem}.", f"give the {len(known)} identifiers, each once.")
    return tuple(texts[identifier] for identifier in known)
