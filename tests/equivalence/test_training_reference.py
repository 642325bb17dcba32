"""Training passes, losses and gradients against those recorded from the official implementation."""

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor
from torch.testing import assert_close

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.flow_matching import interpolate, velocity_target
from probekit.diffusion.noise_table import GENERATOR_SHIFT, SCORE_SHIFT, nearest_table_sigma, table_sigmas
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.records import CommitNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out
from tests.equivalence.reference_recordings import (
    TOLERANCE,
    causal_model,
    facts,
    frames_second,
    gradients,
    needs_recordings,
    plain_model,
    recorded,
    recorded_under,
)
from trainer.config.foresight import ForesightConfig
from trainer.foresight.objective import ForesightObjective
from trainer.objectives.auxiliary import AuxiliaryModels
from trainer.objectives.dmd import critic_loss, dmd_gradient, dmd_loss, official_critic_loss, score_timesteps
from trainer.objectives.regression import bell_total, bell_weight, weighted_flow_loss
from trainer.stages.flows import diffusion_forced_flow, teacher_forced_flow

pytestmark = needs_recordings


def assert_same_gradients(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert_close(
            ours[name], gradient, atol=TOLERANCE, rtol=TOLERANCE, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("case", ["tf_chunk3x4", "df_chunk3x4"])
def test_stage_one_pass_loss_and_gradients_equal_the_official_ones(case: str) -> None:
    about = facts()["cases"][case]
    clean, context, noisy, noise, x0, flow = (
        frames_second(recorded(f"{case}/{name}")) for name in ("clean", "context", "noisy", "noise", "x0", "flow")
    )
    timestep = recorded(f"{case}/t")[:, :: about["chunk"]]
    model, text = causal_model(), TextContext(recorded("ctx")[:1])
    if about["kind"] == "teacher_forcing":
        predicted, _ = teacher_forced_flow(model, context, noisy, timestep, text)
    else:
        predicted, _ = diffusion_forced_flow(model, noisy, timestep, text)
    assert_close(predicted, flow, atol=TOLERANCE, rtol=0)
    sigma = (timestep / 1000).repeat_interleave(about["chunk"], 1)[:, None, :, None, None]
    assert_close(noisy - sigma * predicted, x0, atol=TOLERANCE, rtol=0)
    weight = bell_weight(timestep, bell_total(GENERATOR_SHIFT))
    assert_close(weight, recorded(f"{case}/weight")[:, :: about["chunk"]], atol=TOLERANCE, rtol=0)
    loss = weighted_flow_loss(predicted, velocity_target(clean, noise), weight)
    assert_close(loss, recorded(f"{case}/loss").squeeze(), atol=TOLERANCE, rtol=0)
    loss.backward()
    theirs = recorded_under(f"{case}/grad/")
    if theirs:
        assert_same_gradients(gradients(model), theirs)


def official_predictor_state(state: dict[str, Tensor], projection: Tensor) -> dict[str, Tensor]:
    """Official names to ours; the zero condition leaves only the bias of the modulation."""
    ours = {"projection.weight": projection}
    plain = {"o.": "out.", "ffn.0.": "ffn.0.", "ffn.2.": "ffn.2.", "norm_q.": "norm_q.", "norm_k.": "norm_k."}
    plain |= {f"{name}.": f"qkv.{index}." for index, name in enumerate("qkv")}
    for name, value in state.items():
        if not name.startswith("blocks."):
            continue
        _, block, rest = name.split(".", 2)
        if rest == "adaLN_modulation.1.bias":
            ours[f"blocks.{block}.modulation"] = value.reshape(6, -1)
        for old, new in plain.items():
            if rest.startswith(old):
                ours[f"blocks.{block}.{new}{rest.removeprefix(old)}"] = value
    return ours


@pytest.mark.parametrize("case", ["exit1_delta1_detached", "exit1_delta1_nocurrent_detached"])
def test_the_mirai_step_equals_the_official_one(case: str) -> None:
    about = facts()["cases"][f"mirai/{case}"]
    model, encoder, text = causal_model(), plain_model("teacher_config", "teacher_weights/"), recorded("ctx")[:1]
    noise, renoise, context = (recorded(f"mirai/{name}") for name in ("noise", "renoise", "context_noise"))
    objective = ForesightObjective(
        ForesightConfig(
            offsets=tuple(range(0 if about["include_current"] else 1, about["delta"] + 1)),
            weight=about["weight"],
            student_layer=1,
            encoder_layer=2,
            predictor_blocks=facts()["projector"]["layers"],
            predictor_heads=facts()["projector"]["heads"],
            negative_cosine=True,
        ),
        AuxiliaryModels(model, encoder, model, lambda: encoder),
        chunk_frames=3,
        seed=0,
    )
    state = official_predictor_state(recorded_under("projector/"), recorded("dim_proj/weight"))
    objective.predictor.load_state_dict(state)

    def draw(chunk: int, step: int) -> Tensor:
        frames = slice(3 * chunk, 3 * chunk + 3)
        return frames_second(noise[:, frames] if step == 0 else renoise[:, frames, step - 1])

    commit = CommitNoise(
        float(table_sigmas(GENERATOR_SHIFT)[-1]), lambda chunk: frames_second(context[:, 3 * chunk : 3 * chunk + 3])
    )
    watched = objective.watch(about["exit_step"])
    results = Rollout(
        model,
        TextContext(text),
        draw,
        FewStepDenoiser(few_step_sigmas(), about["exit_step"], gradient=True),
        chunks=3,
        observers=[watched],
        commit_noise=commit,
    )
    video = roll_out(results)
    assert_close(frames_second(video), recorded(f"mirai/{case}/x0"), atol=TOLERANCE, rtol=0)
    matching = 0.5 * (video - frames_second(recorded("mirai/target"))).square().mean()
    assert_close(float(matching.detach()), about["dmd_like"], atol=TOLERANCE, rtol=0)
    foresight = objective.loss(watched.states, video.detach(), text, step=0)
    assert_close(float(foresight.detach()), about["foresight_loss"], atol=TOLERANCE, rtol=0)
    (matching + foresight).backward()
    theirs = recorded_under(f"mirai/{case}/grad/")
    if theirs:
        assert_same_gradients(gradients(model), theirs)
    predictor = recorded_under(f"mirai/{case}/proj_grad/")
    if predictor:
        mapped = official_predictor_state(predictor, predictor["dim_proj.weight"])
        assert_same_gradients(gradients(objective.predictor), mapped)


@pytest.mark.parametrize("case", ["dmd/raw3", "dmd/raw500", "dmd/raw900"])
def test_dmd_and_critic_losses_equal_the_official_ones(case: str) -> None:
    about = facts()["cases"][case]
    image, noise = (frames_second(recorded(f"dmd/{name}")) for name in ("image", "noise"))
    timestep = score_timesteps(torch.tensor([about["raw"] / 1000]), GENERATOR_SHIFT, (20, 980))
    assert_close(float(timestep), about["t"], atol=TOLERANCE, rtol=0)
    generator_sigma, score_sigma = (nearest_table_sigma(timestep, shift) for shift in (GENERATOR_SHIFT, SCORE_SHIFT))
    assert_close(float(generator_sigma), about["sigma_shift5_table"], atol=1e-7, rtol=0)
    assert_close(float(score_sigma), about["sigma_shift8_table"], atol=1e-7, rtol=0)
    noisy = interpolate(image, noise, generator_sigma)
    conditional, unconditional = (a * noisy + 0.1 * noisy.sin() for a in (0.8, 0.7))
    real = conditional + 3 * (conditional - unconditional)
    generated = image.clone().requires_grad_()
    loss = dmd_loss(generated, dmd_gradient(image, 0.9 * noisy, real))
    assert_close(float(loss.detach()), about["dmd_loss"], atol=TOLERANCE, rtol=0)
    (gradient,) = torch.autograd.grad(loss, generated)
    assert_close(frames_second(gradient), recorded(f"{case}/grad_image"), atol=1e-9, rtol=TOLERANCE)
    critic: WanTransformer3DModel = plain_model("config", "critic_weights/")
    with torch.no_grad():
        flow = critic(noisy, timestep, recorded("ctx")[:1], return_dict=False)[0]
    assert_close(float(critic_loss(flow, image, noise)), about["critic_loss_direct_flow_mse"], atol=TOLERANCE, rtol=0)
    official = official_critic_loss(flow, image, noise, score_sigma, generator_sigma)
    assert_close(float(official), about["critic_loss_official"], atol=TOLERANCE, rtol=0)
