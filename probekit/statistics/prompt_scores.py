"""From a long score table to one score for each prompt.

A prompt's score is the mean of its videos (Video-Mirai, appendix E); a video scored in clips counts with the mean of
its clips, as in VBench-Long. Only scored values enter; how many there were is reported by `coverage`, never assumed.

Dimensions that are ratios (a numerator and a denominator beside the value) take part with the value of each video, so a
prompt weighs the same whatever its denominators. For several of them (such as object_class and subject_consistency)
VBench's official dimension score is the sum of numerators over the sum of denominators of all videos; the two agree
where every prompt has equally many videos of equal denominators. `read_denominators` and `prompt_denominators` carry
what that frame-weighted form needs (see `evaluation.weighting`).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from probekit.errors import UserError
from probekit.run_folder.score_key import ScoreKey


class ScoreTable(Protocol):
    """What is used of a score table: a pandas DataFrame or a dict of columns will do."""

    def __contains__(self, column: Any, /) -> bool:
        """Whether the column exists."""

    def __getitem__(self, column: Any, /) -> Iterable[Any]:
        """The column's values in row order."""


class Method(NamedTuple):
    """One trained model of the table; `training_run` None = the only one that the model has."""

    model: str
    training_run: str | None = None

    def label(self) -> str:
        """Name for messages and tables."""
        return self.model if self.training_run is None else f"{self.model} ({self.training_run})"


class ClipKey(NamedTuple):
    """Columns that identify one score of one method in one dimension."""

    prompt_id: str
    sample: int
    clip: int


ClipScores = Mapping[ClipKey, float | None]


class Coverage(NamedTuple):
    """How much of a dimension is scored for one method.

    Attributes:
        dimension: The dimension.
        method: Label of the method.
        n_planned: Videos (or clips of videos) that either compared method has in the table.
        n_scored: Those of them with a value for this method.
        prompts_planned: Prompts of the planned videos.
        prompts_scored: Prompts with at least one scored video.
    """

    dimension: str
    method: str
    n_planned: int
    n_scored: int
    prompts_planned: int
    prompts_scored: int


def read_table(table: ScoreTable) -> dict[ScoreKey, float | None]:
    """Read the scores of a long table; a row that occurs twice with the same value counts once.

    Raises:
        UserError: A column is missing, a value is NaN without a reason or infinite, or two rows contradict each other.
    """
    for column in (*ScoreKey._fields, "value", "reason"):
        if column not in table:
            raise UserError(f"The score table has no column {column!r}.", "read it with probekit's score table reader.")
    scores: dict[ScoreKey, float | None] = {}
    keys = (ScoreKey(*row) for row in zip(*(table[name] for name in ScoreKey._fields), strict=True))
    for key, value, reason in zip(keys, table["value"], table["reason"], strict=True):
        score = _checked_value(key, value, reason)
        if scores.setdefault(key, score) != score:
            raise UserError(f"{_place(key)} has two different values.", "keep the score file of one scoring run.")
    return scores


def read_denominators(table: ScoreTable, dimensions: Iterable[str]) -> dict[ScoreKey, float]:
    """What each value of these dimensions was divided by; rows without a denominator are left out."""
    if "denominator" not in table:
        return {}
    wanted = set(dimensions)
    keys = (ScoreKey(*row) for row in zip(*(table[name] for name in ScoreKey._fields), strict=True))
    return {
        key: float(denominator)
        for key, denominator in zip(keys, table["denominator"], strict=True)
        if key.dimension in wanted and denominator is not None and not math.isnan(denominator)
    }


def clip_scores(scores: Mapping[ScoreKey, float | None], method: Method) -> dict[str, dict[ClipKey, float | None]]:
    """One method's scores by dimension; `method.training_run` must be given."""
    selected: dict[str, dict[ClipKey, float | None]] = {}
    for key, value in scores.items():
        if (key.model, key.training_run) == method:
            selected.setdefault(key.dimension, {})[ClipKey(key.prompt_id, key.sample, key.clip)] = value
    return selected


def prompt_videos(scores: ClipScores) -> dict[str, list[float]]:
    """Scores of each prompt's videos in order of sample, each the mean of its scored clips; unscored ones are left out.

    Exactly rounded sums: row order does not change the result.
    """
    return _by_prompt(scores, lambda clips: math.fsum(clips) / len(clips))


def prompt_denominators(scores: ClipScores, denominators: ClipScores) -> dict[str, list[float]]:
    """Denominator of each video of `prompt_videos`, in its order: the sum over its scored clips.

    1 for all where a scored clip has none: frames of some videos cannot be weighed against others counted whole.
    """
    counted = {key: None if value is None else denominators.get(key) for key, value in scores.items()}
    if any(counted[key] is None for key, value in scores.items() if value is not None):
        return _by_prompt(scores, lambda _: 1.0)
    return _by_prompt(counted, math.fsum)


def _by_prompt(scores: ClipScores, reduce: Callable[[Sequence[float]], float]) -> dict[str, list[float]]:
    videos: dict[tuple[str, int], list[float]] = {}
    for key, value in scores.items():
        clips = videos.setdefault((key.prompt_id, key.sample), [])
        if value is not None:
            clips.append(value)
    prompts: dict[str, list[float]] = {}
    for prompt_id, sample in sorted(videos):
        clips = videos[prompt_id, sample]
        prompts.setdefault(prompt_id, []).extend([reduce(clips)] if clips else [])
    return prompts


def prompt_means(scores: ClipScores) -> dict[str, float | None]:
    """Mean of each prompt over its scored videos (each the mean of its scored clips); None when none is scored.

    Exactly rounded sums: row order does not change the result.
    """
    videos = prompt_videos(scores)
    return {prompt_id: math.fsum(means) / len(means) if means else None for prompt_id, means in videos.items()}


def coverage(dimension: str, method: str, scores: ClipScores, planned: Iterable[ClipKey]) -> Coverage:
    """Count what is scored of what was planned."""
    keys = set(planned)
    scored = [key for key, value in scores.items() if value is not None]
    prompts_planned, prompts_scored = ({key.prompt_id for key in group} for group in (keys, scored))
    return Coverage(dimension, method, len(keys), len(scored), len(prompts_planned), len(prompts_scored))


def _checked_value(key: ScoreKey, value: float | None, reason: str | None) -> float | None:
    if value is None or math.isnan(value):
        if not isinstance(reason, str):
            raise UserError(f"{_place(key)} has neither a value nor a reason.", "score that video again.")
        return None
    if math.isinf(value):
        raise UserError(f"{_place(key)} is infinite.", "score that video again.")
    return float(value)


def _place(key: ScoreKey) -> str:
    of = f"Dimension {key.dimension!r}, prompt {key.prompt_id!r} of {key.model} ({key.training_run})"
    return f"{of}, sample {key.sample}, clip {key.clip}"
