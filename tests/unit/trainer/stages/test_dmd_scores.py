"""Which scores know the future, and stage 3 with causal ones and with gradients through its history."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.sprite_world.field_states import FIELD_FEATURES
from tests.helpers.model_folders import write_tiny_model
from trainer.config.foresight import ForesightConfig
from trainer.config.optimizer import OptimizerConfig
from trainer.config.recipe import DmdConfig
from trainer.planning.describe import description
from trainer.planning.recipe import operations_of
from trainer.planning.refusals import refuse_unworkable
from trainer.plugins import auxiliary_of
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

PARTS = SHIPPED_MODELS / "sprite-base"
ROWS = range(2)
FORESIGHT = ForesightConfig(predictor_heads=1, predictor_blocks=1, encoder="base")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("student", "real", "critic", "real-ar", "critic-ar")):
        write_tiny_model(root / name, seed=seed)
    student = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(root / "student", student)
    for name in ("real-ar", "critic-ar"):
        write_causal_card(
            root / name, CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, guidance=3.0)
        )
    return root


def config_of(models: Path, **changes: object) -> DmdConfig:
    optimizer = OptimizerConfig(learning_rate=1e-3, betas=(0.0, 0.999), warmup_steps=0)
    kind = "-ar" if changes.get("causal_scores") else ""
    values: dict[str, object] = {
        "stage": "asymmetric_dmd", "name": "dmd", "seed": 0, "text_and_codec": PARTS, "optimizer": optimizer,
        "critic_optimizer": optimizer, "critic_updates": 2, "steps": 4, "batch_size": 2, "latent_frames": 9,
        "initial_model": str(models / "student"), "real_model": str(models / f"real{kind}"),
        "critic_model": str(models / f"critic{kind}"), "base_model": str(models / "critic"),
    }  # fmt: skip
    return DmdConfig.model_validate(values | changes)


def direction(stage: AsymmetricDmdStage, video: Tensor) -> Tensor:
    """The DMD gradient of the first two chunks, up to its size: the normaliser is a mean over the whole video."""
    found = stage.scores.gradient(video, stage._text.encode(["", ""]), ROWS, ("dmd", 0))[:, :, :6]
    return found / found.flatten(1).norm(dim=1).view(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("causal", [True, False])
def test_only_bidirectional_scores_hear_the_future(models: Path, causal: bool) -> None:
    stage = AsymmetricDmdStage(config_of(models, causal_scores=causal))
    video = torch.randn(2, 16, 9, 8, 8, generator=torch.Generator().manual_seed(0))
    other = video.clone()
    other[:, :, 6:] += 1.0
    same = torch.allclose(direction(stage, video), direction(stage, other), atol=1e-4)
    assert same == causal
    past = video.clone()
    past[:, :, :3] += 1.0
    assert not torch.allclose(direction(stage, video)[:, :, 3:], direction(stage, past)[:, :, 3:], atol=1e-3)


def test_causal_scores_see_the_clean_past_and_judge_the_noisy_video_at_one_level(models: Path) -> None:
    """[clean | noisy] in one pass; the real score has both twice, for guidance."""
    stage = AsymmetricDmdStage(config_of(models, causal_scores=True))
    given: dict[str, tuple[Tensor, Tensor]] = {}
    for name, score in (("real", stage.scores.real), ("critic", stage.scores.critic)):
        score.register_forward_pre_hook(lambda _, arguments, name=name: given.update({name: arguments[:2]}))
    video = torch.randn(2, 16, 9, 8, 8, generator=torch.Generator().manual_seed(0))
    stage.scores.gradient(video, stage._text.encode(["", ""]), ROWS, ("dmd", 0))
    for name, times in (("real", 2), ("critic", 1)):
        latents, levels = given[name]
        clean, noisy = latents.split(9, dim=2)
        torch.testing.assert_close(clean, video.repeat(times, 1, 1, 1, 1))
        assert not levels[:, :3].any()
        assert (levels[:, 3:] == levels[:, 3:4]).all()
        sigma = (levels[:, 3] / 1000).view(-1, 1, 1, 1, 1)
        noise = (noisy - (1 - sigma) * clean) / sigma
        assert 0.9 < float(noise.std()) < 1.1
    torch.testing.assert_close(given["real"][0], given["critic"][0].repeat(2, 1, 1, 1, 1))


def test_a_causal_critic_learns_on_the_generators_videos_and_foresight_reads_with_the_base(models: Path) -> None:
    config = config_of(models, causal_scores=True, foresight=FORESIGHT)
    refuse_unworkable(config, 1)
    stage = AsymmetricDmdStage(config, auxiliary_of(config))
    assert isinstance(stage.scores.real, CausalWan)
    assert isinstance(stage.scores.critic, CausalWan)
    before = [parameter.clone() for parameter in stage.scores.critic.parameters()]
    frozen = [parameter.clone() for parameter in stage.scores.real.parameters()]
    logged = stage.training_step(0)
    assert logged["auxiliary_loss"] > 0
    assert not all(map(torch.equal, before, stage.scores.critic.parameters()))
    assert all(map(torch.equal, frozen, stage.scores.real.parameters()))


def test_the_scores_gradient_carries_none_itself(models: Path) -> None:
    stage = AsymmetricDmdStage(config_of(models))
    video = torch.randn(2, 16, 9, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not stage.scores.gradient(video, stage._text.encode(["", ""]), ROWS, ("dmd", 0)).requires_grad


@pytest.mark.parametrize(("causal", "codec"), [(True, PARTS), (False, PARTS), (False, Path("sprite-base"))])
def test_the_worlds_own_state_can_be_the_target_whatever_the_scores_are(
    models: Path, causal: bool, codec: Path
) -> None:
    """The codec by its folder, or by the name that recipes give."""
    foresight = ForesightConfig(predictor_heads=1, predictor_blocks=1, encoder="world")
    config = config_of(models, causal_scores=causal, base_model=None, foresight=foresight, text_and_codec=codec)
    refuse_unworkable(config, 1)
    stage = AsymmetricDmdStage(config, auxiliary_of(config))
    assert stage.training_step(0)["auxiliary_loss"] > 0
    described = "\n".join(description(config, 1, None))
    assert f"state of each field by the tracker, (videos, 48, {FIELD_FEATURES}) per segment" in described
    assert operations_of(config)["foresight encoder"] == 0


@pytest.mark.parametrize("foresight", [None, FORESIGHT])
def test_gradients_through_the_history_change_the_update_and_not_the_loss(
    models: Path, foresight: ForesightConfig | None
) -> None:
    found = []
    for history in (False, True):
        config = config_of(models, history_gradient=history, foresight=foresight)
        stage = AsymmetricDmdStage(config, auxiliary_of(config))
        logged = stage.update_generator(0)
        found.append((logged, torch.cat([parameter.detach().flatten() for parameter in stage.model.parameters()])))
    (plain, before), (ours, after) = found
    for name in plain.keys() & {"dmd_loss", "auxiliary_loss", "exit_step"}:
        assert ours[name] == pytest.approx(plain[name], rel=1e-3), name
    assert ("auxiliary_loss" in ours) == (foresight is not None)
    assert ours["gradient_norm"] != pytest.approx(plain["gradient_norm"], rel=1e-4)
    assert not torch.equal(before, after)


def test_what_does_not_go_together_is_refused(models: Path) -> None:
    with pytest.raises(ValueError, match="noisy_commit"):
        config_of(models, history_gradient=True, official={"noisy_commit": True})
    for encoder, base in (("real", "x"), ("base", None)):
        with pytest.raises(ValueError, match="know no future"):
            config_of(models, causal_scores=True, base_model=base, foresight={"encoder": encoder})
    with pytest.raises(UserError, match="cannot be the real score"):
        refuse_unworkable(config_of(models, causal_scores=True, real_model=str(models / "real")), 1)
    with pytest.raises(UserError, match="cannot be the critic"):
        refuse_unworkable(config_of(models, critic_model=str(models / "critic-ar")), 1)
