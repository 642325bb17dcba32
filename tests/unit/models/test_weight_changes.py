"""How far training moved weights: shares and distances by hand, and the table of several trainings."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.loading import load_transformer
from probekit.models.saving import save_transformer
from probekit.models.weight_changes import WHOLE, weight_changes
from tests.helpers.model_folders import write_tiny_model


def weights(**changes: Tensor) -> dict[str, Tensor]:
    own = {"patch.weight": torch.ones(4), "blocks.0.a": torch.full((2, 2), 3.0), "blocks.0.b": torch.tensor([4.0])}
    return (
        own | {"blocks.10.a": torch.full((5,), 2.0)} | {name.replace("__", "."): one for name, one in changes.items()}
    )


def test_shares_and_distances_are_those_of_the_formula() -> None:
    moved = weights(
        blocks__0__a=torch.tensor([[3.0, 3.5], [3.0, 2.5]]), patch__weight=torch.tensor([1.0, 1.0, 1.0, 2.0])
    )
    found = {one.part: one for one in weight_changes(weights(), moved)}
    assert list(found) == ["patch", "blocks.0", "blocks.10", WHOLE]
    assert [found[part].entries for part in found] == [4, 5, 5, 14]
    assert [found[part].moved for part in found] == pytest.approx([1 / 4, 2 / 5, 0.0, 3 / 14])
    sizes = (4.0, 36.0 + 16.0, 20.0)
    expected = [(1.0 / sizes[0]) ** 0.5, (0.5 / sizes[1]) ** 0.5, 0.0, (1.5 / sum(sizes)) ** 0.5]
    assert [found[part].relative for part in found] == pytest.approx(expected)


def test_what_the_coarser_format_cannot_hold_has_not_moved() -> None:
    small = weights(patch__weight=torch.full((4,), 1.0 + 2**-10))
    stored = {name: one.bfloat16() for name, one in weights().items()}
    assert weight_changes(weights(), small)[0].moved == 1.0
    assert weight_changes(stored, small)[0].moved == 0.0
    assert weight_changes(small, stored)[0].relative == 0.0


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (weights(blocks__0__c=torch.ones(1)), "blocks.0.c"),
        (weights(blocks__0__b=torch.ones(2)), r"shape \(1,\) before and \(2,\) after"),
    ],
)
def test_other_models_are_refused_by_name(other: dict[str, Tensor], text: str) -> None:
    with pytest.raises(UserError, match=text):
        weight_changes(weights(), other)


def test_a_part_of_zeros_has_no_distance() -> None:
    zeros = weights(patch__weight=torch.zeros(4))
    with pytest.raises(UserError, match="patch are 0"):
        weight_changes(zeros, weights())


def test_the_command_tables_several_trainings(tmp_path: Path) -> None:
    start = write_tiny_model(tmp_path / "start")
    for run, factor in (("one", 1.0), ("two", 1.5)):
        model = load_transformer(start)
        with torch.no_grad():
            model.blocks[1].ffn.net[2].weight.mul_(factor)
        save_transformer(model, tmp_path / run / "export")
    arguments = [str(start), str(tmp_path / "one" / "export"), str(tmp_path / "two" / "export")]
    result = CliRunner().invoke(app, ["weights", "changes", *arguments, "--out", str(tmp_path / "table")])
    assert result.exit_code == 0, result.output
    with (tmp_path / "table" / "weight_changes.csv").open() as file:
        rows = {row["part"]: row for row in csv.DictReader(file)}
    moved = {part: (float(row["one: moved, %"]), float(row["two: moved, %"])) for part, row in rows.items()}
    assert moved.pop("blocks.1")[1] > 10
    assert moved.pop(WHOLE)[1] > 1
    assert set(moved.values()) == {(0.0, 0.0)}
    assert 0 < float(rows[WHOLE]["two: distance, %"]) < float(rows["blocks.1"]["two: distance, %"]) < 50
