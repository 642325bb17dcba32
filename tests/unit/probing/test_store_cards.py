"""Cards of result folders: written once, held against every later call, and told apart field by field."""

from pathlib import Path

import pytest

from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.probing.store_cards import claim


class Inner(StrictModel):
    size: int
    name: str = "x"


class Card(StrictModel):
    inner: Inner
    words: tuple[str, ...] = ("a",)
    note: str | None = None


CARD = Card(inner=Inner(size=3))


def read(folder: Path) -> Card:
    return Card.model_validate_json((folder / "card.json").read_text())


def claim_as(folder: Path, card: Card) -> None:
    claim(folder / "card.json", card, read, "numbers")


def test_a_new_folder_is_claimed_and_the_same_card_enters_it_again(tmp_path: Path) -> None:
    claim_as(tmp_path, CARD)
    assert read(tmp_path) == CARD
    before = (tmp_path / "card.json").stat().st_mtime_ns
    claim_as(tmp_path, CARD)
    assert (tmp_path / "card.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (CARD.model_copy(update={"inner": Inner(size=4)}), "inner.size = 3, not 4"),
        (CARD.model_copy(update={"inner": Inner(size=4, name="y"), "words": ("b",)}), "inner.size = 3, not 4"),
        (CARD.model_copy(update={"words": ("a", "b")}), "words = ['a'], not ['a', 'b']"),
        (CARD.model_copy(update={"note": "z" * 200}), f"note = None, not {'z' * 80}."),
    ],
)
def test_another_card_is_refused_by_its_first_field_that_differs(tmp_path: Path, other: Card, problem: str) -> None:
    claim_as(tmp_path, CARD)
    with pytest.raises(UserError) as refused:
        claim_as(tmp_path, other)
    assert refused.value.problem == f"{tmp_path} holds numbers with {problem.rstrip('.')}."
    assert read(tmp_path) == CARD


def test_long_values_of_the_folder_are_cut_too(tmp_path: Path) -> None:
    claim_as(tmp_path, CARD.model_copy(update={"note": "z" * 200}))
    with pytest.raises(UserError) as refused:
        claim_as(tmp_path, CARD)
    assert f"note = {'z' * 80}, not None." in refused.value.problem


def test_a_field_that_an_older_card_lacks_differs(tmp_path: Path) -> None:
    class Older(StrictModel):
        words: tuple[str, ...] = ("a",)

    def read_older(folder: Path) -> StrictModel:
        return Older.model_validate_json((folder / "card.json").read_text())

    claim(tmp_path / "card.json", Older(), read_older, "numbers")
    with pytest.raises(UserError, match="inner = None, not"):
        claim(tmp_path / "card.json", CARD, read_older, "numbers")
