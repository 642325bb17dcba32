"""The causal model against outputs recorded from the official implementation."""

import functools
import json
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors import safe_open
from torch import Tensor

from probekit.context_policy import ContextPolicy
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_attention import teacher_forcing
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.streaming_rollout import PassRecord, stream
from tests.shared_data import SHARED

FIXTURE = SHARED / "fixtures" / "causal_wan.safetensors"
pytestmark = pytest.mark.skipif(not FIXTURE.is_file(), reason="the recorded reference outputs are not here")
TOLERANCE = 1e-4


@functools.cache
def facts() -> dict[str, Any]:
    result: dict[str, Any] = json.loads(FIXTURE.with_suffix(".json").read_text())
    return result


def recorded(name: str) -> Tensor:
    with safe_open(FIXTURE, "pt") as file:
        return file.get_tensor(name)


def load_weights(model: WanTransformer3DModel, prefix: str) -> None:
    with safe_open(FIXTURE, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]
        model.load_state_dict({name.removeprefix(prefix): file.get_tensor(name) for name in names})


@functools.cache
def causal_model() -> CausalWan:
    model = CausalWan(**facts()["config"]).eval()
    load_weights(model, "weights/")
    return model


def frames_second(latents_BFCHW: Tensor) -> Tensor:
    return latents_BFCHW.transpose(1, 2)


class Watcher:
    """Keeps what the fixture recorded: flows, the commit's flow, a hidden state."""

    layers = (1,)

    def __init__(self) -> None:
        self.flows: list[Tensor] = []
        self.commits: list[Tensor] = []
        self.hidden: list[Tensor] = []

    def on_pass(self, record: PassRecord) -> None:
        (self.commits if record.step is None else self.flows).append(frames_second(record.flow))
        if record.step == 3:
            self.hidden.append(record.hidden[1])


@pytest.mark.parametrize("case", ["chunk3x4", "win6_sink3_chunk3x5"])
def test_stream_equals_the_official_rollout(case: str) -> None:
    about = facts()["cases"][case]
    size, count = about["chunk"], about["frames"] // about["chunk"]
    noise, renoise = recorded(f"{case}/noise"), recorded(f"{case}/renoise")
    window = about["local_attn_frames"]
    policy = ContextPolicy(window_frames=None if window < 0 else window, sink_frames=about["sink_frames"])

    def draw(chunk: int, step: int) -> Tensor:
        frames = slice(chunk * size, chunk * size + size)
        return frames_second(noise[:, frames] if step == 0 else renoise[:, frames, step - 1])

    watcher = Watcher()
    text = TextContext(recorded("ctx")[: about["batch"]])
    with torch.no_grad():
        results = list(
            stream(
                causal_model(),
                text,
                draw,
                FewStepDenoiser(few_step_sigmas()),
                chunks=count,
                policy=policy,
                observers=[watcher],
                commit_last=True,
            )
        )
    video = frames_second(torch.cat([result.latents for result in results], dim=2))
    torch.testing.assert_close(video, recorded(f"{case}/x0"), atol=TOLERANCE, rtol=0)
    flow = torch.cat([torch.stack(watcher.flows[4 * i : 4 * i + 4], dim=2) for i in range(count)], dim=1)
    torch.testing.assert_close(flow, recorded(f"{case}/flow"), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(torch.cat(watcher.commits, 1), recorded(f"{case}/flow_refresh"), atol=TOLERANCE, rtol=0)
    hidden = torch.cat(watcher.hidden, dim=1)
    torch.testing.assert_close(hidden, recorded(f"{case}/hidden_block1_laststep"), atol=TOLERANCE, rtol=0)


def test_teacher_forcing_equals_the_official_pass() -> None:
    case = "tf_chunk3x4"
    clean, noisy = (frames_second(recorded(f"{case}/{name}")) for name in ("clean", "noisy"))
    both = torch.cat([clean, noisy], dim=2)
    levels = recorded(f"{case}/t")[:, ::3]
    timestep = torch.cat([torch.zeros_like(levels), levels], dim=1)
    model = causal_model()
    rule = model.parallel(both, [*range(12), *range(12)], teacher_forcing(4))
    text = TextContext(recorded("ctx")[:1])
    with torch.no_grad():
        flow = model(both, timestep, text, rule)[:, :, 12:]
    torch.testing.assert_close(frames_second(flow), recorded(f"{case}/flow"), atol=TOLERANCE, rtol=0)
