"""The table of systems: what was measured, what was printed in the paper, and what is absent, with the reason."""

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.reporting.system_table import (
    PAPER,
    paper_systems,
    parameters_text,
    table_of_systems,
)
from probekit.run_folder.speed_record import SPEED_FILENAME, SpeedRecord, read_speed, write_speed
from probekit.run_folder.video_set import VIDEO_FOLDER
from probekit.workflows.compare import open_scored_run
from probekit.workflows.systems import system_table
from probekit.workflows.total import total_of_run
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.shared_data import shared_path

SPEED = SpeedRecord(
    model="tiny", parameters=1_300_000_000, frames=81, height=480, width=832, streaming=True, device="cpu",
    precision="float32", warm_up=1, seconds=(4.0, 2.0, 90.0), first_output_seconds=(0.5, 0.25, 7.0),
    hardware={"processor": "Abacus"}, packages={}, command="probekit sample",
)  # fmt: skip


def probekit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two systems of one suite; the speed of the first is measured."""
    root = tmp_path_factory.mktemp("systems")
    folders = []
    for seed, name in enumerate(("tiny-a", "tiny-b")):
        model = write_tiny_model(root / "models" / name, seed)
        arguments = ["--out", root / name, "--prompts", 2, "--samples", 1, "--steps", 1, "--seconds", 0.5]
        measured = ["--measure", "--repeats", 1, "--warm-up", 0] if seed == 0 else []
        made = probekit("sample", "--model", model, *arguments, *measured)
        assert made.exit_code == 0, made.output
        assert probekit("score", root / name).exit_code == 0
        folders.append(root / name)
    return folders


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "systems.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_speed_is_the_median_and_comes_back(tmp_path: Path) -> None:
    assert (SPEED.throughput(), SPEED.latency()) == (81 / 4.0, 0.5)
    assert read_speed(tmp_path) is None
    write_speed(tmp_path, SPEED)
    assert read_speed(tmp_path) == SPEED
    (tmp_path / SPEED_FILENAME).write_text("{")
    with pytest.raises(UserError, match=r"speed\.json is not JSON"):
        read_speed(tmp_path)
    (tmp_path / SPEED_FILENAME).write_text('{"seconds": []}')
    with pytest.raises(UserError, match=r"speed\.json"):
        read_speed(tmp_path)


@pytest.mark.parametrize(
    ("count", "text"),
    [(1_300_000_000, "1.3B"), (14_000_000_000, "14B"), (4_600_000, "4.6M"), (12_345, "12K"), (999, "999")],
)
def test_parameters_read_as_in_papers(count: int, text: str) -> None:
    assert parameters_text(count) == text


def test_the_command_writes_every_form_of_one_table(runs: list[Path], tmp_path: Path) -> None:
    result = probekit("systems", *runs, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"systems.csv", "systems.md", "systems.tex"}
    first, second = rows_of(tmp_path)
    assert (first["system"], second["system"], first["resolution"]) == ("tiny-a", "tiny-b", "32x32")
    speed = read_speed(runs[0])
    assert speed is not None
    assert float(first["throughput_fps"]) == pytest.approx(speed.throughput(), rel=1e-5)
    assert first["parameters"] == parameters_text(speed.parameters)
    assert (second["throughput_fps"], second["latency_s"], second["parameters"]) == ("", "", "")
    assert "--measure" in second["reasons"]
    expected = total_of_run(open_scored_run(runs[0]), "prompt-mean").aggregate
    for name in ("quality", "semantic", "total"):
        value = expected._asdict()[name]
        assert first[name] == ("" if value is None else f"{value:.6f}")
    assert (first["videos_scored"] <= first["videos_planned"], first["videos_planned"]) == (True, "20")


def test_other_prompts_are_refused_or_bannered_but_other_seeds_are_not(runs: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    card = other / "protocol.json"
    card.write_text(card.read_text().replace('"seed": 0', '"seed": 4'))
    assert system_table([open_scored_run(run) for run in (runs[0], other)]).banner is None
    card.write_text(card.read_text().replace('"scoring_variant": "short"', '"scoring_variant": "extended"'))
    refused = probekit("systems", runs[0], other, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "prompts.scoring_variant" in refused.output
    allowed = probekit("systems", runs[0], other, "--out", tmp_path / "out", "--allow-mismatch")
    assert allowed.exit_code == 0, allowed.output
    for name in ("systems.csv", "systems.md", "systems.tex"):
        assert "PROTOCOLS DIFFER in prompts.scoring" in (tmp_path / "out" / name).read_text().replace("\\", "")


def test_the_papers_systems_stand_below_and_say_so(runs: list[Path], tmp_path: Path) -> None:
    assert probekit("systems", runs[0], "--out", tmp_path, "--paper").exit_code == 0
    ours, *printed = rows_of(tmp_path)
    assert ours["source"] != PAPER
    assert {row["source"] for row in printed} == {PAPER}
    wan = next(row for row in printed if row["system"] == "Wan2.1")
    assert (wan["parameters"], float(wan["throughput_fps"]), float(wan["total"])) == ("1.3B", 0.78, 83.37)
    assert "not measured here" in (tmp_path / "systems.md").read_text()


def test_the_papers_numbers_are_those_of_its_table() -> None:
    path = shared_path("paper/tables/table05_system_comparison.csv")
    with path.open(encoding="utf-8") as file:
        printed = [(row["model"], float(row["quality"]), float(row["total"])) for row in csv.DictReader(file)]
    assert [(row.name, row.quality, row.total) for row in paper_systems()] == printed


def test_total_is_the_papers_rule_of_quality_and_semantic() -> None:
    """Total = (4 Quality + Semantic) / 5, up to the rounding of three printed numbers."""
    for row in paper_systems():
        assert row.quality is not None and row.semantic is not None and row.total is not None  # noqa: PT018
        assert row.total == pytest.approx((4 * row.quality + row.semantic) / 5, abs=0.011)


def test_imported_videos_have_no_speed_and_the_table_says_why(tmp_path: Path) -> None:
    from tests.helpers.video_set_files import write_sample

    rows = [write_sample(tmp_path / "videos", prompt) for prompt in ("a", "b")]
    table = tmp_path / "table.csv"
    lines = [f"{tmp_path / 'videos' / row.path},{row.prompt_id},prompt {row.prompt_id},5s,NOVA" for row in rows]
    table.write_text("\n".join(["file,prompt_id,prompt,horizon,model", *lines]))
    assert (tmp_path / "videos" / VIDEO_FOLDER).is_dir()
    assert probekit("score", table, "--out", tmp_path / "runs").exit_code == 0
    result = probekit("systems", tmp_path / "runs" / "NOVA--5s", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (row,) = rows_of(tmp_path / "out")
    assert (row["system"], row["resolution"], row["throughput_fps"], row["total"]) == ("NOVA", "32x32", "", "")
    assert "imported" in row["reasons"]
    assert "not scored" in row["reasons"]


def test_names_with_special_characters_keep_the_tables_whole() -> None:
    rows = tuple(row._replace(name="a|b_c&d\n") for row in paper_systems()[:2])
    table = table_of_systems(rows, "50% & more")
    markdown = table.markdown().splitlines()
    assert markdown[0] == "**50% & more**"
    assert {line.replace("\\|", "").count("|") for line in markdown if line.startswith("| a")} == {10}
    assert r"a\textbar{}b\_c\&d" in table.latex()
    assert table.csv().count("50% & more") == 2


def test_systems_of_different_suites_do_not_meet(runs: list[Path]) -> None:
    first = open_scored_run(runs[0])
    with pytest.raises(UserError, match="Show systems of one suite"):
        system_table([first, first._replace(horizon="30s")])
    with pytest.raises(UserError, match="no system"):
        system_table([])
