"""Tables of the paper as sweeps: every recipe opens, rows differ in what the table varies, and one runs through."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.config import load_config
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.shared_data import SHARED
from trainer.cli import app
from trainer.config.causal import CausalOdeConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig, load_recipe
from trainer.sweep import SWEEPS, SweepConfig, SweepRow, find_sweep, run_sweep, trainings_of

SCALES = ("sprite", "wan")
SHIPPED = [path for scale in SCALES for path in sorted((SWEEPS / scale / "sweeps").glob("*.yaml"))]
TABLES = [path for path in SHIPPED if path.stem.startswith("table")]


def name_of(path: Path) -> str:
    return f"{path.parents[1].name}-{path.stem}"


@pytest.mark.parametrize("scale", SCALES)
def test_every_table_and_figure_of_the_paper_has_a_sweep(scale: str) -> None:
    """Tables 1 to 4 and 10 to 14, and the losses of figure 5."""
    found = {path.stem for path in (SWEEPS / scale / "sweeps").glob("*.yaml")}
    assert found == {"figure05", *(f"table{number:02d}" for number in (1, 2, 3, 4, 10, 11, 12, 13, 14))}
    losses = load_config(SWEEPS / scale / "sweeps" / "figure05.yaml", SweepConfig)
    assert [row.name for row in losses.rows[1:]] == ["cosine", "cosine-sigreg", "mse", "mse-sigreg"]


@pytest.mark.parametrize("scale", SCALES)
def test_every_base_system_has_each_stage_with_and_without_foresight(scale: str) -> None:
    systems = {".": ("ar",), "framewise": ("ar",), "self_forcing": ()}
    for system, first in systems.items():
        for name in (*first, "ode_trajectories", "ode", "ode_foresight", "dmd_baseline", "dmd_foresight"):
            recipe = load_recipe(SWEEPS / scale / system / f"{name}.yaml")
            if not isinstance(recipe, BidirectionalConfig):
                assert recipe.chunk_frames == (1 if system == "framewise" else 3)
            if isinstance(recipe, DmdConfig | CausalOdeConfig):
                assert (recipe.foresight is not None) == name.endswith("foresight")
            if isinstance(recipe, CausalOdeConfig):
                assert recipe.clean_context == (system != "self_forcing")


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_every_sweep_can_be_planned(path: Path, tmp_path: Path) -> None:
    arguments = ["sweep", path.stem, "--scale", path.parents[1].name, "--out", str(tmp_path), "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--set", "steps=250", "--set", "seed=4"])
    assert result.exit_code == 0, result.output
    trained = [line for line in result.output.splitlines() if line.startswith("  ")]
    rows = load_config(path, SweepConfig).rows
    assert len(trained) == sum(1 + len(row.then) for row in rows)
    assert all(", 250 steps: -m trainer train " in line and line.endswith(" --set seed=4") for line in trained)
    assert list(tmp_path.iterdir()) == []


def test_a_later_stage_starts_from_the_export_before_it_on_as_many_processes() -> None:
    row = SweepRow(name="both", label="", recipe=Path("first.yaml"), then=(Path("second.yaml"),))
    first, second = trainings_of(row, Path("recipes"), Path("out"), ["steps=1"])
    assert first == (Path("recipes/first.yaml"), Path("out/both.stage-0"), ("name=both", "steps=1"))
    assert second.changes == ("name=both", f"initial_model={Path('out/both.stage-0/export')}", "steps=1")
    assert " -m trainer train recipes/second.yaml --out out/both --set name=both" in " ".join(second.command(1))
    assert " -m torch.distributed.run --standalone --nproc-per-node 8 -m trainer" in " ".join(second.command(8))


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_every_row_is_a_recipe_that_differs_from_the_others(path: Path) -> None:
    sweep = load_config(path, SweepConfig)
    configs = []
    for row in sweep.rows:
        chain = [load_recipe(path.parent / recipe) for recipe in (row.recipe, *row.then)]
        assert all(isinstance(config, DmdConfig | CausalOdeConfig) for config in chain)
        configs.append([config.model_dump(exclude={"name"}) for config in chain])
    assert all(one not in configs[:index] for index, one in enumerate(configs))
    first = configs[0][-1]
    assert first["foresight"] is None
    for others in configs[1:]:
        assert any(config["foresight"] is not None for config in others)
        if len(others) == 1:
            assert {key for key in first if first[key] != others[0][key]} <= {"foresight", "real_model", "base_model"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's tables are not here")
@pytest.mark.parametrize("path", TABLES, ids=name_of)
def test_the_papers_numbers_are_copied_right(path: Path) -> None:
    (source,) = (SHARED / "paper" / "tables").glob(f"{path.stem}_*.csv")
    with source.open() as file:
        expected = [tuple(float(row[key]) for key in ("quality", "semantic", "total")) for row in csv.DictReader(file)]
    found = [row.paper for row in load_config(path, SweepConfig).rows]
    assert [(paper.quality, paper.semantic, paper.total) for paper in found if paper] == expected


def test_a_sweep_trains_scores_compares_and_repeats_nothing(tmp_path: Path) -> None:
    student = write_tiny_model(tmp_path / "student")
    write_causal_card(
        student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    )
    sizes = "\n".join(f"{key}: {write_tiny_model(tmp_path / key)}" for key in ("real_model", "critic_model"))
    recipes = SWEEPS / "sprite"
    shared = f"initial_model: {student}\n{sizes}\nlatent_frames: 6\nbatch_size: 2\nsteps: 1\ncritic_updates: 1\n"
    shared += "optimizer: {warmup_steps: 0}\ncheckpoint_every: 1\n"
    (tmp_path / "base.yaml").write_text(f"extends: {recipes / 'dmd_baseline.yaml'}\n{shared}")
    (tmp_path / "ours.yaml").write_text("extends: base.yaml\nforesight: {predictor_heads: 1, predictor_blocks: 1}\n")
    (tmp_path / "tiny.yaml").write_text(
        "title: Tiny\nsource: nothing\nprompts: 6\nrows:\n"
        "  - {name: plain, label: none, recipe: base.yaml}\n"
        "  - {name: twice, label: two stages, recipe: base.yaml, then: [ours.yaml]}\n"
    )
    record = run_sweep(tmp_path / "tiny.yaml", tmp_path / "out", jobs=2)
    assert {row.method.split(" ")[0] for row in record.rows} == {"twice"}
    table = (tmp_path / "out" / "table" / "sweep.md").read_text()
    assert "| none |" in table
    assert "| two stages |" in table
    exported = tmp_path / "out" / "twice" / "export" / "transformer" / "diffusion_pytorch_model.safetensors"
    written = exported.stat().st_mtime_ns
    run_sweep(tmp_path / "tiny.yaml", tmp_path / "out")
    assert exported.stat().st_mtime_ns == written


def test_an_unknown_sweep_names_those_that_exist() -> None:
    with pytest.raises(UserError, match="table11"):
        find_sweep("table99")
