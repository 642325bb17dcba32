"""Outputs recorded from the official implementation at tiny size, and the models that they belong to."""

import functools
import json
from typing import Any

import pytest
from diffusers import WanTransformer3DModel
from safetensors import safe_open
from torch import Tensor, nn

from probekit.models.causal_wan import CausalWan
from tests.helpers.shared_data import SHARED

FIXTURE = SHARED / "fixtures" / "causal_wan.safetensors"
needs_recordings = pytest.mark.skipif(not FIXTURE.is_file(), reason="the recorded reference outputs are not here")
TOLERANCE = 1e-4


@functools.cache
def facts() -> dict[str, Any]:
    """The recording's JSON."""
    result: dict[str, Any] = json.loads(FIXTURE.with_suffix(".json").read_text())
    return result


def recorded(name: str) -> Tensor:
    """One recorded tensor."""
    with safe_open(FIXTURE, "pt") as file:
        return file.get_tensor(name)


def recorded_under(prefix: str) -> dict[str, Tensor]:
    """All recorded tensors whose name begins with `prefix`, without it."""
    with safe_open(FIXTURE, "pt") as file:
        return {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}


def causal_model() -> CausalWan:
    """The generator, fresh, so that a test may leave gradients in it."""
    model: CausalWan = CausalWan(**facts()["config"]).eval()
    model.load_state_dict(recorded_under("weights/"))
    return model


def plain_model(config: str, prefix: str) -> WanTransformer3DModel:
    """A bidirectional model."""
    model: WanTransformer3DModel = WanTransformer3DModel(**facts()[config]).eval()
    model.load_state_dict(recorded_under(prefix))
    return model


def frames_second(latents_BFCHW: Tensor) -> Tensor:
    """Recordings have frames before channels; also turns ours into theirs."""
    return latents_BFCHW.transpose(1, 2)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Gradient of every parameter that has one."""
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
