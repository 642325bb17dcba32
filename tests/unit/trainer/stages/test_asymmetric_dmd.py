"""Stage 3 at tiny size: its formulas, its pairing of arms, resumption, and the plug-in that it does not need."""

import json
import sys
from pathlib import Path

import pytest
import torch

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, read_causal_card, write_causal_card
from probekit.models.loading import load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from tests.helpers.training_states import copy_state
from tests.helpers.warm_python import run_python
from trainer.config.foresight import ForesightConfig
from trainer.config.optimizer import OptimizerConfig
from trainer.config.recipe import DmdConfig, load_recipe
from trainer.engine.loop import run
from trainer.errors import NonFiniteTraining
from trainer.objectives.dmd import critic_loss, dmd_gradient, dmd_loss, score_timesteps
from trainer.plugins import auxiliary_of
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

PARTS = SHIPPED_MODELS / "sprite-base"
RECIPES = REPOSITORY / "trainer" / "recipes" / "sprite"
FORESIGHT = ForesightConfig(predictor_heads=1, predictor_blocks=1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    student = write_tiny_model(root / "student", seed=1)
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(student, card)
    return {
        "initial_model": str(student),
        "real_model": str(write_tiny_model(root / "real", seed=2)),
        "critic_model": str(write_tiny_model(root / "critic", seed=3)),
    }


def dmd_config(folders: dict[str, str], **changes: object) -> DmdConfig:
    optimizer = OptimizerConfig(learning_rate=1e-3, betas=(0.0, 0.999), warmup_steps=0)
    values: dict[str, object] = {
        "stage": "asymmetric_dmd", "name": "dmd", "seed": 0, "text_and_codec": PARTS, "optimizer": optimizer,
        "critic_optimizer": optimizer, "critic_updates": 2, "steps": 4, "batch_size": 2, "latent_frames": 6,
        "checkpoint_every": 2, "log_every": 1, "export_every": 2, **folders,
    }  # fmt: skip
    return DmdConfig.model_validate(values | changes)


def dmd_stage(config: DmdConfig) -> AsymmetricDmdStage:
    return AsymmetricDmdStage(config, auxiliary_of(config))


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_the_gradient_is_the_scaled_difference_of_scores() -> None:
    generated, fake, real = (torch.full((1, 1, 1, 1, 2), value) for value in (1.0, 0.5, 3.0))
    real[..., 1] = 5.0
    gradient = dmd_gradient(generated, fake, real)
    torch.testing.assert_close(gradient.flatten(), torch.tensor([-2.5, -4.5]) / 3.0)


def test_the_loss_passes_the_gradient_on() -> None:
    generated = torch.randn(2, 3, 2, 2, 2, requires_grad=True)
    gradient = torch.randn(generated.shape)
    loss = dmd_loss(generated, gradient)
    loss.backward()  # type: ignore[no-untyped-call]
    assert generated.grad is not None
    torch.testing.assert_close(generated.grad, gradient / generated.numel())
    torch.testing.assert_close(loss.detach(), 0.5 * gradient.square().mean())


def test_levels_are_shifted_and_clamped() -> None:
    found = score_timesteps(torch.tensor([0.0, 0.5, 0.9, 1.0]), 5.0, (20.0, 980.0))
    torch.testing.assert_close(found, torch.tensor([20.0, 833.3333, 978.2609, 980.0]))


def test_the_critic_learns_the_flow_to_its_noise() -> None:
    video, noise = torch.randn(2, 4), torch.randn(2, 4)
    assert critic_loss(noise - video, video, noise) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("switch", "changed"),
    [
        ("table_sigmas", {"gradient_norm", "critic_loss"}),
        ("noisy_commit", {"gradient_norm", "critic_loss"}),
        ("critic_through_x0", {"critic_loss"}),
    ],
)
def test_each_official_switch_changes_what_it_names(folders: dict[str, str], switch: str, changed: set[str]) -> None:
    ours = dmd_stage(dmd_config(folders)).training_step(0)
    theirs = dmd_stage(dmd_config(folders, official={switch: True})).training_step(0)
    assert {name for name in ("gradient_norm", "critic_loss") if ours[name] != theirs[name]} == changed


@pytest.mark.long
@pytest.mark.parametrize("foresight", [None, FORESIGHT])
def test_interrupted_and_resumed_equals_uninterrupted(
    folders: dict[str, str], foresight: ForesightConfig | None, tmp_path: Path
) -> None:
    config = dmd_config(folders, foresight=foresight)
    whole, second = dmd_stage(config), dmd_stage(config)
    run(whole, config, tmp_path / "whole")
    first = dmd_stage(config)
    for step in range(2):
        first.training_step(step)
    copy_state(first, second, tmp_path / "copied")
    for step in (2, 3):
        second.training_step(step)
    assert same_weights(whole.model, second.model)
    assert same_weights(whole.scores.critic, second.scores.critic)
    assert same_weights(whole.ema.model, second.ema.model)
    kept = sorted(path.name for path in (tmp_path / "whole" / "exports").iterdir())
    assert kept == ["step-0002", "step-0004"]
    assert read_causal_card(tmp_path / "whole" / "export").role == "dmd_student"


@pytest.mark.long
def test_the_arms_share_everything_but_the_objective(folders: dict[str, str]) -> None:
    """With weight 0 the foresight arm is the baseline, bit for bit; with weight 0.2 it is not."""
    plain, silent, loud = (
        dmd_stage(dmd_config(folders, foresight=foresight))
        for foresight in (None, FORESIGHT.model_copy(update={"weight": 0.0}), FORESIGHT)
    )
    for stage in (plain, silent, loud):
        for step in range(2):
            stage.training_step(step)
    assert same_weights(plain.model, silent.model)
    assert same_weights(plain.scores.critic, silent.scores.critic)
    assert not same_weights(plain.model, loud.model)
    assert list(plain.ema.model.state_dict()) == list(loud.ema.model.state_dict())


WITHOUT_TRAINER = """
import sys
for name in [name for name in sys.modules if name.split(".")[0] == "trainer"]:
    del sys.modules[name]
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "trainer":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from probekit.cli.main import app
app(["sample", "--model", sys.argv[1], "--out", sys.argv[2], "--prompts", "1", "--samples", "1"])
"""


@pytest.mark.long
def test_once_the_plug_in_is_dropped_the_foresight_arm_is_the_baselines_code_and_keys(
    folders: dict[str, str],
    tmp_path: Path,
) -> None:
    """At weight 0 the exports are equal byte for byte, files and names; sampling needs nothing of the trainer."""
    silent = FORESIGHT.model_copy(update={"weight": 0.0})
    for name, foresight in (("plain", None), ("silent", silent), ("loud", FORESIGHT)):
        stage = dmd_stage(dmd_config(folders, foresight=foresight))
        stage.training_step(0)
        stage.export(tmp_path / name / "export")
    files = {
        name: {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("plain", "silent", "loud")
    }
    assert files["plain"] == files["silent"]
    differing = {path for path in files["plain"] if files["plain"][path] != files["loud"][path]}
    assert files["plain"].keys() == files["loud"].keys()
    assert differing == {"export/transformer/diffusion_pytorch_model.safetensors"}
    keys = [list(load_transformer(tmp_path / name / "export").state_dict()) for name in ("plain", "loud")]
    assert keys[0] == keys[1]
    arguments = [str(tmp_path / "loud" / "export"), str(tmp_path / "videos")]
    sampled = run_python(["-c", WITHOUT_TRAINER, *arguments], tmp_path)
    assert sampled.returncode == 0, sampled.stderr[-2000:]


def test_the_recipes_of_the_arms_differ_in_the_foresight_block_alone() -> None:
    baseline, method = (load_recipe(RECIPES / f"dmd_{arm}.yaml").model_dump() for arm in ("baseline", "foresight"))
    differing = {key for key in baseline if baseline[key] != method[key]}
    assert differing == {"name", "foresight"}
    assert baseline["foresight"] is None


def test_teacher_and_encoder_never_change(folders: dict[str, str]) -> None:
    stage, fresh = (dmd_stage(dmd_config(folders, foresight=FORESIGHT)) for _ in range(2))
    stage.training_step(0)
    assert same_weights(stage.scores.real, fresh.scores.real)
    assert all(parameter.grad is None for parameter in stage.scores.real.parameters())
    assert not same_weights(stage.scores.critic, fresh.scores.critic)
    assert not same_weights(stage.model, fresh.model)


def test_a_non_finite_gradient_stops_and_is_named(folders: dict[str, str]) -> None:
    stage = dmd_stage(dmd_config(folders))
    with torch.no_grad():
        stage.scores.real.proj_out.bias.fill_(float("nan"))
    before = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    with pytest.raises(NonFiniteTraining, match=r"step 0.*seed 0.*prompts"):
        stage.training_step(0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stage.model.state_dict().items())


def test_a_model_in_the_wrong_part_is_refused(folders: dict[str, str]) -> None:
    with pytest.raises(UserError, match="ode_student model, which cannot be the real score"):
        dmd_stage(dmd_config(folders, real_model=folders["initial_model"]))
    with pytest.raises(UserError, match="bidirectional model, which cannot be distilled by DMD"):
        dmd_stage(dmd_config(folders, initial_model=folders["real_model"]))


def test_a_layer_that_does_not_exist_is_named(folders: dict[str, str]) -> None:
    wrong = FORESIGHT.model_copy(update={"student_layer": 7})
    with pytest.raises(UserError, match=r"foresight\.student_layer is 7, but the model has 2 blocks"):
        dmd_stage(dmd_config(folders, foresight=wrong))


WITHOUT_FORESIGHT = """
import sys
for name in [name for name in sys.modules if name.split(".")[0] in ("trainer", "tests")]:
    del sys.modules[name]
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[:2] == ["trainer", "foresight"]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.long
def test_every_stage_runs_without_the_foresight_package(tmp_path: Path) -> None:
    here = Path(__file__)
    chosen = [
        f"{here}::test_a_non_finite_gradient_stops_and_is_named",
        f"{here}::test_interrupted_and_resumed_equals_uninterrupted[None]",
        f"{here}::test_foresight_without_its_package_is_a_clear_error",
        f"{here.with_name('test_causal_stages.py')}::test_ar_finetuning_resumes_exactly_and_exports_a_teacher",
        f"{here.with_name('test_causal_stages.py')}::test_an_ar_teachers_trajectory_is_its_guided_euler_solution",
        f"{here.with_name('test_causal_stages.py')}::test_ode_distillation_resumes_exactly_and_exports_a_student",
        f"{here.with_name('test_consistency.py')}::test_it_resumes_exactly_and_exports_a_student",
        f"{here.with_name('test_self_forcing.py')}::test_a_bidirectional_teacher_solves_whole_clips_from_noise",
        f"{here.parents[1] / 'engine' / 'test_loop.py'}::test_the_export_opens_and_holds_the_average_in_bf16",
        f"{here.parents[1] / 'planning' / 'test_describe.py'}::test_a_recipe_without_the_block_is_described_and_costed",
    ]
    found = run_python(["-c", WITHOUT_FORESIGHT, *chosen], tmp_path, cwd=REPOSITORY)
    assert found.returncode == 0, found.stdout[-3000:]


def test_foresight_without_its_package_is_a_clear_error(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trainer.foresight.objective", None)
    with pytest.raises(UserError, match=r"The recipe asks for foresight, but trainer\.foresight"):
        dmd_stage(dmd_config(folders, foresight=FORESIGHT))


def test_the_official_preset_sets_every_switch_that_a_recipe_leaves_open(folders: dict[str, str]) -> None:
    config = dmd_config(folders, preset="official", foresight={"predictor_heads": 1, "learning_rate": 1e-5})
    assert all(config.official.model_dump().values())
    assert (config.ema_start, config.critic_optimizer.warmup_steps) == (200, 0)
    assert config.foresight is not None
    assert (config.foresight.learning_rate, config.foresight.master_dtype) == (1e-5, "bfloat16")
    assert config.foresight.dead_modulation
    assert config.foresight.negative_cosine
    kept = dmd_config(folders, preset="official", official={"noisy_commit": False}, ema_start=3)
    assert (kept.official.noisy_commit, kept.official.table_sigmas, kept.ema_start) == (False, True, 3)


def test_exports_are_kept_as_often_as_asked(folders: dict[str, str], tmp_path: Path) -> None:
    stage = dmd_stage(dmd_config(folders, export_every=3))
    for updates in (2, 3, 4):
        stage._updates.fill_(updates)
        stage.export(tmp_path / "export")
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["step-0003"]


@pytest.mark.long
def test_official_steps_count_critic_updates(folders: dict[str, str], tmp_path: Path) -> None:
    """100 are 20 generator updates, and the average, which begins at 200, never does."""
    late = FORESIGHT.model_copy(update={"start_step": 3})
    changes = {"steps": 5, "critic_updates": 2, "ema_start": 4, "foresight": late}
    ours, theirs = (dmd_config(folders, official={"trainer_steps": flag}, **changes) for flag in (False, True))
    assert (ours.total_steps, theirs.total_steps) == (5, 3)
    official = dmd_config(folders, preset="official", steps=100, critic_updates=5)
    assert (official.total_steps, official.generator_updates(official.ema_start)) == (20, 40)
    stage = dmd_stage(theirs)
    run(stage, theirs, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = [record for record in records if "dmd_loss" in record]
    assert [(record["generator_updates"], record["critic_updates"]) for record in logged] == [(1, 2), (2, 4), (3, 6)]
    assert ["auxiliary_loss" in record for record in logged] == [False, False, True]
    assert int(stage.ema.updates) == 1


def test_until_the_average_begins_the_generator_itself_is_exported(folders: dict[str, str], tmp_path: Path) -> None:
    stage = dmd_stage(dmd_config(folders, ema_start=5))
    before = stage.ema.model.state_dict()
    stage.training_step(0)
    stage.export(tmp_path / "run" / "export")
    exported = load_transformer(tmp_path / "run" / "export").state_dict()
    name = "blocks.0.ffn.net.0.proj.weight"
    assert torch.equal(exported[name], stage.model.state_dict()[name].bfloat16().float())
    assert torch.equal(before[name], stage.ema.model.state_dict()[name])


def test_foresight_acts_in_the_last_updates_only(folders: dict[str, str]) -> None:
    late = FORESIGHT.model_copy(update={"start_step": 1})
    stage, plain = dmd_stage(dmd_config(folders, foresight=late)), dmd_stage(dmd_config(folders))
    first = stage.training_step(0)
    assert "auxiliary_loss" not in first
    assert first["dmd_loss"] == plain.training_step(0)["dmd_loss"]
    assert same_weights(stage.model, plain.model)
    assert "auxiliary_loss" in stage.training_step(1)
