"""Agreement of gradients: what is planted is found, noise of batches is not taken for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.gradient_agreement import (
    OF_BATCHES,
    OF_MEANS,
    WHOLE,
    Products,
    batch_cosines,
    gradient_agreement,
    mean_gradient_cosine,
    without_each,
)
from probekit.probing.gradient_store import (
    BatchGradients,
    GradientCard,
    Gradients,
    batch_path,
    claim_gradients,
    has_batch,
    read_gradients,
    write_batch,
)
from probekit.seeding import generator
from probekit.workflows.gradients import compare_gradients

BATCHES, SIZE = 12, 64
CARD = GradientCard(model="m", recipe="{}", step=3, size=SIZE, losses=("a", "b"), blocks=("blocks.0", "blocks.1"))


def planted(agreement: float, noise: float, name: str = "planted") -> Gradients:
    """Means with a known cosine in block 0, with the opposite in block 1, and noise of each batch."""
    rng = generator("gradient-test", name)
    first, other = np.linalg.qr(rng.normal(size=(SIZE, 2)))[0].T
    second = agreement * first + np.sqrt(1 - agreement**2) * other
    means = np.stack([[first, first], [second, -second]])
    sketches = means + noise * rng.normal(size=(BATCHES, 2, 2, SIZE)) / SIZE**0.5
    return Gradients(sketches.astype(np.float32), np.linalg.norm(sketches, axis=-1), np.arange(BATCHES) % 2)


def products_of(one: NDArray[np.float64], other: NDArray[np.float64]) -> Products:
    return Products(one @ one.T, other @ other.T, one @ other.T)


def row_of(gradients: Gradients | pd.DataFrame, part: str, kind: str, step: int | None = None) -> dict[str, float]:
    table = gradients if isinstance(gradients, pd.DataFrame) else gradient_agreement(gradients, CARD)
    chosen = table[(table.part == part) & (table.kind == kind)]
    chosen = chosen[chosen.exit_step.isna() if step is None else chosen.exit_step == step]
    assert len(chosen) == 1
    return dict(chosen.iloc[0])


@pytest.mark.slow
@pytest.mark.parametrize("agreement", [-0.6, 0.0, 0.8])
def test_noise_of_batches_hides_agreement_in_each_and_not_in_the_mean(agreement: float) -> None:
    """A cosine of a batch shrinks to a fifth with noise of twice the signal's length; that of the means does not."""
    held, single = [], []
    for number in range(10):
        gradients = gradient_agreement(planted(agreement, noise=2.0, name=f"{number}"), CARD)
        for part, sign in (("blocks.0", 1), ("blocks.1", -1)):
            mean = row_of(gradients, part, OF_MEANS)
            held.append(mean["low"] < sign * agreement < mean["high"])
            single.append(sign * row_of(gradients, part, OF_BATCHES)["value"])
    assert np.mean(held) >= 0.8
    assert np.mean(single) == pytest.approx(agreement / 5, abs=0.04)


def test_without_noise_all_cosines_are_that_of_the_means() -> None:
    gradients = planted(0.8, noise=0.0)
    for kind in (OF_BATCHES, OF_MEANS):
        assert row_of(gradients, "blocks.0", kind)["value"] == pytest.approx(0.8, abs=1e-5)
        assert row_of(gradients, WHOLE, kind)["value"] == pytest.approx(0, abs=1e-5)  # the blocks cancel
        assert row_of(gradients, "blocks.0", kind, step=1)["value"] == pytest.approx(0.8, abs=1e-5)


def test_cosines_are_those_of_the_definition() -> None:
    rng = generator("gradient-test", "definition")
    one, other = rng.normal(size=(6, 10)), rng.normal(size=(6, 10))
    norms = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    products = products_of(one, other)
    expected = [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in zip(one, other, strict=True)]
    assert batch_cosines(products, norms) == pytest.approx(expected)
    apart = [(i, j) for i in range(6) for j in range(6) if i != j]
    one, other = one + 1, other + 1  # so that both have a gradient in common over batches
    mixed, first, second = (
        np.mean([a[i] @ b[j] for i, j in apart]) for a, b in ((one, other), (one, one), (other, other))
    )
    products = products_of(one, other)
    assert mean_gradient_cosine(products) == pytest.approx(mixed / np.sqrt(first * second))
    rows = [np.delete(np.arange(6), index) for index in range(6)]
    assert without_each(products) == pytest.approx([mean_gradient_cosine(products_of(one[r], other[r])) for r in rows])


def test_a_loss_without_gradient_has_no_cosine() -> None:
    gradients = planted(0.8, noise=0.1)
    gradients.sketches[:, 1, 0], gradients.norms[:, 1, 0] = 0, 0
    row = row_of(gradients, "blocks.0", OF_BATCHES)
    assert row["batches"] == 0
    assert row["value"] is None or np.isnan(row["value"])
    assert row_of(gradients, WHOLE, OF_BATCHES)["batches"] == BATCHES


def plain_cosines(gradients: Gradients, blocks: list[int], batches: list[int]) -> list[float]:
    """Cosines of the first two losses in each batch: products of sketches summed over blocks, by exact lengths."""
    found = []
    for batch in batches:
        product = sum(
            float(gradients.sketches[batch, 0, b].astype(float) @ gradients.sketches[batch, 1, b]) for b in blocks
        )
        lengths = [sum(gradients.norms[batch, loss, b] ** 2 for b in blocks) ** 0.5 for loss in (0, 1)]
        found.append(product / (lengths[0] * lengths[1]))
    return found


def plain_mean_cosine(gradients: Gradients, blocks: list[int], batches: list[int]) -> float:
    """Cosine of the mean gradients from products of different batches."""
    joined = [[np.concatenate([gradients.sketches[b, loss, p] for p in blocks]).astype(float) for b in batches]
              for loss in (0, 1)]  # fmt: skip
    pairs = [(i, j) for i in range(len(batches)) for j in range(len(batches)) if i != j]
    mixed, first, second = (
        np.mean([joined[one][i] @ joined[other][j] for i, j in pairs]) for one, other in ((0, 1), (0, 0), (1, 1))
    )
    return float(mixed / np.sqrt(first * second))


def test_every_row_is_that_of_its_part_and_its_step() -> None:
    """Three losses, of which the first two are compared; exact norms are another thing than those of sketches.

    Four batches were left at step 0, three at step 2: too few for the mean gradients.
    """
    rng = generator("gradient-test", "rows")
    sketches = 1e-3 * (rng.normal(size=(7, 3, 2, SIZE)) + 2 * rng.normal(size=(1, 1, 2, SIZE)))
    norms = 1e-3 * rng.uniform(20, 40, size=(7, 3, 2))
    given = Gradients(sketches.astype(np.float32), norms, np.array([2, 0, 0, 2, 0, 2, 0]))
    table = gradient_agreement(given, CARD.model_copy(update={"losses": ("a", "b", "c")}))
    asked = [(WHOLE, [0, 1]), ("blocks.0", [0]), ("blocks.1", [1])]
    steps = [(None, list(range(7))), (0, [1, 2, 4, 6]), (2, [0, 3, 5])]
    for name, blocks in asked:
        for step, batches in steps:
            row = row_of(table, name, OF_BATCHES, step)
            assert row["value"] == pytest.approx(np.mean(plain_cosines(given, blocks, batches)), rel=1e-5)
            assert row["batches"] == len(batches)
            if step == 2:
                continue
            count = len(batches)
            rest = [plain_mean_cosine(given, blocks, [b for b in batches if b != left]) for left in batches]
            pseudo = count * plain_mean_cosine(given, blocks, batches) - (count - 1) * np.array(rest)
            assert row_of(table, name, OF_MEANS, step)["value"] == pytest.approx(pseudo.mean(), rel=1e-5)
    assert len(table) == 3 * (2 + 2 + 1)


def test_what_has_no_length_has_no_cosine_and_is_not_divided_by() -> None:
    none, some = np.zeros((4, 3)), np.ones((4, 3))
    with np.errstate(all="raise"):
        for pair in ((none, some), (some, none)):
            lengths = np.linalg.norm(pair[0], axis=1), np.linalg.norm(pair[1], axis=1)
            assert np.isnan(batch_cosines(products_of(*pair), lengths)).all()
            assert np.isnan(mean_gradient_cosine(products_of(*pair)))


def test_two_losses_and_four_batches_are_enough_and_fewer_are_not() -> None:
    few = planted(0.5, noise=0.5)
    four = Gradients(few.sketches[:4], few.norms[:4], np.zeros(4, np.int64))
    assert set(gradient_agreement(four, CARD).kind) == {OF_BATCHES, OF_MEANS}
    with pytest.raises(UserError, match="Gradients of 1 losses have nothing to agree with"):
        gradient_agreement(four, CARD.model_copy(update={"losses": ("a",)}))


def write(folder: Path, gradients: Gradients, card: GradientCard = CARD) -> Path:
    claim_gradients(folder, card)
    for number, step in enumerate(gradients.exit_steps):
        write_batch(folder, number, BatchGradients(gradients.sketches[number], gradients.norms[number], int(step)))
    return folder


def test_what_is_written_is_read_and_compared(tmp_path: Path) -> None:
    gradients = planted(0.5, noise=0.5)
    found, card = read_gradients(write(tmp_path / "store", gradients))
    assert card == CARD
    for name in Gradients._fields:
        np.testing.assert_array_equal(vars_of(found)[name], vars_of(gradients)[name])
    table = compare_gradients(tmp_path / "store", tmp_path / "out")
    assert table.equals(gradient_agreement(gradients, CARD))
    for name in ("gradients.csv", "gradients.md", "gradients.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert "m after 3 updates" in (tmp_path / "out" / "gradients.md").read_text()


def vars_of(gradients: Gradients) -> dict[str, NDArray[np.generic]]:
    return gradients._asdict()


def test_damaged_and_foreign_stores_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no gradients: it has no gradients\.json"):
        read_gradients(tmp_path)
    store = write(tmp_path / "store", planted(0.5, noise=0.5))
    with pytest.raises(UserError, match="holds gradients with step = 3, not 4"):
        claim_gradients(store, CARD.model_copy(update={"step": 4}))
    batch_path(store, 2).write_bytes(batch_path(store, 2).read_bytes()[:-4])
    assert not has_batch(store, 2, CARD)
    assert has_batch(store, 1, CARD)
    with pytest.raises(UserError, match=r"batch-00002\.safetensors is damaged"):
        read_gradients(store)
    assert not has_batch(store, 1, CARD.model_copy(update={"size": 32}))
    few = planted(0.5, noise=0.5)
    with pytest.raises(UserError, match="3 batches are too few"):
        gradient_agreement(Gradients(few.sketches[:3], few.norms[:3], few.exit_steps[:3]), CARD)
    empty = tmp_path / "empty"
    claim_gradients(empty, CARD)
    with pytest.raises(UserError, match="holds no batch yet"):
        read_gradients(empty)
