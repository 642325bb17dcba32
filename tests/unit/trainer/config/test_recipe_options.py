"""Every option of a training recipe changes what it names, and the catalogue of options names a test for each."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from pydantic import BaseModel

from probekit.config import StrictModel
from probekit.models.causal_card import CausalCard, read_causal_card, write_causal_card
from probekit.models.loading import load_text_encoder, load_transformer
from probekit.models.text_encoding import TextEncoder
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from tests.helpers.recipe_option_catalogue import CATALOGUE
from tests.unit.trainer.stages.test_asymmetric_dmd import dmd_config, dmd_stage, folders  # noqa: F401
from tests.unit.trainer.stages.test_causal_stages import ar_config, base, clips, teacher, trajectory_config  # noqa: F401
from tests.unit.trainer.stages.test_consistency import config_of as consistency_config
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig, TrajectoryConfig
from trainer.config.optimizer import OptimizerConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig
from trainer.data.trajectories import Trajectories, TrajectoryBatch
from trainer.engine.ema import ExponentialMovingAverage
from trainer.engine.loop import Stage
from trainer.engine.optimizers import build_adamw
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.bidirectional import BidirectionalStage
from trainer.stages.consistency import ConsistencyStage
from trainer.stages.ode_trajectories import make_trajectories
from trainer.stages.whole_clip_trajectories import whole_clip_shard

UNIT: Final = REPOSITORY / "tests" / "unit" / "trainer"
RECIPES: Final = (
    BidirectionalConfig, AutoregressiveConfig, TrajectoryConfig, CausalOdeConfig, ConsistencyConfig, DmdConfig,
)  # fmt: skip


def options(model: type[BaseModel]) -> Iterator[str]:
    """`Class.field` of every option of a recipe, under the class that declares it."""
    for name, field in model.model_fields.items():
        owner = next(one for one in reversed(model.__mro__) if name in inspect.get_annotations(one))
        yield f"{owner.__name__}.{name}"
        for part in [field.annotation, *_arguments(field.annotation)]:
            if inspect.isclass(part) and issubclass(part, StrictModel):
                yield from options(part)


def _arguments(annotation: Any) -> list[Any]:
    return list(getattr(annotation, "__args__", ()))


def test_the_catalogue_names_a_test_for_every_option() -> None:
    found = {option for recipe in RECIPES for option in options(recipe) if not option.endswith(".stage")}
    assert found == CATALOGUE.keys()
    for option, place in CATALOGUE.items():
        file, test = place.split("::")
        assert f"def {test}(" in (UNIT / file).read_text(), option


def fingerprint(stage: Stage) -> dict[str, float]:
    """Two steps' numbers, and a checksum of every model after them."""
    logged = [stage.training_step(step) for step in range(2)]
    numbers = {f"{name}@{step}": value for step, values in enumerate(logged) for name, value in values.items()}
    models = stage.training_state().models
    sums = {
        name: sum(float(p.detach().double().abs().sum()) for p in model.parameters()) for name, model in models.items()
    }
    return numbers | sums


def assert_changed(ours: Mapping[str, float], reference: Mapping[str, float], changed: str, same: str) -> None:
    for name in changed.split():
        assert ours[name] != reference[name], name
    for name in same.split():
        assert ours[name] == reference[name], name


AR: Final[dict[str, tuple[object, str, str]]] = {
    "seed": (1, "loss@0", ""),
    "caption_dropout": (0.95, "loss@0", ""),
    "bell_weighting": (False, "loss@0", ""),
    "shift": (2.0, "loss@0", ""),
    "batch_size": (1, "loss@0", ""),
    "latent_frames": (3, "loss@0", ""),
    "chunk_frames": (1, "loss@0", ""),
    "initial_model": ("another", "loss@0", ""),
    "ema_decay": (0.0, "ema", "model loss@1"),
    "optimizer.kind": ("muon", "model", "loss@0 gradient_norm@0"),
    "optimizer.learning_rate": (1e-2, "model", "loss@0"),
    "optimizer.betas": ((0.0, 0.5), "model", "loss@0"),
    "optimizer.weight_decay": (0.5, "model", "loss@0"),
    "optimizer.warmup_steps": (2, "model", "loss@0"),
    "optimizer.clip_norm": (1e-4, "model", "loss@0 gradient_norm@0"),
}


def changed_values(option: str, value: object, config: BaseModel) -> dict[str, object]:
    if "." not in option:
        return {option: value}
    block, key = option.split(".")
    nested: BaseModel = dict(config)[block]
    return {block: nested.model_copy(update={key: value})}


@pytest.fixture(scope="module")
def ar_reference(clips: Path, base: Path) -> dict[str, float]:  # noqa: F811
    return fingerprint(AutoregressiveStage(ar_config(clips, base)))


@pytest.mark.parametrize("option", AR)
def test_each_option_of_a_run_changes_what_it_names(
    option: str,
    ar_reference: dict[str, float],
    clips: Path,  # noqa: F811
    base: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    value, changed, same = AR[option]
    if option == "initial_model":
        value = str(write_tiny_model(tmp_path / "another", seed=9))
    config = ar_config(clips, base)
    changes = changed_values(option, value, config)
    assert_changed(fingerprint(AutoregressiveStage(ar_config(clips, base, **changes))), ar_reference, changed, same)


def test_the_exported_teacher_samples_as_the_recipe_says(clips: Path, base: Path, tmp_path: Path) -> None:  # noqa: F811
    config = ar_config(clips, base, sampling_steps=7, sampling_guidance=2.5, shift=3.0)
    AutoregressiveStage(config).export(tmp_path)
    card = read_causal_card(tmp_path)
    assert (card.euler_steps, card.guidance, card.shift) == (7, 2.5, 3.0)


def test_gradients_are_clipped_to_the_norm(clips: Path, base: Path) -> None:  # noqa: F811
    optimizer = OptimizerConfig(learning_rate=1e-3, warmup_steps=0, clip_norm=1e-4)
    stage = AutoregressiveStage(ar_config(clips, base, optimizer=optimizer))
    before = stage.training_step(0)["gradient_norm"]
    gradients = [p.grad.flatten() for p in stage.model.parameters() if p.grad is not None]
    assert before > 1e-2
    assert float(torch.cat(gradients).norm()) == pytest.approx(1e-4, rel=1e-3)


CONSISTENCY: Final[dict[str, object]] = {"guidance": 1.0, "euler_steps": 4, "teacher": "another"}


@pytest.fixture(scope="module")
def consistency_reference(clips: Path, teacher: Path) -> dict[str, float]:  # noqa: F811
    return fingerprint(ConsistencyStage(consistency_config(clips, teacher)))


@pytest.mark.parametrize("option", CONSISTENCY)
def test_each_option_of_consistency_changes_the_loss(
    option: str,
    consistency_reference: dict[str, float],
    clips: Path,  # noqa: F811
    teacher: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    config = consistency_config(clips, teacher)
    value = CONSISTENCY[option]
    if option == "teacher":
        value = str(write_tiny_model(tmp_path / "another", seed=9))
        card = CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=4, guidance=2.0)
        write_causal_card(Path(str(value)), card)
    found = fingerprint(ConsistencyStage(config.model_copy(update={option: value})))
    assert found["loss@0"] != consistency_reference["loss@0"]


DMD: Final[dict[str, tuple[object, str, str]]] = {
    "guidance": (1.0, "dmd_loss@0 model", ""),
    "timestep_range": ((400.0, 600.0), "dmd_loss@0 critic_loss@0", ""),
    "shift": (2.0, "dmd_loss@0", ""),
    "few_steps": ((900, 500), "dmd_loss@0", ""),
    "latent_size": ((4, 6), "dmd_loss@0", ""),
    "critic_updates": (2, "critic critic_updates@0 dmd_loss@1", "dmd_loss@0"),
    "critic_optimizer.learning_rate": (1e-2, "critic", "dmd_loss@0"),
    "real_model": ("another", "dmd_loss@0", ""),
    "critic_model": ("another", "dmd_loss@0 critic_loss@0", ""),
}


@pytest.fixture(scope="module")
def dmd_reference(folders: dict[str, str]) -> dict[str, float]:  # noqa: F811
    return fingerprint(dmd_stage(dmd_config(folders, critic_updates=1)))


@pytest.mark.long
@pytest.mark.parametrize("option", DMD)
def test_each_option_of_dmd_changes_what_it_names(
    option: str,
    dmd_reference: dict[str, float],
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    value, changed, same = DMD[option]
    if value == "another":
        value = str(write_tiny_model(tmp_path / "another", seed=9))
    config = dmd_config(folders, critic_updates=1)
    changes = {"critic_updates": 1, **changed_values(option, value, config)}
    assert_changed(fingerprint(dmd_stage(dmd_config(folders, **changes))), dmd_reference, changed, same)


BIDIRECTIONAL: Final[dict[str, tuple[object, str, str]]] = {
    "seed": (1, "model", ""),
    "caption_dropout": (0.95, "loss@1", ""),
    "model": ({"heads": 1, "layers": 2}, "model", ""),
    "phases": ([{"steps": 4, "latent_frames": 3, "batch_size": 2, "timestep_shift": 6.0}], "gradient_norm@0", ""),
}


def bidirectional_config(clips: Path, **changes: object) -> BidirectionalConfig:  # noqa: F811
    values: dict[str, object] = {
        "stage": "bidirectional", "name": "b", "seed": 0, "model": {"heads": 1, "layers": 1}, "data": clips,
        "text_and_codec": ar_config(clips, clips).text_and_codec,
        "phases": [{"steps": 4, "latent_frames": 3, "batch_size": 2}],
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0},
    }  # fmt: skip
    return BidirectionalConfig.model_validate(values | changes)


@pytest.mark.parametrize("option", BIDIRECTIONAL)
def test_each_option_of_bidirectional_training_changes_what_it_names(option: str, clips: Path) -> None:  # noqa: F811
    value, changed, same = BIDIRECTIONAL[option]
    reference = fingerprint(BidirectionalStage(bidirectional_config(clips)))
    found = fingerprint(BidirectionalStage(bidirectional_config(clips, **{option: value})))
    assert_changed(found, reference, changed, same)


PHASES: Final[dict[str, object]] = {"batch_size": 4, "latent_frames": 1, "steps": 1}
SIZES: Final = {"heads": {"heads": 2}, "head_width": {"head_width": 48}}


@pytest.mark.parametrize("option", [*PHASES, *SIZES])
def test_each_part_of_a_phase_and_a_size_counts(option: str, clips: Path) -> None:  # noqa: F811
    later = {"steps": 4, "latent_frames": 2, "batch_size": 3}
    phase = {"steps": 2, "latent_frames": 3, "batch_size": 2}
    plain = BidirectionalStage(bidirectional_config(clips, phases=[phase, later]))
    if option in SIZES:
        size = BidirectionalStage(
            bidirectional_config(clips, model={"heads": 1, "layers": 1} | SIZES[option])
        ).model.config
        assert (size.num_attention_heads, size.attention_head_dim) == (
            SIZES[option].get("heads", 1),
            SIZES[option].get("head_width", 32),
        )
        return
    changed = BidirectionalStage(bidirectional_config(clips, phases=[{**phase, option: PHASES[option]}, later]))
    shapes = [[stage.batch_shape(step)[::2] for step in range(3)] for stage in (plain, changed)]
    assert shapes[0] == [(2, 3, 8), (2, 3, 8), (3, 2, 8)]
    assert (
        shapes[1]
        == {
            "batch_size": [(4, 3, 8), (4, 3, 8), (3, 2, 8)],
            "latent_frames": [(2, 1, 8), (2, 1, 8), (3, 2, 8)],
            "steps": [(2, 3, 8), (3, 2, 8), (3, 2, 8)],
        }[option]
    )
    found, reference = fingerprint(changed), fingerprint(plain)
    assert found["gradient_norm@1"] != reference["gradient_norm@1"]


def test_the_export_of_a_bidirectional_model_has_the_shift_of_its_recipe(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    BidirectionalStage(bidirectional_config(clips, sampling_shift=7.0)).export(tmp_path)
    assert '"flow_shift": 7.0' in (tmp_path / "scheduler" / "scheduler_config.json").read_text()


TRAJECTORIES: Final[dict[str, object]] = {
    "seed": 1, "guidance": 1.0, "negative_prompt": "a large blue square", "euler_steps": 8, "shift": 2.0,
    "few_steps": (1000, 500), "clips_per_shard": 1, "latent_frames": 3, "latent_size": (4, 4), "prompts": "file",
}  # fmt: skip


def solved(model: WanTransformer3DModel, text: TextEncoder, config: TrajectoryConfig) -> TrajectoryBatch:
    return whole_clip_shard(model, text, config, 0, range(config.clips_per_shard))


@pytest.mark.parametrize("option", TRAJECTORIES)
def test_each_option_of_trajectories_changes_them(option: str, base: Path, tmp_path: Path) -> None:  # noqa: F811
    value = TRAJECTORIES[option]
    if option == "prompts":
        value = tmp_path / "prompts.txt"
        value.write_text(
            "a small red circle north heading east over the night in the open\n"
            "a large blue cross south heading west over the stone\n"
        )
    small: dict[str, object] = {"data": None, "latent_frames": 6}
    plain = trajectory_config(Path(), base, tmp_path, **small)
    changed = trajectory_config(Path(), base, tmp_path, **{**small, option: value})
    model, text = load_transformer(base), load_text_encoder(plain.text_and_codec)
    ours, theirs = (solved(model, text, config) for config in (plain, changed))
    if option == "few_steps":
        assert theirs.states.shape[1] == 2
    else:
        assert ours.endpoint.shape != theirs.endpoint.shape or not torch.equal(ours.endpoint, theirs.endpoint)
    assert (ours.captions == theirs.captions) == (option not in ("seed", "prompts", "clips_per_shard"))


@pytest.mark.long
@pytest.mark.parametrize("teacher_kind", ["bidirectional", "ar"])
def test_how_trajectories_are_solved_does_not_change_what_they_are(
    teacher_kind: str,
    clips: Path,  # noqa: F811
    base: Path,  # noqa: F811
    teacher: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prompts from disk; in bf16, which differs by its rounding alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole = teacher_kind == "bidirectional"
    made = {}
    for name, changes in {
        "plain": {}, "text": {"precompute_text": True}, "bf16": {"precision": "bf16"},
    }.items():  # fmt: skip
        fixed: dict[str, object] = {"data": None, "latent_frames": 3} if whole else {}
        config = trajectory_config(clips, base if whole else teacher, tmp_path / name, shards=1, **fixed, **changes)
        make_trajectories(config)
        stored = Trajectories(tmp_path / name, (1.0, 0.9375, 0.8333333, 0.625))
        made[name] = stored.take(np.arange(2))
    assert torch.equal(made["text"].endpoint, made["plain"].endpoint)
    assert made["text"].captions == made["plain"].captions
    error = (made["bf16"].endpoint - made["plain"].endpoint).abs().max()
    assert 0 < error < 0.2
    assert list((tmp_path / "cache").rglob("*.safetensors"))


def test_only_matrices_decay() -> None:
    linear = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.fill_(1.0).grad = torch.zeros_like(parameter)
    config = OptimizerConfig(learning_rate=0.1, weight_decay=0.5)
    build_adamw(linear, config).step()
    assert torch.allclose(linear[0].weight, torch.tensor(1 - 0.1 * 0.5))
    assert all(torch.equal(p, torch.ones_like(p)) for p in (linear[0].bias, *linear[1].parameters()))


def test_the_average_forgets_its_first_weights_and_then_decays_as_asked() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    ema = ExponentialMovingAverage(model, decay=0.5)
    expected, updates = 0.0, 12
    with torch.no_grad():
        for update in range(updates):
            model.weight.fill_(float(update))
            ema.update(model)
            decay = min(0.5, (1 + update) / (10 + update))
            expected = decay * expected + (1 - decay) * update
    assert float(ema.model.weight.detach()) == pytest.approx(expected)
    assert int(ema.updates) == updates
