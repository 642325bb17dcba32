"""Scores of several training runs on the same prompts and samples, side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.statistics.paired_units import PairedSamples
from probekit.statistics.score_arrays import DimensionScores, Floats


def pair_scores(series: Sequence[DimensionScores], weighting: Weighting, pooling: str) -> PairedSamples:
    """Line up one dimension's scores by prompt and by sample.

    Where prompts weigh alike, a prompt that one of the series has no score for is left out; else it stays, with what
    there is of it.

    Args:
        series: scores of L training runs.
        weighting: how videos will be weighed.
        pooling: what the official score of the dimension is the mean of.
    """
    prompts = sorted(set().union(*(one.prompt_ids for one in series)))
    samples = sorted(set().union(*(one.samples for one in series)))
    rows = {prompt: row for row, prompt in enumerate(prompts)}
    columns = {sample: column for column, sample in enumerate(samples)}
    values = np.full((len(series), len(prompts), len(samples)), np.nan)
    denominators = np.ones_like(values)
    for index, one in enumerate(series):
        place = np.ix_([rows[prompt] for prompt in one.prompt_ids], [columns[sample] for sample in one.samples])
        values[index][place] = one.values
        denominators[index][place] = one.denominators
    scored = np.isfinite(values).any(axis=2)
    kept = scored.all(axis=0) if weighting == "prompt-mean" else scored.any(axis=0)
    by_frames = weighting == "frame-weighted" and pooling == "frames"
    return PairedSamples(
        tuple(prompt for prompt, keep in zip(prompts, kept, strict=True) if keep),
        values[:, kept],
        _counted(denominators[:, kept]) if by_frames else None,
    )


def _counted(denominators: Floats) -> Floats:
    """Zeros of unscored videos as ones: they weigh nothing either way."""
    return np.where(denominators > 0, denominators, 1.0)


def check_same_prompts(dimension: str, scores_a: Mapping[str, object], scores_b: Mapping[str, object]) -> None:
    """Refuse prompts that only one method has.

    Raises:
        UserError: naming the first of them.
    """
    unpaired = sorted(scores_a.keys() ^ scores_b.keys())
    if unpaired:
        raise UserError(
            f"Dimension {dimension!r}, prompt {unpaired[0]!r} is in one method's scores only.",
            f"Score the same prompts for both methods; {len(unpaired)} differ.",
        )
