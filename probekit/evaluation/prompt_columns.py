"""Extended prompts: a language model's longer version of each prompt of a benchmark, from a file of the user's."""

import csv
from collections.abc import Sequence
from pathlib import Path

from probekit.errors import UserError
from probekit.evaluation.suite import Prompt

_COLUMNS = ("prompt_id", "extended")


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
        return _from_csv(path, prompts)
    lines = read_lines(path)
    if len(lines) != len(prompts):
        raise UserError(
            f"{path} has {len(lines)} lines for {len(prompts)} prompts.",
            "give one line an entry in the order of the benchmark's list, or a CSV with prompt_id and extended.",
        )
    return tuple(lines)


def _from_csv(path: Path, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}.", "give a CSV with the columns prompt_id and extended.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(_COLUMNS) - set(reader.fieldnames or ())
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
