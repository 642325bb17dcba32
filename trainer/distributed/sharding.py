"""Models on the processes of a run: FSDP2 block by block, activation checkpointing, compilation, whole states."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.compiled_blocks import missing_compiler
from trainer.config.scale import ScaleConfig
from trainer.distributed.world import World

M = TypeVar("M", bound=nn.Module)


@runtime_checkable
class Recomputing(Protocol):
    """A model that can repeat the passes of its blocks in the backward pass; diffusers' name for it."""

    def enable_gradient_checkpointing(self) -> None:
        """Keep the blocks' inputs alone."""
        ...


def place(model: M, world: World, scale: ScaleConfig) -> M:
    """Put a model where it trains: on the device, its blocks sharded over the processes (FSDP2).

    Blocks hold whole weights only within their own forward and backward pass. In a world of one nothing is sharded.

    Args:
        model: a transformer or predictor with `blocks`, or any small module.
        world: processes of the run.
        scale: says whether activations are checkpointed and blocks compiled.
    """
    module: object = model
    if scale.activation_checkpointing and isinstance(module, Recomputing):
        module.enable_gradient_checkpointing()
    if scale.compile:
        check_compiler(world.device)
        _compile(model)
    model.to(world.device)
    if not world.shared:
        return model
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")  # nothing is changed in place
    mesh = init_device_mesh(world.device.type, (world.size,))
    for block in blocks_of(model):
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of a transformer or predictor; none of another module."""
    found = dict(model.named_children()).get("blocks")
    return list(found) if isinstance(found, nn.ModuleList) else []


def check_compiler(device: torch.device) -> None:
    """Refuse to compile for a CPU without a C++ compiler, before torch fails in the middle of a first step.

    Raises:
        UserError: if there is none.
    """
    missing = missing_compiler(device.type)
    if missing is not None:
        raise UserError(
            f"scale.compile cannot be: {missing}.",
            "Install one, or set scale.compile=false (the same training, about half as fast).",
        )


def _compile(model: nn.Module) -> None:
    """Compile in place, so that names of weights stay. A causal block's attention depends on Python objects."""
    for block in blocks_of(model):
        part = block.get_submodule("ffn") if isinstance(model, CausalWan) else block
        part.compile(dynamic=False)


def synchronise_gradients(model: nn.Module, needed: bool) -> None:
    """Whether the next backward passes share gradients; only the last micro-batch of an update needs it."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(needed)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be sharded; every process takes part."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_part(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that may be sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """All weights on the CPU, under the names of the model that was not sharded; every process takes part."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    sharded = any(isinstance(parameter, DTensor) for parameter in model.parameters())
    state = get_model_state_dict(model, options=options) if sharded else model.state_dict()
    return {name: tensor.detach() for name, tensor in state.items() if isinstance(tensor, Tensor)}


def gradient_norm(model: nn.Module, clip: float) -> float:
    """Clip the gradients of a model to a global norm; returns the norm before."""
    norm: Tensor = nn.utils.clip_grad_norm_(model.parameters(), clip)
    return float(whole(norm))


@contextmanager
def autocast(world: World, scale: ScaleConfig) -> Iterator[None]:
    """Context of the passes of a model: precision and kernels as the recipe says.

    No bf16 copies of weights are kept: a sharded block has none to keep, and casting again costs little beside a pass.
    """
    enabled = scale.precision == "bf16"
    with (
        attention_kernel(scale),
        torch.autocast(world.device.type, torch.bfloat16, enabled=enabled, cache_enabled=False),
    ):
        yield


@contextmanager
def attention_kernel(scale: ScaleConfig) -> Iterator[None]:
    """Context in which attention is computed as the recipe says."""
    if scale.attention == "auto":
        yield
        return
    reduced = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)  # else bf16 products are computed in fp32
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(reduced)


def frozen_dtype(scale: ScaleConfig) -> torch.dtype:
    """Of models that only read: what the passes compute in."""
    return torch.bfloat16 if scale.precision == "bf16" else torch.float32
