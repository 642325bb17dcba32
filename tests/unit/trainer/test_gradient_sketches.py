"""Gradients of each loss: those that training adds up, kept by sketches, gone on with; and the predictor's cosines."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.probing.gradient_store import batch_path, read_gradients
from tests.helpers.model_folders import write_tiny_model
from trainer.config.recipe import DmdConfig, load_recipe
from trainer.engine.loop import run as train
from trainer.gradient_sketches import (
    REST,
    SketchSettings,
    batch_gradients,
    loss_gradients,
    norm,
    parameter_blocks,
    sketch,
    sketch_gradients,
)
from trainer.launch import build_stage
from trainer.predictor_cosines import OTHER, OWN, predictor_cosines
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

SIZE = 512


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    student = write_tiny_model(root / "student", seed=1)
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    write_causal_card(student, card)
    path = root / "recipe.yaml"
    optimizer = "{learning_rate: 1.0e-3, betas: [0.0, 0.999], warmup_steps: 0}"
    lines = [
        "stage: asymmetric_dmd", "name: tiny", "seed: 0", f"initial_model: {student}",
        f"real_model: {write_tiny_model(root / 'real', seed=2)}", "few_steps: [1000, 500]",
        f"critic_model: {write_tiny_model(root / 'critic', seed=3)}",
        f"text_and_codec: {SHIPPED_MODELS / 'sprite-base'}",
        f"optimizer: {optimizer}", f"critic_optimizer: {optimizer}", "critic_updates: 1", "steps: 2", "batch_size: 2",
        "latent_frames: 9", "checkpoint_every: 2", "log_every: 1",
        "foresight: {predictor_heads: 1, predictor_blocks: 1, learning_rate: 1.0e-2}",
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def config(recipe: Path) -> DmdConfig:
    found = load_recipe(recipe)
    assert isinstance(found, DmdConfig)
    return found


@pytest.fixture(scope="module")
def trained(config: DmdConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "tiny"
    train(build_stage(config), config, folder)
    return folder


def dmd_stage(config: DmdConfig) -> AsymmetricDmdStage:
    stage = build_stage(config)
    assert isinstance(stage, AsymmetricDmdStage)
    return stage


def test_gradients_of_the_losses_add_up_to_what_training_descends(config: DmdConfig) -> None:
    stage = dmd_stage(config)
    found = loss_gradients(stage, 3, config.batch_size)
    assert all(parameter.grad is None for parameter in stage.model.parameters())
    torch.stack(list(stage.generator_losses(3, range(config.batch_size)).values())).sum().backward()
    for name, parameter in stage.model.named_parameters():
        total = found["dmd_loss"][name] + found["auxiliary_loss"][name]
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-7)


def test_foresight_has_no_gradient_above_the_layer_that_it_reads(config: DmdConfig) -> None:
    stage = dmd_stage(config)
    assert stage.auxiliary is not None
    found, parts = loss_gradients(stage, 0, config.batch_size)["auxiliary_loss"], parameter_blocks(stage.model)
    above = [name for part in parts if part not in (REST, f"blocks.{stage.auxiliary.layer}") for name in parts[part]]
    later = [name for name in above if int(name.split(".")[1]) > stage.auxiliary.layer]
    assert all(not found[name].any() for name in later)
    assert any(bool(found[name].any()) for name in parts[f"blocks.{stage.auxiliary.layer}"])


def test_every_parameter_is_in_one_part(config: DmdConfig) -> None:
    model = dmd_stage(config).model
    parts = parameter_blocks(model)
    assert list(parts) == ["blocks.0", "blocks.1", REST]
    assert sorted(name for names in parts.values() for name in names) == sorted(dict(model.named_parameters()))


def test_sketches_keep_inner_products_on_average() -> None:
    rng = torch.Generator().manual_seed(0)
    one, other = (torch.randn(3000, generator=rng) for _ in range(2))
    other = other + 0.5 * one
    exact = float(one @ other)
    found = [float(sketch(f"b{n}", {"w": one}, SIZE) @ sketch(f"b{n}", {"w": other}, SIZE)) for n in range(200)]
    error = np.std(found, ddof=1)
    assert abs(np.mean(found) - exact) < 3 * error / 200**0.5
    assert error < 2 * float(one.norm() * other.norm()) / SIZE**0.5
    parts = {"a": one.view(30, 100), "b": other}
    assert norm(parts) == pytest.approx(float((one @ one + other @ other) ** 0.5))
    torch.testing.assert_close(
        sketch("x", parts, SIZE), sketch("x", {"a": one.view(30, 100)}, SIZE) + sketch("x", {"b": other}, SIZE)
    )


def test_a_batch_holds_sketches_and_norms_of_every_loss_and_block(config: DmdConfig) -> None:
    stage = dmd_stage(config)
    batch = batch_gradients(stage, 1, config.batch_size, SIZE)
    exact, parts = loss_gradients(stage, 1, config.batch_size), parameter_blocks(stage.model)
    assert batch.sketches.shape == (2, len(parts), SIZE)
    assert batch.exit_step == stage.exit_step(1)
    for row, loss in enumerate(("dmd_loss", "auxiliary_loss")):
        for column, (part, names) in enumerate(parts.items()):
            of_part = {name: exact[loss][name] for name in names}
            assert batch.norms[row, column] == pytest.approx(norm(of_part), rel=1e-4)
            expected = sketch(part, of_part, SIZE).numpy()
            np.testing.assert_allclose(batch.sketches[row, column], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.long
def test_gradients_are_gone_on_with_and_are_those_of_the_checkpoint(
    recipe: Path, config: DmdConfig, trained: Path, tmp_path: Path
) -> None:
    out = sketch_gradients(recipe, trained, tmp_path / "gradients", SketchSettings(2, SIZE))
    gradients, card = read_gradients(out)
    assert (card.step, card.model, gradients.sketches.shape[0]) == (2, "tiny", 2)
    times = [batch_path(out, number).stat().st_mtime_ns for number in (0, 1)]
    batch_path(out, 1).write_bytes(b"half")
    sketch_gradients(recipe, trained, out, SketchSettings(3, SIZE))
    again, _ = read_gradients(out)
    np.testing.assert_allclose(again.sketches[:2], gradients.sketches, rtol=1e-4, atol=1e-6)
    assert len(again.sketches) == 3
    assert batch_path(out, 0).stat().st_mtime_ns == times[0]
    start, _ = read_gradients(sketch_gradients(recipe, None, tmp_path / "start", SketchSettings(1, SIZE)))
    assert not np.allclose(start.norms[0], again.norms[0])
    with pytest.raises(UserError, match="holds gradients with step = 2, not 0"):
        sketch_gradients(recipe, None, out, SketchSettings(1, SIZE))


def test_recipes_and_runs_without_two_losses_are_refused(recipe: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.yaml"
    bare.write_text("\n".join(line for line in recipe.read_text().splitlines() if not line.startswith("foresight")))
    with pytest.raises(UserError, match="has one loss alone"):
        sketch_gradients(bare, None, tmp_path / "out")
    with pytest.raises(UserError, match="has no checkpoint"):
        sketch_gradients(recipe, tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(UserError, match="Foresight does not act at step 0"):
        sketch_gradients(recipe, None, tmp_path / "late", SketchSettings(1, SIZE), ["foresight.start_step=5"])


@pytest.mark.long
def test_cosines_of_the_predictor_are_given_by_prompt_beside_those_of_other_videos(
    recipe: Path, config: DmdConfig, trained: Path, tmp_path: Path
) -> None:
    means = predictor_cosines(recipe, trained, tmp_path, prompts=3)
    values = pd.read_csv(tmp_path / "cosines.csv")
    chunks = config.latent_frames // config.chunk_frames
    assert len(values) == 2 * chunks * 4  # own and another's, whole batches of two
    assert set(means.videos) == {OWN, OTHER, f"{OWN} - {OTHER}"}
    own = values[values.videos == OWN].groupby("name").cosine.mean()
    shown = means[means.videos == OWN].set_index("name").cosine
    assert shown[own.index].to_numpy() == pytest.approx(own.to_numpy(), abs=1e-6)
    assert values.cosine.abs().max() <= 1
    with pytest.raises(UserError, match="has no checkpoint"):
        predictor_cosines(recipe, tmp_path / "nothing", tmp_path)
