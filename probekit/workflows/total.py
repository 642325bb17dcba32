"""One scored run's dimension means with their coverage, and Quality, Semantic and Total where nothing is missing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate, check_possible
from probekit.evaluation.weighting import Weighting, prompt_sums
from probekit.reporting.total_table import DimensionTotal, RunTotal
from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.statistics.prompt_scores import (
    ClipKey,
    clip_scores,
    prompt_denominators,
    prompt_videos,
    read_denominators,
    read_table,
)
from probekit.suites.dimension_constants import DimensionConstant
from probekit.suites.registry import constants_of, planned_dimensions
from probekit.workflows.compare import ScoredRun


def total_of_run(run: ScoredRun, weighting: Weighting) -> RunTotal:
    """Aggregate one run; a dimension without a single score is missing, and so is what needs it.

    Raises:
        UserError: if a score is one that its dimension cannot have, or the table is damaged.
    """
    constants = constants_of(run.suite)
    scores = clip_scores(read_table(run.table), run.method)
    unknown = sorted(scores.keys() - {constant.dimension for constant in constants})
    if unknown:
        raise UserError(
            f"{run.root} has scores of {unknown[0]!r}, which is no dimension of {run.suite}.", "remove them."
        )
    by_frames = [constant.dimension for constant in constants if constant.pooling == "frames"]
    denominators = clip_scores(read_denominators(run.table, by_frames), run.method)
    planned = _planned_videos(run, [constant.dimension for constant in constants])
    rows = tuple(
        _dimension(c, scores.get(c.dimension, {}), denominators.get(c.dimension, {}), planned[c.dimension], weighting)
        for c in constants
    )
    return RunTotal(weighting, rows, aggregate({row.constant.dimension: row.mean for row in rows}, constants))


def _planned_videos(run: ScoredRun, dimensions: Iterable[str]) -> dict[str, set[tuple[str, int]]]:
    """Videos of the manifest that a dimension is planned for; without a manifest, those of the table."""
    videos = set(zip(run.table["prompt_id"], run.table["sample"].astype(int), strict=True))
    if manifest_files(run.root):
        videos |= {(row.prompt_id, row.sample) for row in load_video_set(run.root).rows}
    wanted = {prompt: planned_dimensions(run.suite, prompt) for prompt, _ in videos} if manifest_files(run.root) else {}
    planned: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for dimension in dimensions:
        for prompt, sample in videos:
            of_prompt = wanted.get(prompt)
            if of_prompt is None or dimension in of_prompt:
                planned[dimension].add((prompt, sample))
    return planned


def _dimension(
    constant: DimensionConstant,
    scores: Mapping[ClipKey, float | None],
    denominators: Mapping[ClipKey, float | None],
    planned: set[tuple[str, int]],
    weighting: Weighting,
) -> DimensionTotal:
    for value in scores.values():
        if value is not None:
            check_possible({constant.dimension: value}, [constant])
    unscored = {(key.prompt_id, key.sample) for key, value in scores.items() if value is None}
    scored = {(key.prompt_id, key.sample) for key in scores} - unscored
    videos, counted = prompt_videos(scores), prompt_denominators(scores, denominators)
    prompts = sorted(videos)
    mean = prompt_sums(_array(prompts, videos), weighting, _array(prompts, counted)).mean() if prompts else None
    reason = None if mean is not None else "no video has a score" if scores else "not scored"
    return DimensionTotal(constant, mean, len(scored), len(planned | scored | unscored), reason)


def _array(prompts: Sequence[str], videos: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    values = np.full((len(prompts), max([1, *map(len, videos.values())])), np.nan)
    for row, prompt in enumerate(prompts):
        values[row, : len(videos[prompt])] = videos[prompt]
    return values
