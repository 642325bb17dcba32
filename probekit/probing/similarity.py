"""How alike two representations of the same things are: debiased linear CKA and shared nearest neighbours. Torch-free.

Linear CKA (Kornblith et al., arXiv 1905.00414) with the unbiased estimator of HSIC (Song et al. 2012), as Nguyen et al.
(arXiv 2010.15327) take it: without the correction, wide features of few samples look alike whatever they hold.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 4
"""Things that the unbiased estimator needs at least."""


def _centred(features: NDArray[np.floating]) -> Floats:
    """Features (P, W) minus their mean over the P things; what is no more than the mean's own rounding is 0."""
    wide = features.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    rounding = len(wide) * np.finfo(np.float64).eps * np.abs(wide).max(axis=0)
    return np.where(np.abs(centred) > rounding, centred, 0.0)


def gram(features: NDArray[np.floating]) -> Floats:
    """Inner products (P, P) of features (P, W), centred over the P things, with zeros on the diagonal."""
    centred = _centred(features)
    products: Floats = centred @ centred.T
    np.fill_diagonal(products, 0.0)
    return products


def unbiased_hsic(one: Floats, other: Floats) -> float:
    """Unbiased estimate of HSIC from two Gram matrices (P, P) with zero diagonals; 0 in expectation if independent.

    Song et al., Feature Selection via Dependence Maximization, JMLR 2012, equation 5.

    Raises:
        ValueError: for fewer than four things.
    """
    count = len(one)
    if count < LEAST:
        raise ValueError(f"HSIC needs {LEAST} things or more, not {count}")
    sums, other_sums = one.sum(axis=0), other.sum(axis=0)
    total = float((one * other).sum())
    total += float(sums.sum() * other_sums.sum()) / ((count - 1) * (count - 2))
    total -= 2 * float(sums @ other_sums) / (count - 2)
    return total / (count * (count - 3))


def debiased_cka(one: Floats, other: Floats) -> float:
    """Debiased linear CKA of two Gram matrices of `gram`: 1 for equal ones, around 0 for unrelated ones.

    NaN where a representation does not vary, so that no alignment is defined.
    """
    own, others = unbiased_hsic(one, one), unbiased_hsic(other, other)
    if own <= 0 or others <= 0:
        return float("nan")
    return unbiased_hsic(one, other) / float(np.sqrt(own * others))


def hsic_without_each(one: Floats, other: Floats) -> Floats:
    """`unbiased_hsic` without the first, the second, ... thing, (P,), from the sums of all.

    Raises:
        ValueError: for fewer than five things.
    """
    count = len(one) - 1
    if count < LEAST:
        raise ValueError(f"HSIC without one needs {LEAST + 1} things or more, not {len(one)}")
    sums, other_sums = one.sum(axis=0), other.sum(axis=0)
    rows = (one * other).sum(axis=1)
    products = float(sums @ other_sums) - sums * other_sums - other @ sums - one @ other_sums + rows
    total = float(rows.sum()) - 2 * rows
    total += (sums.sum() - 2 * sums) * (other_sums.sum() - 2 * other_sums) / ((count - 1) * (count - 2))
    total -= 2 * products / (count - 2)
    found: Floats = total / (count * (count - 3))
    return found


def cka_without_each(one: Floats, other: Floats) -> Floats:
    """`debiased_cka` without the first, the second, ... thing, (P,): what a jackknife over things needs."""
    own, others = hsic_without_each(one, one), hsic_without_each(other, other)
    known = (own > 0) & (others > 0)
    found: Floats = np.full(len(one), np.nan)
    found[known] = hsic_without_each(one, other)[known] / np.sqrt(own[known] * others[known])
    return found


def neighbours(features: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Whether thing j is among the `count` nearest of thing i by cosine, (P, P); nothing is its own neighbour.

    Raises:
        ValueError: if there are not more things than neighbours.
    """
    if not 0 < count < len(features):
        raise ValueError(f"{count} neighbours of {len(features)} things")
    centred = _centred(features)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    found = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(found, nearest, True, axis=1)
    return found


def shared_neighbours(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Floats:
    """Share of each thing's neighbours that both representations name, (P,) in [0, 1].

    Mutual nearest-neighbour alignment (Huh et al., arXiv 2405.07987). Unrelated ones share count / (P - 1) on average.
    """
    shared: Floats = (one & other).sum(axis=1) / one.sum(axis=1)
    return shared
