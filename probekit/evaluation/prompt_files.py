"""Suites from people's own prompt lists: a text file of one prompt a line, or a CSV with prompt_id and prompt."""

import csv
import re
from pathlib import Path

from probekit.errors import UserError
from probekit.evaluation.suite import Prompt, Suite
from probekit.run_folder.sample_key import SampleKey

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
