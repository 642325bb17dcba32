"""The arithmetic of appendix B, number by number, and of what really runs; measured times have the parts they claim."""

import pytest
from typer.testing import CliRunner

from probekit.models.presets import WAN_1_3B, WAN_14B
from tests.helpers.places import REPOSITORY
from trainer.cli import app
from trainer.planning.cost import (
    CycleShape,
    executed_cost,
    forward_cost,
    paper_cost,
    predictor_cost,
    rollout_pass_cost,
)

TERA = 1e12
FULL = CycleShape(tokens=32_760, chunks=7, text_tokens=512)
RECIPES = REPOSITORY / "trainer" / "recipes"


def test_layers_and_models_cost_what_the_arithmetic_says() -> None:
    assert forward_cost(WAN_14B, 32_760, 512, layers=1) / TERA == pytest.approx(41.96, abs=0.01)
    assert forward_cost(WAN_1_3B, 32_760, 512, layers=1) / TERA == pytest.approx(9.43, abs=0.01)
    assert forward_cost(WAN_14B, 32_760, 512) / TERA == pytest.approx(1678, abs=1)
    assert forward_cost(WAN_1_3B, 32_760, 512) / TERA == pytest.approx(283.0, abs=0.2)
    assert forward_cost(WAN_14B, 32_760, 512, 20) / TERA == pytest.approx(839, abs=1)
    assert rollout_pass_cost(WAN_1_3B, FULL) / TERA == pytest.approx(198.2, abs=0.3)
    assert predictor_cost(1536, 3, 32_760, 32_760) / TERA == pytest.approx(76.0, abs=0.1)
    assert predictor_cost(1536, 3, 32_760, 4_680) / TERA == pytest.approx(25.2, abs=0.1)


def test_the_papers_cycle_and_overhead() -> None:
    cost = paper_cost(WAN_1_3B, WAN_14B, FULL)
    assert cost.generator / TERA == pytest.approx(4771.5, rel=1e-3)
    assert cost.critic / TERA == pytest.approx(848.9, rel=1e-3)
    assert cost.baseline / TERA == pytest.approx(9016, rel=1e-3)
    assert (cost.baseline + cost.foresight) / TERA == pytest.approx(10_311, rel=1e-3)
    assert cost.overhead == pytest.approx(0.144, abs=0.001)
    assert (cost.encoder + cost.predictor) / cost.generator == pytest.approx(0.192, abs=0.001)
    assert cost.predictor / cost.critic == pytest.approx(0.090, abs=0.001)


def test_the_executed_cycle_and_overhead() -> None:
    cost = executed_cost(WAN_1_3B, WAN_14B, FULL)
    assert cost.generator / TERA == pytest.approx(4928, rel=2e-3)
    assert cost.critic / TERA == pytest.approx(1826, rel=2e-3)
    assert cost.baseline / TERA == pytest.approx(14_058, rel=2e-3)
    assert cost.foresight / TERA == pytest.approx(1007, rel=2e-3)
    assert cost.overhead == pytest.approx(0.072, abs=0.001)


def test_a_student_of_fewer_steps_runs_fewer_passes_before_the_exit_step() -> None:
    one = rollout_pass_cost(WAN_1_3B, FULL)
    four, two = (executed_cost(WAN_1_3B, WAN_14B, FULL._replace(few_steps=steps)) for steps in (4, 2))
    assert four.generator - two.generator == pytest.approx(one)
    assert four.critic - two.critic == pytest.approx(one)


def test_the_command_prints_both_accountings_of_a_recipe() -> None:
    result = CliRunner().invoke(app, ["cost", str(RECIPES / "sprite" / "dmd_foresight.yaml")])
    assert result.exit_code == 0, result.output
    for word in ("paper", "executed", "overhead", "encoder", "predictor"):
        assert word in result.output


@pytest.mark.long
def test_measured_times_name_generator_critic_and_replay() -> None:
    arguments = ["cost", str(RECIPES / "sprite" / "dmd_foresight.yaml"), "--measure", "--cycles", "1"]
    shrink = ["--set", "batch_size=1", "--set", "latent_frames=6", "--set", "critic_updates=2"]
    result = CliRunner().invoke(app, [*arguments, *shrink])
    assert result.exit_code == 0, result.output
    for word in ("generator update", "critic update", "replay", "cycle"):
        assert word in result.output
