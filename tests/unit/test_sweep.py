"""Tables of the paper as sweeps: every recipe opens, rows differ in what the table varies, and one runs through."""

import csv
from pathlib import Path

import pytest

from probekit.config import load_config
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from tests.model_folders import write_tiny_model
from tests.shared_data import SHARED
from trainer.config import CausalOdeConfig, DmdConfig, load_recipe
from trainer.sweep import SWEEPS, SweepConfig, find_sweep, run_sweep

SHIPPED = sorted((SWEEPS / "sprite" / "sweeps").glob("*.yaml"))
TABLES = {int(path.stem.removeprefix("table")): path for path in SHIPPED if path.stem.startswith("table")}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
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
@pytest.mark.parametrize("number", TABLES)
def test_the_papers_numbers_are_copied_right(number: int) -> None:
    (source,) = (SHARED / "paper" / "tables").glob(f"table{number:02d}_*.csv")
    with source.open() as file:
        expected = [tuple(float(row[key]) for key in ("quality", "semantic", "total")) for row in csv.DictReader(file)]
    found = [row.paper for row in load_config(TABLES[number], SweepConfig).rows]
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
