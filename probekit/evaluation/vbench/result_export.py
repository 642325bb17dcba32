"""A score table in VBench's layout, so that its own scripts read it.

`<name>_eval_results.json` maps a dimension to its score and the entries of its videos, `<name>_full_info.json` lists
the prompts with their videos (`vbench/__init__.py`). Scores of dimensions are pooled as the official code does on one
GPU: frames where it counts frames, else videos.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from probekit.atomic_files import write_json
from probekit.errors import UserError
from probekit.evaluation.scorer import Score
from probekit.evaluation.vbench.official.records import record_of
from probekit.evaluation.vbench.result_files import ENDING
from probekit.evaluation.weighting import prompt_sums
from probekit.run_folder.score_table import ScoreRow
from probekit.run_folder.video_set import VideoRow
from probekit.suites import vbench
from probekit.suites.dimension_constants import VBENCH
from probekit.suites.registry import SPRITE_PREFIX

INFO_ENDING: Final = "_full_info.json"


class DimensionLayout(NamedTuple):
    """One dimension of a result file.

    Attributes:
        score: score of the dimension.
        entries: entries of its videos.
        n_null: videos without a score, which the layout cannot hold.
        pooled: "frames" or "videos": what `score` is the mean of.
    """

    score: float
    entries: list[dict[str, Any]]
    n_null: int
    pooled: str


class OfficialLayout(NamedTuple):
    """Both files of one model."""

    dimensions: Mapping[str, DimensionLayout]
    full_info: list[dict[str, Any]]


def official_layout(rows: Sequence[ScoreRow], videos: Sequence[VideoRow]) -> OfficialLayout:
    """Arrange the scores of whole videos.

    Args:
        rows: rows of one model; dimensions that VBench does not have are left out.
        videos: videos of the same set.

    Raises:
        UserError: if the scores are those of the sprite world, of clips, or of videos that the set does not have.
    """
    _check(rows)
    names = {(video.prompt_id, video.sample): official_name(video) for video in videos}
    by_dimension: dict[str, list[ScoreRow]] = defaultdict(list)
    for row in rows:
        if (row.prompt_id, row.sample) not in names:
            raise UserError(f"There is a score but no video of {row.prompt_id}-{row.sample}.", "Score the set again.")
        by_dimension[row.dimension].append(row)
    known = [dimension for dimension in VBENCH if dimension in by_dimension]
    layouts = {dimension: _dimension(dimension, by_dimension[dimension], names) for dimension in known}
    return OfficialLayout(
        {name: layout for name, layout in layouts.items() if layout is not None}, _full_info(videos, known)
    )


def _check(rows: Iterable[ScoreRow]) -> None:
    for row in rows:
        if row.suite.startswith(SPRITE_PREFIX):
            raise UserError(f"Scores of {row.suite} are not VBench's.", "Export a run that was scored by VBench.")
        if row.clip:
            raise UserError(f"{row.prompt_id}-{row.sample} is scored in clips.", "Score whole videos: --clips whole.")


def official_name(video: VideoRow) -> str:
    """`<prompt>-<i>.mp4` with VBench's own text of the prompt; the path of the video where that cannot be a name."""
    text = video.prompt
    if video.suite == vbench.NAME:
        text = {entry.prompt_id: entry.text for entry in vbench.vbench_entries()}.get(video.prompt_id, text)
    return video.path if "/" in text else f"{text}-{video.sample}.mp4"


def _dimension(
    dimension: str, rows: Sequence[ScoreRow], names: Mapping[tuple[str, int], str]
) -> DimensionLayout | None:
    scored = [row for row in rows if row.value is not None]
    if not scored:
        return None
    entries = [
        record_of(
            dimension, names[row.prompt_id, row.sample], Score(row.value, row.numerator, row.denominator, row.reason)
        )
        for row in scored
    ]
    counted = all(row.numerator is not None and row.denominator for row in scored)
    by_frames = VBENCH[dimension].pooling == "frames" and counted
    pairs = np.array([(row.value, row.denominator or 1.0) for row in scored], dtype=np.float64)[None]
    score = prompt_sums(pairs[..., 0], "frame-weighted" if by_frames else "video-mean", pairs[..., 1]).mean()
    assert score is not None
    return DimensionLayout(score, entries, len(rows) - len(scored), "frames" if by_frames else "videos")


def _full_info(videos: Sequence[VideoRow], dimensions: Sequence[str]) -> list[dict[str, Any]]:
    lists: dict[str, list[VideoRow]] = defaultdict(list)
    for video in videos:
        lists[video.prompt_id].append(video)
    entries = {entry.prompt_id: entry for entry in vbench.vbench_entries()} if _is_vbench(videos) else {}
    info = []
    for prompt_id, rows in lists.items():
        document: dict[str, Any] = {"prompt_en": rows[0].prompt, "dimension": list(dimensions)}
        if prompt_id in entries:
            entry = entries[prompt_id]
            document = {"prompt_en": entry.text, "dimension": list(entry.dimensions)}
            document |= {"auxiliary_info": dict(entry.auxiliary)} if entry.auxiliary else {}
        info.append({**document, "video_list": [official_name(row) for row in rows]})
    return info


def _is_vbench(videos: Sequence[VideoRow]) -> bool:
    return any(video.suite == vbench.NAME for video in videos)


def write_official_layout(layout: OfficialLayout, out: Path, name: str) -> list[Path]:
    """Write both files, atomically; returns their paths.

    Raises:
        UserError: if there is no score, or a file cannot be written.
    """
    if not layout.dimensions:
        raise UserError("No dimension of VBench has a score.", "Score the run first: probekit score.")
    results = {dimension: [found.score, found.entries] for dimension, found in layout.dimensions.items()}
    paths = [out / f"{name}{ENDING}", out / f"{name}{INFO_ENDING}"]
    write_json(paths[0], results)
    write_json(paths[1], layout.full_info)
    return paths
