"""Do two losses pull one way? Cosines of their gradients by block and denoising step, with intervals over batches."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.gradient_store import GradientCard, Gradients
from probekit.probing.probe_comparison import estimate_fields, mean_over_prompts

WHOLE: Final = "whole model"
OF_BATCHES: Final = "cosine of a batch"
OF_MEANS: Final = "cosine of the mean gradients"
_FEWEST: Final = 4

Floats = NDArray[np.float64]


class Products(NamedTuple):
    """Inner products of two losses' gradients in every pair of batches, each (B, B).

    Attributes:
        first: products of the first loss with itself.
        second: products of the second loss with itself.
        mixed: products of the first loss in the batch of the row with the second in that of the column.
    """

    first: Floats
    second: Floats
    mixed: Floats


def batch_cosines(products: Products, norms: tuple[Floats, Floats]) -> Floats:
    """Cosine of both losses' gradients in each batch, (B,): sketched inner product by exact norms; NaN at norm 0."""
    lengths = norms[0] * norms[1]
    found: Floats = np.full(len(lengths), np.nan)
    known = lengths > 0
    found[known] = np.diag(products.mixed)[known] / lengths[known]
    return found


def mean_gradient_cosine(products: Products) -> float:
    """Cosine of the expected gradients, free of the noise of each batch: products of different batches alone.

    In products of one batch with itself the noise of its prompts is squared; between different ones it is independent
    and has mean zero. NaN where a loss has no gradient in common over batches.
    """
    apart = ~np.eye(len(products.mixed), dtype=bool)
    first, second, mixed = (float(table[apart].mean()) for table in products)
    return mixed / float(np.sqrt(first * second)) if first > 0 and second > 0 else float("nan")


def without_each(products: Products) -> Floats:
    """`mean_gradient_cosine` without the first, the second, ... batch, (B,)."""
    count = len(products.mixed)
    rest = [np.delete(np.arange(count), index) for index in range(count)]
    return np.array(
        [mean_gradient_cosine(Products(*(table[np.ix_(rows, rows)] for table in products))) for rows in rest]
    )


def gradient_agreement(gradients: Gradients, card: GradientCard) -> pd.DataFrame:
    """Agreement of the first two losses of a store, of the whole model and of every block.

    One row for each of: part of the model; denoising step at which rollouts were left, and all of them (None); cosine
    of a batch, and cosine of the mean gradients. Intervals are over batches; for the second kind they come from the
    jackknife's pseudo-values.

    Raises:
        UserError: there are too few batches, or two losses are not there.
    """
    if len(card.losses) < 2:
        raise UserError(f"Gradients of {len(card.losses)} losses have nothing to agree with.", "Take two losses.")
    if len(gradients.exit_steps) < _FEWEST:
        raise UserError(f"{len(gradients.exit_steps)} batches are too few.", f"Take {_FEWEST} or more; better 32.")
    rows = []
    for part in (None, *range(len(card.blocks))):
        for step in (None, *sorted(set(gradients.exit_steps.tolist()))):
            chosen = np.flatnonzero(gradients.exit_steps == step) if step is not None else slice(None)
            products, norms = _products(gradients, part, chosen)
            name = WHOLE if part is None else card.blocks[part]
            rows += [{"part": name, "exit_step": step, **row} for row in _rows(products, norms)]
    return pd.DataFrame(rows)


def whole_batch_cosines(gradients: Gradients) -> Floats:
    """Cosine of the first two losses' gradients of the whole model in each batch, (B,); NaN at norm 0."""
    return batch_cosines(*_products(gradients, None, slice(None)))


def _products(
    gradients: Gradients, part: int | None, batches: NDArray[np.int64] | slice
) -> tuple[Products, tuple[Floats, Floats]]:
    """Products and norms of some batches in one block, or summed over all."""
    parts = slice(None) if part is None else slice(part, part + 1)
    sketches = gradients.sketches[batches, :2, parts].astype(np.float64)
    one, other = (sketches[:, loss].reshape(len(sketches), -1) for loss in (0, 1))
    lengths = np.sqrt((gradients.norms[batches, :2, parts] ** 2).sum(axis=2))
    return Products(one @ one.T, other @ other.T, one @ other.T), (lengths[:, 0], lengths[:, 1])


def _rows(products: Products, norms: tuple[Floats, Floats]) -> list[dict[str, object]]:
    found = [_row(OF_BATCHES, batch_cosines(products, norms))]
    count = len(products.mixed)
    if count >= _FEWEST:
        found.append(_row(OF_MEANS, count * mean_gradient_cosine(products) - (count - 1) * without_each(products)))
    return found


def _row(kind: str, values: Floats) -> dict[str, object]:
    fields = estimate_fields(mean_over_prompts(kind, pd.Series(values)), "value")
    return {"kind": kind, **{"batches" if name == "n_prompts" else name: field for name, field in fields.items()}}
