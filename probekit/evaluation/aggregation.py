"""Quality, Semantic and Total from raw dimension scores, for every suite and for one model or many replicates.

VBench's rule (`scripts/cal_final_score.py` of its repository), with `low`, `high` and `weight` from
`dimension_constants`::

    normalised = (raw - low) / (high - low)
    group      = 100 * sum(weight * normalised) / sum(weight)
    Total      = (4 * Quality + Semantic) / 5

Three differences, all on purpose: the official script takes a missing dimension as raw 0 without a word, here its group
and Total become None and the dimension is named; it lets NaN through, here NaN is refused; and so is a raw score that
the dimension's formula cannot produce (an overall consistency of 324, an imaging quality of 0..100 by mistake is warned
about). As in the official script nothing is clipped: a raw score outside [low, high] is legal and normalises below 0 or
above 1 (VBench's motion smoothness exceeds its high of 0.9975 on nearly still videos); a warning names it.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.run_folder.score_range import in_range
from probekit.suites.dimension_constants import QUALITY_WEIGHT, SEMANTIC_WEIGHT, DimensionConstant, Group

Constants = Sequence[DimensionConstant]

COMPOSITES: Final = ("quality", "semantic", "total")
"""Scores over several dimensions, as tables and `Aggregate` name them."""

_log = logging.getLogger("probekit")


class Aggregate(NamedTuple):
    """Scores of one model in percent; None where a dimension that the score needs is in `missing`."""

    quality: float | None
    semantic: float | None
    total: float | None
    missing: tuple[str, ...]


class AggregateArray(NamedTuple):
    """Scores in percent, one for each leading index of the input; None as in `Aggregate`."""

    quality: NDArray[np.float64] | None
    semantic: NDArray[np.float64] | None
    total: NDArray[np.float64] | None
    missing: tuple[str, ...]


def aggregate(means: Mapping[str, float | None], constants: Constants) -> Aggregate:
    """Aggregate one model's dimension means.

    Args:
        means: Raw mean of each dimension, on the scale of `low` and `high` (0..1, not percent); None = not scored.
        constants: The suite's dimensions.

    Returns:
        Quality, Semantic and Total in percent, and the dimensions that are absent or None.

    A value outside [low, high] is warned about.

    Raises:
        UserError: A value is not finite or one that its dimension cannot have, or a dimension is not part of the suite.
    """
    scored = {dimension: value for dimension, value in means.items() if value is not None}
    check_known(means, constants)
    check_possible(scored, constants)
    warn_outside(scored, constants)
    result = aggregate_array(np.array(list(scored.values()), dtype=np.float64), tuple(scored), constants)
    return Aggregate(_scalar(result.quality), _scalar(result.semantic), _scalar(result.total), result.missing)


def aggregate_array(means: NDArray[np.float64], dimensions: Sequence[str], constants: Constants) -> AggregateArray:
    """Aggregate many sets of dimension means at once, such as bootstrap replicates.

    Args:
        means: Raw means, shape (..., len(dimensions)).
        dimensions: Names along the last axis, each once.
        constants: The suite's dimensions; those not in `dimensions` are missing.

    Returns:
        Quality, Semantic and Total in percent, each of shape (...) or None.

    Raises:
        UserError: A value is not finite, or a dimension is repeated or not part of the suite.
    """
    _check_array(means, dimensions, constants)
    quality = _group_score(means, dimensions, constants, "quality")
    semantic = _group_score(means, dimensions, constants, "semantic")
    missing = tuple(constant.dimension for constant in constants if constant.dimension not in dimensions)
    if quality is None or semantic is None:
        return AggregateArray(quality, semantic, None, missing)
    total = (QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)
    return AggregateArray(quality, semantic, total, missing)


def check_known(dimensions: Sequence[str] | Mapping[str, object], constants: Constants) -> None:
    """Refuse a dimension that the suite does not have.

    Raises:
        UserError: Naming the dimension and those that exist.
    """
    known = [constant.dimension for constant in constants]
    for dimension in dimensions:
        if dimension not in known:
            raise UserError(
                f"Dimension {dimension!r} has no constants in this suite.", f"Use one of: {', '.join(known)}."
            )


def check_possible(scores: Mapping[str, float], constants: Constants) -> None:
    """Refuse what a dimension's formula cannot produce, be it a video's score or a mean.

    Raises:
        UserError: Naming the dimension, the value and the bounds.
    """
    for constant in constants:
        value = scores.get(constant.dimension)
        if value is None:
            continue
        floor = -math.inf if constant.floor is None else constant.floor
        ceiling = math.inf if constant.ceiling is None else constant.ceiling
        if not in_range(value, floor, ceiling):
            bounds = ["anything" if bound is None else f"{bound:g}" for bound in (constant.floor, constant.ceiling)]
            raise UserError(
                f"Dimension {constant.dimension!r} has the score {value:g}; its formula gives {' to '.join(bounds)}.",
                "Give raw scores, not percent, and score it again if they are raw.",
            )


def warn_outside(means: Mapping[str, float], constants: Constants) -> None:
    """Log each mean outside [low, high]: legal, but it normalises below 0 or above 1."""
    for constant in constants:
        value = means.get(constant.dimension)
        if value is not None and not constant.low <= value <= constant.high:
            _log.warning(
                "%s: the mean %.4f is outside its normalisation range [%g, %g] and counts as %.1f %%",
                constant.dimension,
                value,
                constant.low,
                constant.high,
                100.0 * (value - constant.low) / (constant.high - constant.low),
            )


def _group_score(
    means: NDArray[np.float64], dimensions: Sequence[str], constants: Constants, group: Group
) -> NDArray[np.float64] | None:
    members = [constant for constant in constants if constant.group == group]
    if not members or any(member.dimension not in dimensions for member in members):
        return None
    positions = [list(dimensions).index(member.dimension) for member in members]
    low = np.array([member.low for member in members])
    high = np.array([member.high for member in members])
    weight = np.array([member.weight for member in members])
    normalised = (np.take(means, positions, axis=-1) - low) / (high - low)
    score: NDArray[np.float64] = 100.0 * (normalised * weight).sum(axis=-1) / weight.sum()
    return score


def _check_array(means: NDArray[np.float64], dimensions: Sequence[str], constants: Constants) -> None:
    check_known(dimensions, constants)
    repeated = sorted({dimension for dimension in dimensions if list(dimensions).count(dimension) > 1})
    if repeated:
        raise UserError(f"Dimension {repeated[0]!r} is given more than once.", "Give each dimension one mean.")
    if means.shape[-1:] != (len(dimensions),):
        raise ValueError(f"means has shape {means.shape}, its last axis must hold {len(dimensions)} dimensions")
    for position, dimension in enumerate(dimensions):
        if not np.isfinite(means[..., position]).all():
            raise UserError(
                f"Dimension {dimension!r} has a score that is NaN or infinite.",
                "Score it again; a dimension without a score is left out or None, never NaN.",
            )


def _scalar(score: NDArray[np.float64] | None) -> float | None:
    return None if score is None else float(score)
