"""The causal model's streams against outputs recorded from the official implementation."""

import pytest
import torch
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.context_policy import ContextPolicy
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout
from tests.equivalence.reference_recordings import (
    TOLERANCE,
    causal_model,
    facts,
    frames_second,
    needs_recordings,
    recorded,
)

pytestmark = needs_recordings


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
    rollout = Rollout(
        causal_model(),
        text,
        draw,
        FewStepDenoiser(few_step_sigmas()),
        chunks=count,
        policy=policy,
        observers=[watcher],
    )
    with torch.no_grad():
        results = list(rollout)
        rollout.commit()
    video = frames_second(torch.cat([result.latents for result in results], dim=2))
    torch.testing.assert_close(video, recorded(f"{case}/x0"), atol=TOLERANCE, rtol=0)
    flow = torch.cat([torch.stack(watcher.flows[4 * i : 4 * i + 4], dim=2) for i in range(count)], dim=1)
    torch.testing.assert_close(flow, recorded(f"{case}/flow"), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(torch.cat(watcher.commits, 1), recorded(f"{case}/flow_refresh"), atol=TOLERANCE, rtol=0)
    hidden = torch.cat(watcher.hidden, dim=1)
    torch.testing.assert_close(hidden, recorded(f"{case}/hidden_block1_laststep"), atol=TOLERANCE, rtol=0)
