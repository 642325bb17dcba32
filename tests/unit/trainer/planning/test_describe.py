"""`trainer describe`: a recipe's models, tokens, operations and memory without weights; what cannot fit is refused."""

import re
import sys
from pathlib import Path

import pytest
from transformers import UMT5EncoderModel
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.places import REPOSITORY
from trainer.cli import app
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig, load_recipe
from trainer.config.sweep import SWEEPS, load_sweep
from trainer.planning.architectures import text_encoder_parameters
from trainer.planning.describe import description
from trainer.planning.memory import GB
from trainer.planning.recipe import check_fit, memory_of, operations_of
from trainer.planning.trajectories import solver_operations, solver_plan

RECIPES = REPOSITORY / "trainer" / "recipes"
WAN = sorted((RECIPES / "wan").rglob("*.yaml"))
SPRITE = sorted((RECIPES / "sprite").rglob("*.yaml"))


def dmd(name: str, *changes: str) -> DmdConfig:
    config = load_recipe(RECIPES / "wan" / name, changes)
    assert isinstance(config, DmdConfig)
    return config


@pytest.mark.parametrize("path", WAN, ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_wan_recipe_fits_eight_gpus_of_80_gb(path: Path) -> None:
    config = load_recipe(path)
    processes = 1 if path.stem.startswith("one_gpu") else 8
    lines = list(description(config, processes, 141 if processes == 1 else 80))
    assert "1560 per latent frame, " in "\n".join(lines)
    if isinstance(config, TrajectoryConfig):
        assert lines[-1] == "fits 80 GB"
    else:
        assert lines[-1] == f"fits {processes} x {141 if processes == 1 else 80} GB"


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_row_of_a_table_fits_eight_gpus_of_80_gb(path: Path) -> None:
    sweep = load_sweep(path, "wan")
    for row in sweep.rows:
        for stage in row.stages:
            *_, verdict = description(load_recipe(SWEEPS / stage.recipe, (*stage.set, *sweep.set)), 8, 80)
            assert verdict == "fits 8 x 80 GB", row.name


@pytest.mark.parametrize("path", SPRITE, ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_sprite_recipe_is_described(path: Path) -> None:
    if path.name == "bidirectional.yaml":
        pytest.skip("the part that two recipes share")
    assert list(description(load_recipe(path), 1, None))


def test_a_recipe_without_the_block_is_described_and_costed() -> None:
    """Also run with the foresight package hidden, by the test of stages that do without it."""
    for recipe in ("wan/dmd_baseline.yaml", "sprite/ar.yaml", "sprite/sprite_base.yaml", "wan/ode_trajectories.yaml"):
        result = CliRunner().invoke(app, ["describe", str(RECIPES / recipe)])
        assert result.exit_code == 0, result.output
        assert "predictor" not in result.output
    result = CliRunner().invoke(app, ["cost", str(RECIPES / "sprite" / "dmd_baseline.yaml")])
    assert result.exit_code == 0, result.output


def test_a_block_without_its_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trainer.foresight.predictors", None)
    with pytest.raises(UserError, match=r"The recipe asks for foresight, but trainer\.foresight"):
        list(description(dmd("one_gpu_141gb.yaml"), 1, 141))


def test_the_numbers_at_wan_size() -> None:
    """Counts; on one H200 81.8 GB that are always there (87.5 with kept bf16 copies of two models), 100 at the peak."""
    config = dmd("one_gpu_141gb.yaml")
    text = "\n".join(description(config, 1, 141))
    for count in ("1,418,996,800", "14,288,491,584", "92,877,312", "135,344,640"):
        assert count in text
    assert config.foresight is not None
    official = config.model_copy(update={"foresight": config.foresight.model_copy(update={"dead_modulation": True})})
    static = sum(part.bytes for part in memory_of(official, 1).static)
    assert static / GB == pytest.approx(87.5 - 2 * 2 * 1.419, abs=0.1)
    assert 95 < memory_of(config, 1).on_each(1) / GB < 105


def test_where_foresight_reads_is_named_with_its_shape() -> None:
    text = "\n".join(description(dmd("dmd_foresight.yaml"), 8, 80))
    assert re.search(r"state: generator +output of blocks\.15, \(videos, 4680, 1536\) per segment", text)
    assert re.search(r"target: real +output of blocks\.20, \(videos, 4680, 5120\) per segment", text)
    assert re.search(r"segments with a target +7 of 7", text)
    framewise = "\n".join(description(dmd("framewise/dmd_foresight.yaml", "foresight.offsets=[1]"), 8, 80))
    assert re.search(r"blocks\.15, \(videos, 1560, 1536\)", framewise)
    assert re.search(r"segments with a target +20 of 21", framewise)
    depths = ("foresight.student_depth=0.3", "foresight.encoder_depth=0.3")
    shallow = "\n".join(description(dmd("dmd_foresight.yaml", *depths), 8, 80))
    assert "blocks.9," in shallow
    assert "blocks.12," in shallow


def test_operations_are_those_of_the_cost_model() -> None:
    cycle = operations_of(dmd("dmd_baseline.yaml"))["cycle"] / 64
    assert cycle / 1e12 == pytest.approx(14_058, rel=1e-3)
    forced = operations_of(load_recipe(RECIPES / "wan" / "ar.yaml"))["update"] / 64  # type: ignore[arg-type]
    assert forced / 1e12 == pytest.approx(1_584, rel=0.01)


def test_what_cannot_fit_is_refused_with_settings_that_do() -> None:
    crowded = dmd("dmd_foresight.yaml")
    with pytest.raises(UserError, match=r"gradient_accumulation=64.*real_model=Wan-AI/Wan2.1-T2V-1.3B") as refused:
        check_fit(crowded, 1, 80)
    assert "GPUs of this size" in str(refused.value)
    changes = re.findall(r"--set ([^ ;]+)", refused.value.fix.split("; or ")[0])
    changed = load_recipe(RECIPES / "wan" / "dmd_foresight.yaml", changes)
    check_fit(changed, 1, 80)  # type: ignore[arg-type]


def test_the_plans_for_one_gpu() -> None:
    check_fit(dmd("one_gpu_80gb.yaml"), 1, 80)
    check_fit(dmd("one_gpu_141gb.yaml"), 1, 141)
    with pytest.raises(UserError, match="needs"):
        check_fit(dmd("one_gpu_141gb.yaml"), 1, 80)


def test_each_memory_option_counts() -> None:
    config = dmd("one_gpu_141gb.yaml")
    reference = memory_of(config, 1).on_each(1)
    for change in (
        {"activation_checkpointing": False}, {"precision": "fp32"}, {"gradient_accumulation": 32},
        {"precompute_text": False},
    ):  # fmt: skip
        other = config.model_copy(update={"scale": config.scale.model_copy(update=change)})
        assert memory_of(other, 1).on_each(1) > reference, change
    assert memory_of(dmd("dmd_foresight.yaml"), 8).on_each(8) < reference / 2


def test_the_text_encoder_counts_unless_its_work_is_done_before() -> None:
    """UMT5-xxl: 5.68 billion parameters, 22.7 GB in fp32."""
    assert text_encoder_parameters("Wan-AI/Wan2.1-T2V-1.3B-Diffusers") == 5_680_910_336
    sprite = UMT5EncoderModel.from_pretrained(SHIPPED_MODELS / "sprite-base" / "text_encoder")
    assert text_encoder_parameters("sprite-base") == sum(parameter.numel() for parameter in sprite.parameters())
    with pytest.raises(UserError, match="text encoder of nowhere is not known"):
        text_encoder_parameters("nowhere")
    config = dmd("one_gpu_141gb.yaml")
    loaded = config.model_copy(update={"scale": config.scale.model_copy(update={"precompute_text": False})})
    more = memory_of(loaded, 1).on_each(1) - memory_of(config, 1).on_each(1)
    assert more / GB == pytest.approx(22.72, abs=0.01)
    with pytest.raises(UserError, match="precompute_text=true"):
        check_fit(loaded, 1, 110)


def trajectories(name: str, **changes: object) -> TrajectoryConfig:
    config = load_recipe(RECIPES / "wan" / name)
    assert isinstance(config, TrajectoryConfig)
    return config.model_copy(update=changes)


def test_what_trajectories_take() -> None:
    """48 guided steps of the AR teacher: 19.0 PFLOP of denoising a clip, and the committing passes."""
    forced, whole = trajectories("ode_trajectories.yaml"), trajectories("self_forcing/ode_trajectories.yaml")
    assert solver_operations(forced, solver_plan(forced)) / 1e12 == pytest.approx(49 * 2 * 198.2, rel=2e-3)
    assert solver_operations(whole, solver_plan(whole)) / 1e12 == pytest.approx(48 * 2 * 283.0, rel=1e-3)
    text = "\n".join(description(forced, 1, None))
    for part in ("6000 clips, 96 passes", "1,418,996,800", "5,680,910,336", "keys and values", "peak"):
        assert part in text
    unguided = trajectories("ode_trajectories.yaml", guidance=1.0)
    assert solver_operations(unguided, solver_plan(unguided)) < 0.51 * solver_operations(forced, solver_plan(forced))


def test_trajectories_that_cannot_fit_are_refused_with_settings_that_do() -> None:
    crowded = trajectories("ode_trajectories.yaml", precompute_text=False)
    with pytest.raises(UserError, match=r"needs 53\.\d GB") as refused:
        list(description(crowded, 1, 24))
    changes = re.findall(r"--set (\S+?)\.?(?= |$)", refused.value.fix)
    assert changes == ["precompute_text=true", "precision=bf16"]
    fitting = load_recipe(RECIPES / "wan" / "ode_trajectories.yaml", changes)
    assert list(description(fitting, 1, 24))[-1] == "fits 24 GB"
    with pytest.raises(UserError, match="needs") as hopeless:
        list(description(crowded, 1, 4))
    assert hopeless.value.fix == "Use larger GPUs."


def test_steps_are_the_papers() -> None:
    for name, steps, start in (
        ("dmd_foresight.yaml", 100, 0), ("framewise/dmd_foresight.yaml", 500, 400),
        ("self_forcing/dmd_foresight.yaml", 600, 500),
    ):  # fmt: skip
        config = dmd(name)
        assert config.foresight is not None
        assert (config.steps, config.foresight.start_step) == (steps, start)
        assert dmd(name.replace("foresight", "baseline")).model_copy(
            update={"name": config.name, "foresight": config.foresight}
        ) == config  # fmt: skip
    for name in ("ar.yaml", "ode.yaml", "consistency.yaml", "self_forcing/ode.yaml", "framewise/ode.yaml"):
        config = load_recipe(RECIPES / "wan" / name)
        assert not isinstance(config, BidirectionalConfig | TrajectoryConfig)
        assert config.steps == 2000


def test_the_command_prints_and_refuses() -> None:
    recipe = str(RECIPES / "wan" / "dmd_foresight.yaml")
    assert "fits 8 x 80 GB" in CliRunner().invoke(app, ["describe", recipe, "--gpus", "8", "--gpu-memory", "80"]).output
    refused = CliRunner().invoke(app, ["describe", recipe, "--gpus", "2", "--gpu-memory", "24"])
    assert refused.exit_code == 2
    uneven = CliRunner().invoke(app, ["describe", recipe, "--gpus", "3"])
    assert "cannot be shared by 3 processes" in uneven.output
