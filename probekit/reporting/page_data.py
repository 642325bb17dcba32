"""What a report's page reads: prompts, scores and places of videos, as one compact script."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import write_text
from probekit.reporting.cells import quantity_text
from probekit.reporting.report_scores import ABSENT, ScoreCell, VideoScores, video_key
from probekit.reporting.report_videos import LabelledSet, PromptVideos, Take, VideoCopy
from probekit.visible_text import visible

DATA_FILE = "data.js"
MEAN = "mean of dimensions"
_DIGITS = 3


class PageScores(NamedTuple):
    """Scores of the videos on a page.

    Attributes:
        dimensions: names in words.
        takes: samples and clips of any video.
        cells: cells by model, prompt, take and dimension; None where there is no video.
        gains: differences from the baseline by model, dimension and prompt; the mean of dimensions comes last.
    """

    dimensions: tuple[str, ...]
    takes: tuple[Take, ...]
    cells: list[list[list[tuple[ScoreCell, ...] | None]]]
    gains: list[list[list[float | None]]]


def page_scores(sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos], scores: VideoScores) -> PageScores:
    """Lay the scores out by model, prompt, take and dimension, with each prompt's difference from the first model."""
    names = list(dict.fromkeys(name for cells in scores.values() for name in cells))
    takes = tuple(sorted({take for prompt in prompts for column in prompt.takes for take in column}))
    cells: list[list[list[tuple[ScoreCell, ...] | None]]] = []
    for position in range(len(sets)):
        of_model = []
        for prompt in prompts:
            rows = [prompt.takes[position].get(take) for take in takes]
            found = [None if row is None else scores.get(video_key(row), {}) for row in rows]
            of_model.append([None if one is None else tuple(one.get(n, ABSENT) for n in names) for one in found])
        cells.append(of_model)
    means = [[_means(takes_cells, len(names)) for takes_cells in model] for model in cells]
    return PageScores(
        tuple(quantity_text(n, "") for n in names), takes, cells, [_gains(one, means[0]) for one in means]
    )


def _means(takes: Sequence[tuple[ScoreCell, ...] | None], n_dimensions: int) -> list[float | None]:
    """Mean over a prompt's scored videos, dimension by dimension."""
    found = []
    for index in range(n_dimensions):
        values = [cells[index].value for cells in takes if cells is not None]
        found.append(_mean([value for value in values if value is not None]))
    return found


def _gains(method: list[list[float | None]], baseline: list[list[float | None]]) -> list[list[float | None]]:
    by_prompt = []
    for own, other in zip(method, baseline, strict=True):
        pairs = zip(own, other, strict=True)
        differences = [None if a is None or b is None else a - b for a, b in pairs]
        by_prompt.append([*differences, _mean([one for one in differences if one is not None])])
    return [list(column) for column in zip(*by_prompt, strict=True)]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def page_data(
    sets: Sequence[LabelledSet],
    prompts: Sequence[PromptVideos],
    scores: PageScores,
    copies: Mapping[tuple[int, str, Take], VideoCopy],
    curves: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The page's data, with texts that act made visible; facts that videos share are stored once."""
    facts: dict[tuple[Any, ...], int] = {}
    videos = [
        [[_place(copies.get((model, prompt.prompt_id, take)), facts) for take in scores.takes] for prompt in prompts]
        for model in range(len(sets))
    ]
    reasons: dict[str, int] = {}
    cells = [[[_numbers(cells, reasons) for cells in takes] for takes in model] for model in scores.cells]
    return {
        "models": [visible(labelled.label) for labelled in sets],
        "prompts": [[visible(prompt.prompt_id), visible(prompt.prompt)] for prompt in prompts],
        "takes": scores.takes,
        "dimensions": [visible(name) for name in scores.dimensions],
        "mean": MEAN,
        "scores": cells,
        "reasons": [visible(reason) for reason in reasons],
        "gains": [[[_rounded(v) for v in quantity] for quantity in model] for model in scores.gains],
        "videos": videos,
        "facts": [dict(zip(_FACTS, values, strict=True)) for values in facts],
        "curves": curves,
    }


_FACTS = ("poster", "frames", "fps", "width", "height", "factor", "crisp", "embedded")


def _place(copy: VideoCopy | None, facts: dict[tuple[Any, ...], int]) -> tuple[str, int] | int:
    """Place and number of its facts; 0 where there is no copy."""
    return 0 if copy is None else (copy.place, facts.setdefault(tuple(copy[1:]), len(facts)))


def _numbers(cells: Sequence[ScoreCell] | None, reasons: dict[str, int]) -> list[float | str] | int:
    """Scores of one video; a string holds the number of the reason why there is none. 0 where there is no video."""
    if cells is None:
        return 0
    return [
        str(reasons.setdefault(cell.reason or "", len(reasons))) if cell.value is None else round(cell.value, _DIGITS)
        for cell in cells
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def write_page_data(folder: Path, data: Mapping[str, Any]) -> Path:
    """Write the script; its text is plain ASCII, so that nothing in it can act."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    write_text(folder / DATA_FILE, f"window.PROBEKIT_PAGE = {text};\n")
    return folder / DATA_FILE
