"""Self-Forcing's base system, the options of stage 1, and every stage frame by frame, at tiny size."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS, clean_estimate, euler_step, shift_sigma, velocity_target
from probekit.errors import UserError
from probekit.models.causal_card import read_causal_card, write_causal_card
from probekit.models.loading import load_text_encoder, load_transformer
from probekit.models.text_context import TextContext
from probekit.rollout.noise import normal_rows
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from tests.unit.trainer.stages.test_asymmetric_dmd import FORESIGHT, dmd_config, dmd_stage
from tests.unit.trainer.stages.test_causal_stages import (  # noqa: F401
    PARTS,
    ar_config,
    base,
    clips,
    ode_config,
    teacher,
    trajectory_config,
)
from tests.unit.trainer.stages.test_consistency import config_of
from trainer.config.recipe import load_recipe
from trainer.data.trajectories import Trajectories, TrajectoryBatch
from trainer.distributed.world import SINGLE
from trainer.objectives.regression import trajectory_loss, weighted_flow_loss
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.causal_ode import CausalOdeStage, states_at
from trainer.stages.consistency import ConsistencyStage
from trainer.stages.flows import diffusion_forced_flow, per_frame, teacher_forced_flow
from trainer.stages.ode_trajectories import make_trajectories

RECIPES = REPOSITORY / "trainer" / "recipes" / "sprite"
LEVELS = few_step_sigmas((1000, 750, 500, 250), 5.0)


@pytest.fixture(scope="module")
def whole_clips(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    out = tmp_path_factory.mktemp("whole-clips")
    make_trajectories(trajectory_config(Path(), base, out, data=None, latent_frames=6, guidance=2.0))
    return out


def test_a_bidirectional_teacher_solves_whole_clips_from_noise(whole_clips: Path, base: Path) -> None:  # noqa: F811
    stored = Trajectories(whole_clips, LEVELS)
    batch = stored.take(torch.arange(2).numpy())
    assert not stored.has_ground_truth
    assert batch.clean is None
    noise = normal_rows((16, 6, 8, 8), range(2), "trajectory", 0, 0)
    torch.testing.assert_close(batch.states[:, 0], noise.half().float())
    model, text = load_transformer(base), load_text_encoder(PARTS)
    prompts, negative = text.encode(batch.captions), text.encode(["", ""])
    points = [*batch.states.unbind(1), batch.endpoint]
    for (sigma, following), (state, further) in zip(pairwise(euler_sigmas(4, 5.0)), pairwise(points), strict=True):
        level = torch.full((2,), sigma * TIMESTEPS)
        flows = [
            model(hidden_states=state, timestep=level, encoder_hidden_states=words, return_dict=False)[0].detach()
            for words in (prompts, negative)
        ]
        guided = flows[1] + 2.0 * (flows[0] - flows[1])
        torch.testing.assert_close(euler_step(state, guided, sigma, following), further, atol=5e-3, rtol=0)


def test_states_are_picked_chunk_by_chunk() -> None:
    states = torch.arange(2 * 4 * 6.0).reshape(2, 4, 1, 6, 1, 1)
    picked = states_at(states, torch.tensor([[0, 3], [2, 1]]))
    assert picked.shape == (2, 1, 6, 1, 1)
    assert picked.flatten().tolist() == [0, 1, 2, 21, 22, 23, 36, 37, 38, 33, 34, 35]


def test_without_clean_context_chunks_see_noisy_chunks_at_levels_of_their_own(whole_clips: Path, base: Path) -> None:  # noqa: F811
    stage = CausalOdeStage(ode_config(whole_clips, base, clean_context=False))
    batch = stage._trajectories.take(torch.arange(2).numpy())
    levels, text = torch.tensor([[0, 3], [2, 1]]), stage._text.encode(batch.captions)
    noisy, sigma = states_at(batch.states, levels), torch.tensor(LEVELS)[levels]
    flow, _ = diffusion_forced_flow(stage.model, noisy, sigma * TIMESTEPS, TextContext(text))
    expected = trajectory_loss(clean_estimate(noisy, flow, per_frame(sigma, 6)), batch.endpoint)
    torch.testing.assert_close(stage._loss(stage.model, batch, levels, text)[0], expected)
    drawn = torch.cat([stage._draw_levels(torch_free_rng(seed)) for seed in range(20)])
    assert (drawn[:, 0] != drawn[:, 1]).any()


def torch_free_rng(seed: int):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.random.default_rng(seed)


@pytest.mark.long
def test_the_chain_from_bidirectional_base_to_dmd_with_foresight(whole_clips: Path, base: Path, tmp_path: Path) -> None:  # noqa: F811
    stage = CausalOdeStage(ode_config(whole_clips, base, clean_context=False, steps=20))
    before = stage.validation_loss()
    for step in range(20):
        stage.training_step(step)
    assert stage.validation_loss() < before
    stage.export(tmp_path / "student")
    assert read_causal_card(tmp_path / "student").role == "ode_student"
    real = write_tiny_model(tmp_path / "real", seed=5)
    models = {"initial_model": str(tmp_path / "student"), "real_model": str(real), "critic_model": str(base)}
    assert dmd_stage(dmd_config(models, foresight=FORESIGHT)).training_step(0)["auxiliary_loss"] > 0


def test_clean_context_needs_ground_truth(whole_clips: Path, teacher: Path, base: Path, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(UserError, match="have no ground truth to see"):
        CausalOdeStage(ode_config(whole_clips, teacher))
    with pytest.raises(UserError, match="cannot be distilled"):
        CausalOdeStage(ode_config(_with_truth(tmp_path), base))
    with pytest.raises(UserError, match="is forced on clips"):
        make_trajectories(trajectory_config(Path(), teacher, tmp_path / "x", data=None))


def _with_truth(folder: Path) -> Path:
    from trainer.data.trajectories import trajectory_path, write_trajectories

    clip = torch.zeros(1, 16, 6, 8, 8)
    batch = TrajectoryBatch(torch.zeros(1, 4, 16, 6, 8, 8), clip, clip, ["a"])
    write_trajectories(trajectory_path(folder, 0), batch, LEVELS)
    return folder


def test_stage_1_forces_as_the_recipe_says(clips: Path, base: Path) -> None:  # noqa: F811
    """Each option's loss equals the loss made by hand from the flow that it names."""
    losses = {}
    for name, options in {
        "teacher": {}, "diffusion": {"forcing": "diffusion"}, "noised": {"clean_noise": 0.2},
    }.items():  # fmt: skip
        stage = AutoregressiveStage(ar_config(clips, base, bell_weighting=False, **options))
        batch = stage._clips.take(torch.arange(2).numpy(), 6)
        noise, uniform = normal_rows((16, 6, 8, 8), range(2), "t"), torch.rand(2, 4, generator=rng())
        losses[name] = stage._loss(stage.model, batch, noise, uniform).detach()
        sigma, past = shift_sigma(uniform[:, :2], 5.0), shift_sigma(uniform[:, 2:] * 0.2, 5.0)
        level, low = per_frame(sigma, 6), per_frame(past, 6)
        noisy = (1 - level) * batch.latents + level * noise
        text = TextContext(stage._text.encode(batch.captions))
        with torch.no_grad():
            if name == "diffusion":
                flow, _ = diffusion_forced_flow(stage.model, noisy, sigma * TIMESTEPS, text)
            elif name == "noised":
                context = (1 - low) * batch.latents + low * noise
                flow, _ = teacher_forced_flow(stage.model, context, noisy, sigma * TIMESTEPS, text, past * TIMESTEPS)
            else:
                flow, _ = teacher_forced_flow(stage.model, batch.latents, noisy, sigma * TIMESTEPS, text)
        expected = weighted_flow_loss(flow, velocity_target(batch.latents, noise), torch.ones(2, 2))
        torch.testing.assert_close(losses[name], expected, msg=name)
    assert len({float(loss) for loss in losses.values()}) == 3


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.long
def test_every_stage_runs_frame_by_frame(clips: Path, base: Path, tmp_path: Path) -> None:  # noqa: F811
    """Chunks of one latent frame: AR, trajectories, ODE, consistency, DMD with foresight."""
    first = AutoregressiveStage(ar_config(clips, base, chunk_frames=1, latent_frames=3))
    first.training_step(0)
    first.export(tmp_path / "ar")
    assert read_causal_card(tmp_path / "ar").chunk_frames == 1
    made = tmp_path / "trajectories"
    make_trajectories(trajectory_config(clips, tmp_path / "ar", made, chunk_frames=1, shards=1))
    second = CausalOdeStage(ode_config(made, tmp_path / "ar", chunk_frames=1))
    second.training_step(0)
    second.export(tmp_path / "ode")
    ConsistencyStage(config_of(clips, tmp_path / "ar", chunk_frames=1, latent_frames=3)).training_step(0)
    real = write_tiny_model(tmp_path / "real", seed=5)
    models = {"initial_model": str(tmp_path / "ode"), "real_model": str(real), "critic_model": str(base)}
    third = dmd_stage(dmd_config(models, foresight=FORESIGHT, chunk_frames=1, latent_frames=3))
    logged = third.training_step(0)
    assert {f"foresight_cosine_chunk_{chunk}" for chunk in range(3)} <= logged.keys()
    third.export(tmp_path / "dmd")
    card = read_causal_card(tmp_path / "dmd")
    assert (card.role, card.chunk_frames) == ("dmd_student", 1)
    write_causal_card(tmp_path / "dmd", card)
    assert SINGLE.main


@pytest.mark.parametrize("name", ["ode_trajectories", "ode", "dmd_baseline", "dmd_foresight"])
def test_the_recipes_of_the_chain_load(name: str) -> None:
    recipe = load_recipe(RECIPES / "self_forcing" / f"{name}.yaml")
    assert recipe.name.startswith("sprite-self-forcing")
    arms = [load_recipe(RECIPES / "self_forcing" / f"dmd_{arm}.yaml") for arm in ("baseline", "foresight")]
    different = {key for key, value in arms[0] if value != dict(arms[1])[key]}
    assert different == {"name", "foresight"}
