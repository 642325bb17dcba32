"""Stage 3 against equations written out here: which network reads what, and what is made of it."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder, load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_encoding import TextEncoder
from probekit.rollout.noise import SeededNoise, normal_rows
from probekit.rollout.records import PassRecord
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.network_calls import Calls
from trainer.config.optimizer import OptimizerConfig
from trainer.config.recipe import DmdConfig
from trainer.data.prompts import PromptFile, sprite_prompts
from trainer.engine.state import TrainingState
from trainer.objectives.auxiliary import AuxiliaryModels
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage
from trainer.stages.random_rows import draw_rows

PARTS = SHIPPED_MODELS / "sprite-base"
BATCH, GUIDANCE, CHUNKS = 2, 3.0, 2


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DmdConfig:
    root = tmp_path_factory.mktemp("models")
    student = write_tiny_model(root / "student", seed=1)
    write_causal_card(
        student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    )
    optimizer = OptimizerConfig(learning_rate=1e-3, betas=(0.0, 0.999), warmup_steps=0)
    return DmdConfig.model_validate(
        {
            "stage": "asymmetric_dmd", "name": "dmd", "seed": 0, "text_and_codec": PARTS, "optimizer": optimizer,
            "critic_optimizer": optimizer, "critic_updates": 2, "steps": 8, "batch_size": BATCH, "latent_frames": 6,
            "guidance": GUIDANCE, "initial_model": str(student),
            "real_model": str(write_tiny_model(root / "real", seed=2)),
            "critic_model": str(write_tiny_model(root / "critic", seed=3)),
        }
    )  # fmt: skip


def stage_of(config: DmdConfig, **changes: Any) -> AsymmetricDmdStage:
    return AsymmetricDmdStage(DmdConfig.model_validate({**config.model_dump(), **changes}))


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


def texts(prompts: list[str]) -> Tensor:
    return encoder().encode(prompts)


def level_of(timestep: Tensor, shift: float, official: bool) -> Tensor:
    """Noise level (B, 1, 1, 1, 1): t / 1000, or of the official table of 1,000 shifted levels the nearest one."""
    if not official:
        return (timestep / 1000).view(-1, 1, 1, 1, 1)
    plain = torch.arange(1000, 0, -1) / 1000
    table = shift * plain / (1 + (shift - 1) * plain)
    return table[(1000 * table - timestep[:, None]).abs().argmin(dim=1)].view(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("official", [False, True])
def test_the_generators_loss_is_dmds_equations_on_what_the_networks_answer(config: DmdConfig, official: bool) -> None:
    """The official code noises with a table of shift 5 and reads x0 with one of shift 8."""
    stage = stage_of(config, official={"table_sigmas": official})
    real, fake = Calls(stage.scores.real), Calls(stage.scores.critic)
    logged = stage.update_generator(0)
    (asked,), (judged,) = real.given, fake.given
    prompts = sprite_prompts("train", BATCH, "dmd", config.seed, 0, 0)
    torch.testing.assert_close(asked["encoder_hidden_states"], torch.cat([texts(prompts), texts([""] * BATCH)]))
    torch.testing.assert_close(judged["encoder_hidden_states"], texts(prompts))
    torch.testing.assert_close(asked["timestep"], torch.cat([judged["timestep"]] * 2))
    noisy, added, sigma = judged["hidden_states"], *(level_of(judged["timestep"], s, official) for s in (5.0, 8.0))
    torch.testing.assert_close(asked["hidden_states"], torch.cat([noisy, noisy]))
    noise = normal_rows(noisy.shape[1:], range(BATCH), "score-noise", "dmd", config.seed, 0)
    video = (noisy - added * noise) / (1 - added)
    conditional, unconditional = real.answers[0].chunk(2)
    teacher = noisy - sigma * (unconditional + GUIDANCE * (conditional - unconditional))
    student = noisy - sigma * fake.answers[0]
    distance = (video - teacher).abs().flatten(1).mean(dim=1).view(-1, 1, 1, 1, 1)
    gradient = (student - teacher) / distance
    assert logged["dmd_loss"] == pytest.approx(float(0.5 * gradient.square().mean()), rel=2e-3)


@pytest.mark.parametrize("official", [False, True])
def test_the_critic_learns_flow_matching_with_the_prompt_on_rollouts_of_its_own(
    config: DmdConfig, official: bool
) -> None:
    """The official detour through x0 scales its flow by the ratio of two tables' levels, a fifth more at level 0.02."""
    stage = stage_of(config, official={"critic_through_x0": official}, timestep_range=(20.0, 21.0))
    fake = Calls(stage.scores.critic)
    logged = stage.update_critic(3, 1)
    (asked,) = fake.given
    prompts = sprite_prompts("train", BATCH, "dmd", config.seed, 3, 1)
    torch.testing.assert_close(asked["encoder_hidden_states"], texts(prompts))
    sigma = (asked["timestep"] / 1000).view(-1, 1, 1, 1, 1)
    noise = normal_rows(asked["hidden_states"].shape[1:], range(BATCH), "score-noise", "critic", config.seed, 3, 1)
    video = (asked["hidden_states"] - sigma * noise) / (1 - sigma)
    ratio = level_of(asked["timestep"], 8.0, True) / level_of(asked["timestep"], 5.0, True)
    assert float(ratio.min()) > 1.1
    scaled, plain = (float((by * fake.answers[0] - (noise - video)).square().mean()) for by in (ratio, 1.0))
    assert logged["critic_loss"] == pytest.approx(scaled if official else plain, rel=2e-3)
    assert logged["critic_loss"] != pytest.approx(plain if official else scaled, rel=2e-3)
    assert logged["critic_learning_rate"] == 1e-3


def test_levels_are_drawn_by_row_shifted_and_clamped(config: DmdConfig) -> None:
    stage = stage_of(config, timestep_range=(300.0, 900.0))
    fake = Calls(stage.scores.critic)
    stage.update_critic(0, 1)
    uniform = draw_rows(BATCH, range(BATCH), "score-levels", "critic", config.seed, 0, 1)
    expected = (1000 * 5 * uniform / (1 + 4 * uniform)).clamp(300.0, 900.0)
    torch.testing.assert_close(fake.given[0]["timestep"], expected)


def test_the_official_commit_noises_with_the_last_level_of_the_table(config: DmdConfig) -> None:
    assert stage_of(config)._commit_noise(SeededNoise(("n",), range(2), (1, 1, 1, 1))) is None
    noise = SeededNoise(("n",), range(2), (1, 1, 1, 1))
    commit = stage_of(config, official={"noisy_commit": True})._commit_noise(noise)
    assert commit is not None
    assert commit.sigma == pytest.approx(5 * 0.001 / (1 + 4 * 0.001), rel=1e-4)
    for chunk in range(2):
        assert torch.equal(commit.draw(chunk), noise(chunk, 0))


def test_prompts_of_a_file_follow_one_another_over_all_updates(config: DmdConfig, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {number}" for number in range(20)))
    stage, file = stage_of(config, prompts=path), PromptFile(path, config.seed)
    found = [stage._asked.batch(step, number, range(BATCH)) for step in range(2) for number in range(3)]
    assert found == [file.batch(number, BATCH) for number in range(6)]
    assert stage._asked.batch(1, 2, range(1, 2)) == file.batch(5, BATCH)[1:]
    fake = Calls(stage.scores.critic)
    stage.validation_loss()
    asked = torch.cat([given["encoder_hidden_states"] for given in fake.given])
    torch.testing.assert_close(asked, texts(file.batch(0, 16)))


def test_validation_is_the_critics_loss_on_sixteen_whole_rollouts_of_held_out_prompts(config: DmdConfig) -> None:
    stage = stage_of(config)
    calls: list[int] = []
    stage.model.register_forward_hook(lambda *_: calls.append(1))
    recorded: set[bool] = set()
    stage.scores.critic.register_forward_pre_hook(lambda *_: recorded.add(torch.is_grad_enabled()))
    fake = Calls(stage.scores.critic)
    found = stage.validation_loss()
    assert recorded == {False}
    asked = torch.cat([given["encoder_hidden_states"] for given in fake.given])
    torch.testing.assert_close(asked, texts(sprite_prompts("validation", 16, "dmd-validation")))
    assert len(calls) == 8 * CHUNKS * 4  # eight batches of two, each chunk left at the last of four steps
    timesteps = torch.cat([given["timestep"] for given in fake.given])
    uniform = draw_rows(16, range(16), "score-levels", "validation")
    torch.testing.assert_close(timesteps, (5000 * uniform / (1 + 4 * uniform)).clamp(20.0, 980.0))
    losses = []
    for number, (given, flow) in enumerate(zip(fake.given, fake.answers, strict=True)):
        noisy, sigma = given["hidden_states"], (given["timestep"] / 1000).view(-1, 1, 1, 1, 1)
        noise = normal_rows(noisy.shape[1:], range(2 * number, 2 * number + 2), "score-noise", "validation")
        losses.append(float((flow - (noise - (noisy - sigma * noise) / (1 - sigma))).square().mean()))
    assert found == pytest.approx(sum(losses) / 8, rel=5e-3)


def test_rows_beyond_the_sixteenth_have_prompts_and_levels_too(config: DmdConfig) -> None:
    stage = stage_of(config)
    fake = Calls(stage.scores.critic)
    with torch.no_grad():
        stage._held_out_loss(range(15, 18))
    expected = sprite_prompts("validation", 18, "dmd-validation")[15:]
    torch.testing.assert_close(fake.given[0]["encoder_hidden_states"], texts(expected))
    assert fake.given[0]["timestep"].shape == (3,)


class ExitStates:
    """Keeps the states of one block in the passes that end chunks."""

    def __init__(self, exit_step: int) -> None:
        self.layers: Sequence[int] = (0,)
        self._exit_step = exit_step
        self.states: list[Tensor] = []

    def on_pass(self, record: PassRecord) -> None:
        if record.step == self._exit_step:
            self.states.append(record.hidden[0])


class Counted:
    """An objective without a loss that counts what is asked of it, from step 1 on."""

    layer = 0

    def __init__(self, models: AuxiliaryModels) -> None:
        self.models, self.asked = models, Counter[str]()

    def active(self, step: int) -> bool:
        return step >= 1

    def watch(self, exit_step: int) -> ExitStates:
        self.asked["watch"] += 1
        return ExitStates(exit_step)

    def loss(self, states: list[Tensor], video: Tensor, text: Tensor, step: int) -> Tensor:
        assert len(states) == CHUNKS
        assert not video.requires_grad
        return 0 * states[0].sum() + 3.0

    def clip_gradients(self) -> float:
        self.asked["clip"] += 1
        return 0.0

    def update(self) -> dict[str, float]:
        self.asked["update"] += 1
        return {"own": 7.0}

    def replay(self) -> dict[str, float]:
        self.asked["replay"] += 1
        return {"again": 8.0}

    def training_state(self) -> TrainingState:
        return TrainingState({"plugged": torch.nn.Linear(1, 1)}, {})


def test_a_step_is_one_generator_update_and_the_critics_and_replays_where_the_critic_trains_alone(
    config: DmdConfig,
) -> None:
    stage = AsymmetricDmdStage(config.model_copy(update={"critic_updates": 3}), Counted)
    plugged: Any = stage.auxiliary
    fake = Calls(stage.scores.critic)
    first, second = stage.training_step(0), stage.training_step(1)
    assert len(fake.given) == 2 * (1 + 3)
    assert plugged.asked == {"watch": 1, "clip": 1, "update": 1, "replay": 2}
    assert "own" not in first
    assert (second["own"], second["again"], second["auxiliary_loss"]) == (7.0, 8.0, 3.0)
    assert (second["generator_updates"], second["critic_updates"]) == (2, 6)
    assert second["critic_generator_ratio"] == pytest.approx(second["critic_loss"] / second["dmd_loss"])
    assert second["gradient_norm"] > 0
    assert int(stage.training_state().counters["updates"]) == 2
    assert {"model", "ema", "critic", "plugged"} == stage.training_state().models.keys()


def test_a_steps_tokens_are_those_of_its_rollouts(config: DmdConfig) -> None:
    assert stage_of(config).tokens(0) == (1 + 2) * BATCH * 6 * 4 * 4


def test_the_critics_update_teaches_the_generator_nothing(config: DmdConfig) -> None:
    stage = stage_of(config)
    stage.update_critic(0, 1)
    assert all(parameter.grad is None for parameter in stage.model.parameters())


def test_only_the_generator_and_the_critic_learn(config: DmdConfig) -> None:
    stage = AsymmetricDmdStage(config, Counted)
    plugged: Any = stage.auxiliary
    base = plugged.models.open_base()
    for frozen in (stage.scores.real, stage.ema.model, base):
        assert not any(parameter.requires_grad for parameter in frozen.parameters())
    for trained in (stage.model, stage.scores.critic):
        assert all(parameter.requires_grad for parameter in trained.parameters())
    assert all(map(torch.equal, base.parameters(), stage.scores.critic.parameters()))  # the critic starts as the base
    assert (plugged.models.generator, plugged.models.average) == (stage.model, stage.ema.model)
    assert plugged.models.real is stage.scores.real


@pytest.mark.parametrize("start", [0, 1, 2])
def test_the_average_begins_with_its_update_and_until_then_the_generator_is_shipped(
    config: DmdConfig, start: int, tmp_path: Path
) -> None:
    stage = stage_of(config, ema_start=start, export_every=2)
    name = "blocks.0.ffn.net.2.weight"
    for step in range(2):
        stage.training_step(step)
        assert int(stage.ema.updates) == max(0, step + 1 - start)
        stage.export(tmp_path / "export")
        kept = [path.name for path in (tmp_path / "exports").glob("*")]
        assert kept == ([] if step == 0 else ["step-0002"])  # every second update
    shipped = stage.ema.model if start < 2 else stage.model
    found = load_transformer(tmp_path / "export").state_dict()[name]
    assert torch.equal(found, shipped.state_dict()[name].bfloat16().float())


def passes(stage: AsymmetricDmdStage, calls: list[int], run: Any) -> int:
    """Denoising passes per chunk of what a run rolls out."""
    calls.clear()
    run()
    assert len(calls) % CHUNKS == 0
    return len(calls) // CHUNKS


def test_the_critics_rollouts_end_at_steps_of_their_own(config: DmdConfig) -> None:
    stage = AsymmetricDmdStage(config)
    calls: list[int] = []
    stage.model.register_forward_hook(lambda *_: calls.append(1))
    found = {}
    for step in range(4):
        logged: dict[str, float] = {}
        found[step, 0] = passes(stage, calls, lambda: logged.update(stage.update_generator(step)))  # noqa: B023
        assert found[step, 0] == logged["exit_step"] + 1
        for number in (1, 2):
            found[step, number] = passes(stage, calls, lambda: stage.update_critic(step, number))  # noqa: B023
    assert any(found[step, 1] != found[step, 0] for step in range(4))
    assert any(found[step, 2] != found[step, 1] for step in range(4))


def test_the_shipped_weights_are_the_average_not_the_generator(config: DmdConfig, tmp_path: Path) -> None:
    stage = AsymmetricDmdStage(config)
    stage.update_generator(0)
    stage.training_step(1)
    stage.export(tmp_path / "export")
    shipped = load_transformer(tmp_path / "export").state_dict()
    name = "blocks.0.ffn.net.2.weight"
    torch.testing.assert_close(shipped[name].float(), stage.ema.model.state_dict()[name].bfloat16().float())
    assert not torch.equal(shipped[name].float(), stage.model.state_dict()[name].bfloat16().float())
