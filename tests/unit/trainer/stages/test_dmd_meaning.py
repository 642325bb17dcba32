"""Stage 3 against equations written out here: which network reads what, and what is made of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.rollout.noise import normal_rows
from tests.helpers.model_folders import write_tiny_model
from trainer.config.optimizer import OptimizerConfig
from trainer.config.recipe import DmdConfig
from trainer.data.prompts import sprite_prompts
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

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


class Calls:
    """What a network was given and what it answered."""

    def __init__(self, network: nn.Module) -> None:
        self.given: list[dict[str, Any]] = []
        self.answers: list[Tensor] = []
        network.register_forward_hook(self._keep, with_kwargs=True)

    def _keep(self, network: nn.Module, args: Any, kwargs: dict[str, Any], answer: Any) -> None:
        self.given.append(kwargs)
        self.answers.append(answer[0].detach())


def texts(prompts: list[str]) -> Tensor:
    return load_text_encoder(PARTS).encode(prompts)


def test_the_generators_loss_is_dmds_equations_on_what_the_networks_answer(config: DmdConfig) -> None:
    stage = AsymmetricDmdStage(config)
    real, fake = Calls(stage.real), Calls(stage.critic)
    logged = stage.update_generator(0)
    (asked,), (judged,) = real.given, fake.given
    prompts = sprite_prompts("train", BATCH, "dmd", config.seed, 0, 0)
    torch.testing.assert_close(asked["encoder_hidden_states"], torch.cat([texts(prompts), texts([""] * BATCH)]))
    torch.testing.assert_close(judged["encoder_hidden_states"], texts(prompts))
    noisy, sigma = judged["hidden_states"], (judged["timestep"] / 1000).view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(asked["hidden_states"], torch.cat([noisy, noisy]))
    noise = normal_rows(noisy.shape[1:], range(BATCH), "score-noise", "dmd", config.seed, 0)
    video = (noisy - sigma * noise) / (1 - sigma)
    conditional, unconditional = real.answers[0].chunk(2)
    teacher = noisy - sigma * (unconditional + GUIDANCE * (conditional - unconditional))
    student = noisy - sigma * fake.answers[0]
    distance = (video - teacher).abs().flatten(1).mean(dim=1).view(-1, 1, 1, 1, 1)
    gradient = (student - teacher) / distance
    assert logged["dmd_loss"] == pytest.approx(float(0.5 * gradient.square().mean()), rel=2e-3)


def test_the_critic_learns_flow_matching_with_the_prompt_on_rollouts_of_its_own(config: DmdConfig) -> None:
    stage = AsymmetricDmdStage(config)
    fake = Calls(stage.critic)
    logged = stage.update_critic(3, 1)
    (asked,) = fake.given
    prompts = sprite_prompts("train", BATCH, "dmd", config.seed, 3, 1)
    torch.testing.assert_close(asked["encoder_hidden_states"], texts(prompts))
    sigma = (asked["timestep"] / 1000).view(-1, 1, 1, 1, 1)
    noise = normal_rows(asked["hidden_states"].shape[1:], range(BATCH), "score-noise", "critic", config.seed, 3, 1)
    video = (asked["hidden_states"] - sigma * noise) / (1 - sigma)
    loss = (fake.answers[0] - (noise - video)).square().mean()
    assert logged["critic_loss"] == pytest.approx(float(loss), rel=2e-3)


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
    from probekit.models.loading import load_transformer

    stage = AsymmetricDmdStage(config)
    stage.update_generator(0)
    stage.training_step(1)
    stage.export(tmp_path / "export")
    shipped = load_transformer(tmp_path / "export").state_dict()
    name = "blocks.0.ffn.net.2.weight"
    torch.testing.assert_close(shipped[name].float(), stage.ema.model.state_dict()[name].bfloat16().float())
    assert not torch.equal(shipped[name].float(), stage.model.state_dict()[name].bfloat16().float())
