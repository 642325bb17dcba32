"""Pair two methods' scores by prompt."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError

PromptScores = Mapping[str, float | None]


class PairedPrompts(NamedTuple):
    """Scores of the prompts that both methods have: a and b of shape (n_prompts,), sorted by prompt id."""

    prompt_ids: tuple[str, ...]
    a: NDArray[np.float64]
    b: NDArray[np.float64]


def pair_prompts(
    dimension: str, scores_a: PromptScores, scores_b: PromptScores, *, exclude_unscored: bool = False
) -> PairedPrompts:
    """Pair two methods' scores of one dimension by prompt.

    Args:
        dimension: The dimension, for messages.
        scores_a: Score of each prompt for the first method; None = not scored.
        scores_b: The same prompts for the second method.
        exclude_unscored: Leave out a prompt that only one method has no score for, instead of refusing it. A prompt
            that neither has a score for is always left out.

    Raises:
        UserError: Naming the dimension and the prompt, where a prompt is absent from one method, has no score in one
            only, or a score is not finite.
    """
    check_same_prompts(dimension, scores_a, scores_b)
    pairs: dict[str, tuple[float, float]] = {}
    for prompt_id in sorted(scores_a):
        a, b = scores_a[prompt_id], scores_b[prompt_id]
        place = f"Dimension {dimension!r}, prompt {prompt_id!r}"
        if any(value is not None and not math.isfinite(value) for value in (a, b)):
            raise UserError(f"{place} has a score that is NaN or infinite.", "score the prompt again.")
        if a is not None and b is not None:
            pairs[prompt_id] = (a, b)
        elif (a is not None or b is not None) and not exclude_unscored:
            raise UserError(
                f"{place} is scored for one method only.",
                "score it for both, or exclude unscored prompts and report the coverage.",
            )
    values = np.array(list(pairs.values()), dtype=np.float64).reshape(-1, 2)
    return PairedPrompts(tuple(pairs), values[:, 0], values[:, 1])


def check_same_prompts(dimension: str, scores_a: Mapping[str, object], scores_b: Mapping[str, object]) -> None:
    """Refuse prompts that only one method has.

    Raises:
        UserError: naming the first of them.
    """
    unpaired = sorted(scores_a.keys() ^ scores_b.keys())
    if unpaired:
        raise UserError(
            f"Dimension {dimension!r}, prompt {unpaired[0]!r} is in one method's scores only.",
            f"score the same prompts for both methods; {len(unpaired)} differ.",
        )
