"""Trajectories of both teachers against Euler's method written out, and which clips and prompts a shard has."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder, load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_context import TextContext
from probekit.models.text_encoding import TextEncoder
from probekit.rollout import fixed_batch
from probekit.rollout.fixed_batch import fixed_batch_size
from probekit.rollout.noise import SeededNoise, normal_rows
from probekit.seeding import generator
from tests.helpers.latent_folders import CHANNELS, FRAMES, SIDE, TRAIN_CLIPS, write_clips
from tests.helpers.model_folders import write_tiny_model
from trainer.config.causal import TrajectoryConfig
from trainer.data.latent_clips import LatentClips
from trainer.data.prompts import PromptFile, sprite_prompts
from trainer.data.trajectories import Trajectories, TrajectoryBatch, trajectory_path
from trainer.distributed.world import SINGLE
from trainer.stages.flows import teacher_forced_flow
from trainer.stages.ode_trajectories import _solver, make_trajectories, teacher_trajectories
from trainer.stages.opening import open_generator
from trainer.stages.whole_clip_trajectories import prompts_of, stored_steps, whole_clip_shard

PARTS = SHIPPED_MODELS / "sprite-base"
SEED, STEPS, SHIFT = 3, 4, 5.0
LEVELS = (1.0, 5 / 6)
"""Steps 1000 and 500, where Euler steps 0 and 2 of four begin."""


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("trajectories")
    card = CausalCard(role="ar_teacher", chunk_frames=2, shift=SHIFT, euler_steps=STEPS, guidance=2.0)
    write_causal_card(write_tiny_model(root / "ar", seed=1), card)
    return {"ar": root / "ar", "base": write_tiny_model(root / "base", seed=2), "clips": write_clips(root / "clips")}


def config_of(folders: dict[str, Any], out: Path, teacher: str = "ar", **changes: Any) -> TrajectoryConfig:
    values = {
        "stage": "ode_trajectories", "name": "t", "seed": SEED, "teacher": str(folders[teacher]), "out": out,
        "text_and_codec": PARTS, "data": folders["clips"] if teacher == "ar" else None, "shards": 2, "shift": SHIFT,
        "clips_per_shard": 3, "euler_steps": STEPS, "guidance": 2.0, "few_steps": (1000, 500), "chunk_frames": 2,
        "negative_prompt": "a blurry square", "latent_frames": FRAMES, "latent_size": (SIDE, SIDE), **changes,
    }  # fmt: skip
    return TrajectoryConfig.model_validate(values)


def levels() -> list[float]:
    plain = [1 - step / STEPS for step in range(STEPS + 1)]
    return [SHIFT * u / (1 + (SHIFT - 1) * u) for u in plain]


def solved(flow: Any, state: Tensor, scale: float, captions: list[str]) -> TrajectoryBatch:
    """Euler's method on u + scale · (c - u); the states at which the few steps begin, and the end."""
    states = []
    for step, (sigma, following) in enumerate(pairwise(levels())):
        if step in (0, 2):
            states.append(state)
        with torch.no_grad():
            guided = flow(state, sigma, captions)
            if scale > 1:
                away = flow(state, sigma, ["a blurry square"] * len(captions))
                guided = away + scale * (guided - away)
        state = state + (following - sigma) * guided
    return TrajectoryBatch(torch.stack(states, dim=1), state, None, captions)


def forced(folders: dict[str, Any], captions: list[str], clean: Tensor, noise: Tensor, scale: float) -> TrajectoryBatch:
    model = open_generator(str(folders["ar"]), ("ar_teacher",), 2, "a test").eval()

    def flow(state: Tensor, sigma: float, words: list[str]) -> Tensor:
        level = torch.full((len(words), 3), 1000 * sigma)
        return teacher_forced_flow(model, clean, state, level, TextContext(encoder().encode(words)))[0]

    return solved(flow, noise, scale, captions)


def whole(folders: dict[str, Any], captions: list[str], noise: Tensor, scale: float) -> TrajectoryBatch:
    model = load_transformer(folders["base"])

    def flow(state: Tensor, sigma: float, words: list[str]) -> Tensor:
        level = torch.full((len(words),), 1000 * sigma)
        return model(state, level, encoder().encode(words), return_dict=False)[0]

    return solved(flow, noise, scale, captions)


def assert_same(found: TrajectoryBatch, expected: TrajectoryBatch, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(found.states, expected.states, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.endpoint, expected.endpoint, rtol=tolerance, atol=tolerance)
    assert found.captions == expected.captions


def chunk_noise(rows: range, *names: str | int) -> Tensor:
    draw = SeededNoise(names, rows, (CHANNELS, 2, SIDE, SIDE))
    return torch.cat([draw(chunk, 0) for chunk in range(3)], dim=2)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_an_ar_teacher_solves_every_chunk_after_the_ground_truth_before_it(
    folders: dict[str, Any], tmp_path: Path, scale: float
) -> None:
    clips = LatentClips(folders["clips"], "train").take(np.array([1, 4]))
    config = config_of(folders, tmp_path, guidance=scale)
    teacher = open_generator(str(folders["ar"]), ("ar_teacher",), 2, "a test").eval()
    for rows in (None, range(5, 7)):
        found = teacher_trajectories(teacher, encoder(), clips, config, ("n", 1), rows)
        noise = chunk_noise(range(2) if rows is None else rows, "n", 1)
        assert_same(found, forced(folders, clips.captions, clips.latents, noise, scale))
        assert found.clean is not None
        assert torch.equal(found.clean, clips.latents)
        assert teacher.proj_out.weight.requires_grad
        assert not found.endpoint.requires_grad
        assert not found.states.requires_grad


def test_captions_and_passes_of_a_trajectory_build_no_graph(folders: dict[str, Any], tmp_path: Path) -> None:
    """Even of weights that could learn: a graph of the text would be kept as long as the pass is."""
    teacher, seen = open_generator(str(folders["ar"]), ("ar_teacher",), 2, "a test").eval(), []

    class Learning:
        """An encoder whose rows carry a graph wherever one is built."""

        weight = torch.ones((), requires_grad=True)

        def encode(self, prompts: list[str]) -> Tensor:
            rows = self.weight * encoder().encode(prompts)
            seen.append(rows.requires_grad)
            return rows

    teacher.register_forward_hook(lambda module, given, answer: seen.append(answer.requires_grad))
    clips = LatentClips(folders["clips"], "train").take(np.array([1, 4]))
    teacher_trajectories(teacher, Learning(), clips, config_of(folders, tmp_path), ("n", 1))
    assert len(seen) > STEPS
    assert not any(seen)


def test_shards_share_out_a_permutation_of_the_clips_that_begins_again_at_its_end(
    folders: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(folders, tmp_path / "made")
    make_trajectories(config)
    stored = Trajectories(tmp_path / "made", LEVELS)
    order = generator("trajectory-clips", SEED).permutation(TRAIN_CLIPS)
    chosen = [*order, order[0]]
    assert stored.captions == [f"train clip {row} of a red circle" for row in chosen]
    for shard in range(2):
        rows = np.array(chosen[3 * shard : 3 * shard + 3])
        clips = LatentClips(folders["clips"], "train").take(rows)
        noise = chunk_noise(range(3), "trajectory", SEED, shard)
        expected = forced(folders, clips.captions, clips.latents, noise, 2.0)
        assert_same(stored.take(np.arange(3 * shard, 3 * shard + 3)), expected, tolerance=5e-3)


def test_finished_shards_stay_and_a_worker_makes_its_own_alone(folders: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(folders, tmp_path / "made", guidance=1.0)
    make_trajectories(config, numbers=[1])
    assert [path.name for path in (tmp_path / "made").iterdir()] == [trajectory_path(tmp_path, 1).name]
    before = trajectory_path(tmp_path / "made", 1).stat()
    make_trajectories(config)
    after = trajectory_path(tmp_path / "made", 1).stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert trajectory_path(tmp_path / "made", 0).exists()


@pytest.mark.parametrize("teacher", ["ar", "base"])
def test_rows_of_a_shard_are_the_same_alone_as_in_it(folders: dict[str, Any], tmp_path: Path, teacher: str) -> None:
    config = config_of(folders, tmp_path / "made", teacher, guidance=1.0)
    make_trajectories(config, numbers=[1])
    whole_shard = Trajectories(tmp_path / "made", LEVELS).take(np.arange(3))
    with torch.no_grad():
        alone = _solver(config, SINGLE).solve(1, range(1, 3))
    assert alone.captions == whole_shard.captions[1:]
    torch.testing.assert_close(alone.endpoint, whole_shard.endpoint[1:], rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize(("teacher", "frames"), [("ar", 2), ("base", 40)])
def test_as_many_rows_are_solved_together_as_fill_a_pass(
    folders: dict[str, Any], tmp_path: Path, teacher: str, frames: int
) -> None:
    """An AR teacher's pass is one chunk of 2 frames, a bidirectional one's the whole clip, here of 160 tokens."""
    solver = _solver(config_of(folders, tmp_path, teacher, latent_frames=40), SINGLE)
    assert solver.size == fixed_batch_size(frames * (SIDE // 2) ** 2)
    assert fixed_batch_size(160) == 3


def test_a_pass_of_an_ar_teacher_counts_the_tokens_of_one_chunk_of_one_clip(
    folders: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five chunks of 8 tokens fit where a pass is full at 40."""
    monkeypatch.setattr(fixed_batch, "FULL_PASS", 40)
    assert _solver(config_of(folders, tmp_path), SINGLE).size == 5


def test_passes_are_in_bf16_only_if_the_recipe_says_so(folders: dict[str, Any], tmp_path: Path) -> None:
    ends = []
    for precision in ("fp32", "bf16"):
        make_trajectories(config_of(folders, tmp_path / precision, precision=precision), numbers=[0])
        ends.append(Trajectories(tmp_path / precision, LEVELS).take(np.arange(3)).endpoint)
    assert 1e-3 < float((ends[0] - ends[1]).abs().max()) < 1


def test_an_ar_teacher_needs_clips(folders: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is forced on clips"):
        make_trajectories(config_of(folders, tmp_path, data=None))


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_bidirectional_teacher_solves_whole_clips_from_the_noise_of_their_rows(
    folders: dict[str, Any], tmp_path: Path, scale: float
) -> None:
    config, rows = config_of(folders, tmp_path, "base", guidance=scale), range(1, 3)
    teacher = load_transformer(folders["base"]).requires_grad_(True)
    found = whole_clip_shard(teacher, encoder(), config, 1, rows)
    captions = sprite_prompts("train", 3, "trajectory", SEED, 1)[1:]
    noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), rows, "trajectory", SEED, 1)
    assert_same(found, whole(folders, captions, noise, scale))
    assert found.clean is None
    assert not found.endpoint.requires_grad


def test_a_bidirectional_teachers_shards_have_the_sprite_worlds_prompts_or_those_of_a_file(
    folders: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(folders, tmp_path / "made", "base", guidance=1.0)
    make_trajectories(config)
    stored = Trajectories(tmp_path / "made", LEVELS)
    expected = [prompt for shard in (0, 1) for prompt in sprite_prompts("train", 3, "trajectory", SEED, shard)]
    assert stored.captions == expected == prompts_of(config)
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {number}" for number in range(8)))
    file = PromptFile(path, SEED)
    from_file = prompts_of(config.model_copy(update={"prompts": path}))
    assert from_file == [prompt for shard in (0, 1) for prompt in file.batch(shard, 3)]


def test_the_few_steps_lie_on_eulers_grid(folders: dict[str, Any], tmp_path: Path) -> None:
    steps = stored_steps(config_of(folders, tmp_path, euler_steps=48, few_steps=(1000, 750, 500, 250)))
    assert steps == [0, 12, 24, 36]
