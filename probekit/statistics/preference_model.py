"""Choices between two videos as a model: Bradley–Terry worths, ties and the side on which a video stands.

Davidson, On Extending the Bradley-Terry Model to Accommodate Ties in Paired Comparison Experiments, JASA 65 (1970),
with the multiplicative effect of order of Davidson & Beaver, Biometrics 33 (1977). With a log-worth x of the left video
over the right one, the effect g of standing left included, the three outcomes have the odds

    left : tie : right = exp(x/2) : ν : exp(-x/2).

All three are exponentials of linear functions of the parameters, so the likelihood is that of a logit model: concave,
with a maximum unless the choices are one-sided.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.run_folder.preferences import Preference

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Axes: P prompts, M ordered pairs of models, O outcomes, Q parameters, R replicates.

OUTCOMES: Final = ("left", "tie", "right")
LIMIT: Final = 15.0
"""Replicates whose choices are one-sided have no finite parameter; theirs is this far from 0, odds of 3 million."""
_LARGEST_STEP: Final = 2.0
_MOST_STEPS: Final = 100
_CLOSE: Final = 1e-10
_SINGULAR: Final = 1e-9

ONE_SIDED: Final = "the choices are one-sided, so that the worth has no finite estimate"
NOT_JOINED: Final = "the choices do not join the models, or there are too few of them"


class PreferenceCounts(NamedTuple):
    """Choices by prompt.

    Attributes:
        models: names; the first is the baseline.
        prompt_ids: prompts.
        pairs: (M, 2) models on the left and on the right.
        counts: (P, M, 3) choices by outcome.
    """

    models: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    pairs: Indices
    counts: Floats


class PreferenceFit(NamedTuple):
    """A fitted model.

    Attributes:
        design: (M, O, Q) slopes of the outcomes' log-odds; Q: log-worths of all models but the first, then the effect
            of standing left, where it is estimated, then log ν, where there are ties.
        outcomes: places of the O outcomes among `OUTCOMES`.
        parameters: (Q,) the maximum of the likelihood.
        ordered: whether the effect of standing left is among them.
    """

    design: Floats
    outcomes: tuple[int, ...]
    parameters: Floats
    ordered: bool

    @property
    def tied(self) -> bool:
        """Whether there is a parameter of ties."""
        return len(self.outcomes) == len(OUTCOMES)


def count_preferences(choices: Sequence[Preference], baseline: str) -> PreferenceCounts:
    """Count choices by prompt, ordered pair and outcome.

    Args:
        choices: choices, one at least.
        baseline: name of the model that others are compared with.
    """
    named = dict.fromkeys(name for choice in choices for name in (choice.left, choice.right))
    models = (baseline, *(name for name in named if name != baseline))
    prompts = tuple(dict.fromkeys(choice.prompt_id for choice in choices))
    pairs = list(dict.fromkeys((choice.left, choice.right) for choice in choices))
    counts = np.zeros((len(prompts), len(pairs), len(OUTCOMES)))
    for choice in choices:
        pair = pairs.index((choice.left, choice.right))
        counts[prompts.index(choice.prompt_id), pair, OUTCOMES.index(choice.choice)] += 1
    places = np.array([[models.index(name) for name in pair] for pair in pairs], dtype=np.int64)
    return PreferenceCounts(models, prompts, places, counts)


def fit_preferences(counts: PreferenceCounts) -> PreferenceFit | str:
    """Fit the model; without the effect of standing left where the choices do not tell it.

    Returns:
        The reason, where there is no finite estimate of the worths.
    """
    total = counts.counts.sum(axis=0)
    outcomes = (0, 1, 2) if total[:, 1].any() else (0, 2)
    reason = NOT_JOINED
    for ordered in (True, False):
        design = _design(counts.pairs, len(counts.models), ordered)[:, list(outcomes)]
        if len(outcomes) < len(OUTCOMES):
            design = design[..., :-1]
        found = _no_maximum(total[:, list(outcomes)], design)
        if found is None:
            return PreferenceFit(design, outcomes, maximum(total[:, list(outcomes)], design), ordered)
        reason = found
    return reason


def maximum(counts: Floats, design: Floats) -> Floats:
    """Parameters (Q,) of the largest likelihood of counts (M, O), which must have one."""
    from scipy.optimize import minimize

    n = counts.sum()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        odds = design @ parameters
        normal = np.logaddexp.reduce(odds, axis=1)
        shares = np.exp(odds - normal[:, None])
        rest = counts.sum(axis=1, keepdims=True) * shares - counts
        value = float((counts.sum(axis=1) * normal).sum() - (counts * odds).sum())
        return value / n, np.einsum("mo,moq->q", rest, design) / n

    found = minimize(loss, np.zeros(design.shape[2]), jac=True, method="BFGS", options={"gtol": 1e-12})
    parameters: Floats = found.x
    return parameters


def fit_replicates(counts: Floats, design: Floats) -> Floats:
    """Parameters (R, Q) of counts (R, M, O) by Newton's method, all replicates in step.

    NaN where the counts do not tell the parameters apart; at most `LIMIT` from 0 where they are one-sided.
    """
    found = np.zeros((len(counts), design.shape[2]))
    for _ in range(_MOST_STEPS):
        gradient, curvature = slopes_of(counts, design, found)
        damped = curvature + _SINGULAR * np.eye(design.shape[2])
        step = np.linalg.solve(damped, gradient[..., None])[..., 0]
        size = np.abs(step).max(axis=1, keepdims=True)
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(size, _CLOSE))
        moved = np.clip(found + step, -LIMIT, LIMIT)
        still = np.abs(moved - found).max(initial=0.0) < _CLOSE
        found = moved
        if still:
            break
    at_rest = slopes_of(counts, design, np.zeros_like(found))[1]
    unknown = np.linalg.eigvalsh(at_rest)[:, 0] < _SINGULAR
    found[unknown] = np.nan
    return found


def slopes_of(counts: Floats, design: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Gradient (R, Q) and negative curvature (R, Q, Q) of the log-likelihood at parameters (R, Q)."""
    odds = np.einsum("moq,rq->rmo", design, parameters)
    shares = np.exp(odds - np.logaddexp.reduce(odds, axis=2, keepdims=True))
    totals = counts.sum(axis=2)
    gradient = np.einsum("rmo,moq->rq", counts - totals[..., None] * shares, design)
    mean = np.einsum("rmo,moq->rmq", shares, design)
    square = np.einsum("rm,rmo,moq,mos->rqs", totals, shares, design, design, optimize=True)
    return gradient, square - np.einsum("rm,rmq,rms->rqs", totals, mean, mean, optimize=True)


def influence_of_prompts(counts: Floats, fit: PreferenceFit) -> Floats:
    """Each prompt's first-order contribution (P, Q) to the parameters, which vary as their mean."""
    own = counts[..., list(fit.outcomes)]
    at = np.broadcast_to(fit.parameters, (len(own), len(fit.parameters)))
    gradient, curvature = slopes_of(own, fit.design, at)
    influence: Floats = len(own) * np.linalg.solve(curvature.sum(axis=0), gradient.T).T
    return influence


def expected_score(log_worth: Floats | float, log_tie: float | None) -> Floats:
    """Chance to be chosen plus half the chance of a tie, where neither side is favoured; rises with the worth.

    Args:
        log_worth: log-worth of a model over another.
        log_tie: log ν; None without ties.
    """
    half = np.asarray(log_worth, dtype=np.float64) / 2
    won, lost = np.exp(half - np.abs(half)), np.exp(-half - np.abs(half))
    tie = 0.0 if log_tie is None else np.exp(log_tie - np.abs(half))
    score: Floats = (won + tie / 2) / (won + tie + lost)
    return score


def _design(pairs: Indices, models: int, ordered: bool) -> Floats:
    """(M, 3, Q) with the parameters log-worths of models 1, 2, …, the effect of standing left if asked, log ν."""
    worth = np.zeros((len(pairs), models))
    rows = np.arange(len(pairs))
    worth[rows, pairs[:, 0]] += 0.5
    worth[rows, pairs[:, 1]] -= 0.5
    left = np.column_stack([worth[:, 1:], *([np.full(len(pairs), 0.5)] if ordered else [])])
    sides = np.stack([left, np.zeros_like(left), -left], axis=1)
    tie = np.broadcast_to(np.array([0.0, 1.0, 0.0])[:, None], (len(pairs), len(OUTCOMES), 1))
    return np.concatenate([sides, tie], axis=2)


def _no_maximum(counts: Floats, design: Floats) -> str | None:
    """Why the likelihood has no single finite maximum; None where it has one.

    It has none in a direction in which no outcome that was seen becomes less likely (Albert & Anderson, Biometrika 71,
    1984); a linear programme looks for one.
    """
    from scipy.optimize import linprog

    seen = [(pair, outcome) for pair, outcome in np.argwhere(counts > 0)]
    gains = np.concatenate([design[pair, outcome] - design[pair] for pair, outcome in seen])
    if np.linalg.matrix_rank(gains) < design.shape[2]:
        return NOT_JOINED
    best = linprog(-gains.sum(axis=0), A_ub=-gains, b_ub=np.zeros(len(gains)), bounds=(-1, 1))
    return ONE_SIDED if -best.fun > _SINGULAR * len(gains) else None
