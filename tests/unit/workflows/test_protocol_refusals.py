"""Scores of different protocols do not meet: every scoring field is refused by name, and every table has its card."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from probekit.errors import UserError
from probekit.evaluation.scoring.runner import score_video_set
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.protocol_card import PROTOCOL_FILENAME, SCORING_FIELDS, ProtocolCard
from probekit.run_folder.score_table import read_scores
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.score import REFERENCE_PROTOCOL, REFERENCE_SCORES, score_against_reference
from tests.unit.evaluation.scoring.test_runner import make_set

FEW = BootstrapSettings(replicates=100)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two scored runs of one protocol under two models' names."""
    root = tmp_path_factory.mktemp("pair")
    videos = make_set(root / "ours", 6)
    shutil.copytree(root / "ours", root / "theirs")
    write_manifest(root / "theirs", [row.model_copy(update={"model": "other"}) for row in videos.rows])
    for name in ("ours", "theirs"):
        score_video_set(load_video_set(root / name), root / name)
    return root / "ours", root / "theirs"


def other(value: Any) -> Any:
    """Another value that the field can have."""
    if isinstance(value, dict):
        return {**value, "color": "another scorer"}
    return f"not {value}" if value is None or isinstance(value, str) else value + 1


def changed(document: dict[str, Any], dotted: str) -> dict[str, Any]:
    """The card with another value in a field; numbers that are unknown become known ones."""
    *sections, field = dotted.split(".")
    part = document
    for section in sections:
        part = part[section]
    for value in (other(part[field]), 7):
        part[field] = value
        try:
            ProtocolCard.model_validate(document)
        except ValueError:
            continue
        return document
    raise AssertionError(dotted)


def test_equal_protocols_compare(pair: tuple[Path, Path]) -> None:
    record = compare_runs([open_scored_run(run) for run in pair], settings=FEW)
    assert record.banner() is None


@pytest.mark.parametrize("dotted", SCORING_FIELDS)
def test_every_scoring_field_is_refused_by_name_or_stands_in_a_banner(
    pair: tuple[Path, Path], tmp_path: Path, dotted: str
) -> None:
    shutil.copytree(pair[1], tmp_path / "theirs")
    path = tmp_path / "theirs" / PROTOCOL_FILENAME
    path.write_text(json.dumps(changed(json.loads(path.read_text()), dotted)))
    runs = [open_scored_run(run) for run in (pair[0], tmp_path / "theirs")]
    with pytest.raises(UserError, match=rf"differ in {dotted}"):
        compare_runs(runs, settings=FEW)
    banner = compare_runs(runs, settings=FEW, allow_mismatch=True).banner()
    assert banner is not None
    assert dotted in banner


def test_the_card_names_the_scorer_of_every_row(pair: tuple[Path, Path]) -> None:
    run = open_scored_run(pair[0])
    assert dict(zip(run.table["dimension"], run.table["scorer_id"], strict=True)) == run.protocol.scorers


def test_scores_against_a_reference_have_a_card_of_their_own(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(pair[0], run)
    before = (run / PROTOCOL_FILENAME).read_bytes()
    score_against_reference(run, pair[1], None)
    card = ProtocolCard.model_validate_json((run / REFERENCE_PROTOCOL).read_bytes())
    table = read_scores(run / REFERENCE_SCORES)
    assert card.scorers == dict(zip(table["dimension"], table["scorer_id"], strict=True))
    assert (set(card.scorers), (run / PROTOCOL_FILENAME).read_bytes()) == ({"mse", "psnr", "ssim"}, before)
