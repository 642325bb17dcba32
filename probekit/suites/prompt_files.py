"""The user's own prompt files: lists to make a suite from, and longer versions of the prompts of a benchmark.

Every kind of file is read that `probekit.user_files` knows: one prompt per line, CSV, TSV, JSON, JSON lines, Parquet.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.run_folder.sample_key import SampleKey
from probekit.suites.suite import Prompt, Suite
from probekit.user_files.prompts import PROMPT_COLUMNS, PromptEntry, read_prompt_entries, repeated_texts

_EXTENDED = "extended"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


def suite_from_file(path: Path, *, seconds: float, geometry: LatentGeometry, samples: int = 1) -> Suite:
    """Build a suite from a prompt file.

    Args:
        path: prompt file, as `read_prompt_entries` reads it; without a column prompt_id a prompt is named by its place.
        seconds: least length of a video; it is rounded up to whole chunks.
        geometry: sizes of a frame and of a chunk.
        samples: videos of each prompt.

    Raises:
        UserError: as `read_prompt_entries`, or naming the line of an empty or repeated prompt or identifier.
    """
    entries = read_prompt_entries(path)
    if not entries:
        raise UserError(f"{path} holds no prompts.", "Write one prompt per line.")
    prompts = _prompts(path, entries)
    name = _NOT_IN_NAMES.sub("-", path.stem).strip("-.") or "prompts"
    frames, size = geometry.frames_for(seconds), (geometry.rgb_height, geometry.rgb_width)
    return Suite(name, prompts, samples, frames, f"{seconds:g}s", *size, geometry.fps)


def _prompts(path: Path, entries: Sequence[PromptEntry]) -> tuple[Prompt, ...]:
    """Prompts of which each counts once; two entries of one text would be two prompts in every interval."""
    for entry in entries:
        for what, value in (("prompt", entry.text), ("prompt_id", entry.prompt_id)):
            if value == "":
                fix = "Fill it in, or delete the row, so that none is lost."
                raise UserError(f"{path}, {entry.place}: the {what} is empty.", fix)
    seen: dict[str, str] = {}
    prompts = [_prompt(path, number, entry, seen) for number, entry in enumerate(entries)]
    for entry, before in repeated_texts(entries):
        problem = f"{path}, {entry.place}: the prompt {entry.text[:60]!r} is also on {before.place}"
        raise UserError(f"{problem}, so that it would count twice.", "Delete one; --samples N makes several videos.")
    return tuple(prompts)


def _prompt(path: Path, number: int, entry: PromptEntry, seen: dict[str, str]) -> Prompt:
    """An entry under its own identifier, or that of its place; `seen` keeps the places of identifiers."""
    identifier = f"p{number:04d}" if entry.prompt_id is None else entry.prompt_id
    if identifier in seen:
        problem = f"{path}, {entry.place}: prompt_id {identifier!r} is also on {seen[identifier]}."
        raise UserError(problem, "Give every prompt an identifier of its own.")
    seen[identifier] = entry.place
    try:
        SampleKey("suite", identifier, 0)  # refuses what cannot be part of a file name
    except UserError as error:
        raise UserError(f"{path}, {entry.place}: {error.problem}", error.fix) from error
    return Prompt(identifier, entry.text)


def read_whole_list(path: Path) -> list[str]:
    """Every prompt of a benchmark's list, in order; texts that stand twice stay, because places are identifiers.

    Raises:
        UserError: as `read_prompt_entries`, or a prompt is empty.
    """
    return [entry.text for entry in _filled(path, read_prompt_entries(path))]


def _filled(path: Path, entries: Sequence[PromptEntry]) -> Sequence[PromptEntry]:
    for entry in entries:
        if not entry.text:
            raise UserError(f"{path}, {entry.place}: the prompt is empty.", "Fill it in: every place is one prompt's.")
    return entries


def read_extended(path: Path, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """Read the extended text of each prompt.

    Args:
        path: prompt file; with a column prompt_id (its texts in the column extended), or one text for each prompt in
            their order.
        prompts: all prompts of the benchmark.

    Returns:
        One text for each prompt, in their order.

    Raises:
        UserError: as `read_prompt_entries`, the file has another number of texts, or lacks or repeats a prompt.
    """
    entries = _filled(path, read_prompt_entries(path, (_EXTENDED, *PROMPT_COLUMNS)))
    if entries and entries[0].prompt_id is not None:
        return _by_identifier(path, entries, prompts)
    if len(entries) != len(prompts):
        raise UserError(
            f"{path} has {len(entries)} lines for {len(prompts)} prompts.",
            "Give one text an entry in the order of the benchmark's list, or a table with prompt_id and extended.",
        )
    return tuple(entry.text for entry in entries)


def _by_identifier(path: Path, entries: Sequence[PromptEntry], prompts: Sequence[Prompt]) -> tuple[str, ...]:
    texts: dict[str, str] = {}
    for entry in entries:
        identifier = entry.prompt_id or ""
        if identifier in texts:
            raise UserError(f"{path}, {entry.place}: {identifier!r} appears twice.", "Delete one of the rows.")
        texts[identifier] = entry.text
    known = [prompt.prompt_id for prompt in prompts]
    for identifier in sorted(set(known) ^ set(texts)):
        problem = "has no line" if identifier in known else "is no prompt of the benchmark"
        raise UserError(f"{path}: {identifier!r} {problem}.", f"Give the {len(known)} identifiers, each once.")
    return tuple(texts[identifier] for identifier in known)
