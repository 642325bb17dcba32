"""Keeps what modules give out during a rollout: hooks while a context lasts, addressed by pass and chunk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.probing.reductions import Reduction
from probekit.probing.sites import Site, check_sites
from probekit.rollout.records import PassRecord

INVERSION: Final = -1
"""Step of passes that solve the flow's ODE backwards; nothing of them is kept."""


class PassInput(NamedTuple):
    """What a network was shown in one pass: chunk, step (None: commit), noise level, latents (B, C, n, h, w)."""

    chunk: int
    step: int | None
    sigma: float
    latents: Tensor


class Recorder:
    """Observer of one rollout that keeps the outputs of modules; made by `recording`.

    Attributes:
        layers: none, since the hooks see more than the outputs of blocks.
        inputs: every pass of a generated chunk.
    """

    layers: Sequence[int] = ()

    def __init__(self, sites: Sequence[Site], reduction: Reduction, chunk_frames: int) -> None:
        self.inputs: list[PassInput] = []
        self._reduction = reduction
        self._frames = chunk_frames
        self._seen: dict[str, Tensor] = {}
        self._kept: dict[Site, list[Tensor]] = {site: [] for site in sites}

    def hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        """The hook of a module; it keeps a copy, so that what is changed in place afterwards stays as it was."""

        def keep(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            if not isinstance(output, Tensor) or output.dim() != 3:
                raise UserError(f"{name} gives no tensor (B, T, W).", "Capture a block, attn1, attn2 or ffn.")
            self._seen[name] = output.detach().clone()

        return keep

    def on_pass(self, record: PassRecord) -> None:
        """Keep what this pass gave; start frames that were given (chunk -1) and inversions are passed over."""
        seen, self._seen = self._seen, {}
        if record.chunk < 0 or record.step == INVERSION:
            return
        self.inputs.append(PassInput(record.chunk, record.step, record.sigma, record.latents.detach()))
        for site, kept in self._kept.items():
            if site.step == record.step:
                rows = len(record.latents)  # under guidance the rows of the negative prompt follow
                kept.append(self._reduction.apply(seen[site.module][:rows], self._frames).to("cpu", torch.float16))

    def states(self) -> dict[Site, Tensor]:
        """By site (B, N, n, T, W) float16 on the CPU: chunks, frames or 1, tokens per frame, width.

        Raises:
            UserError: if a state is larger than float16 can say, or not a number.
        """
        found = {site: torch.stack(kept, dim=1) for site, kept in self._kept.items()}
        for site, states in found.items():
            if not bool(states.isfinite().all()):
                raise UserError(f"{site.name} has states beyond float16, or not finite.", "Capture another site.")
        return found


@contextmanager
def recording(
    model: nn.Module, sites: Sequence[Site], *, steps: int, chunk_frames: int, reduction: Reduction
) -> Iterator[Recorder]:
    """Record sites of a generator in the rollouts that the recorder observes; the hooks are removed at the end.

    Args:
        model: generator, or what `torch.compile` made of it, which is unwrapped.
        sites: places to keep.
        steps: denoising steps per chunk.
        chunk_frames: latent frames of a chunk.
        reduction: what is kept of a state.

    Raises:
        UserError: for a site that does not exist, or one inside a module that is compiled in place.
    """
    plain = unwrapped(model)
    check_sites(sites, (name for name, _ in plain.named_modules()), steps)
    recorder = Recorder(sites, reduction, chunk_frames)
    names = dict.fromkeys(site.module for site in sites)
    handles = [plain.get_submodule(name).register_forward_hook(recorder.hook(name)) for name in names]
    try:
        yield recorder
    finally:
        for handle in handles:
            handle.remove()


def unwrapped(model: nn.Module) -> CausalWan:
    """The generator inside a compiled one.

    Raises:
        UserError: for another network, or one whose modules were compiled in place: their hooks may never be called.
    """
    inner = model
    while isinstance(inner, torch._dynamo.eval_frame.OptimizedModule):
        inner = inner._orig_mod
    if not isinstance(inner, CausalWan):
        raise UserError(f"A {type(inner).__name__} cannot be captured.", "Give a causal generator.")
    compiled = [name for name, module in inner.named_modules() if module._compiled_call_impl is not None]
    if compiled or inner.block_runner is not None:
        name = compiled[0] if compiled else "blocks"
        raise UserError(f"The module {name or 'itself'!r} is compiled in place.", "Capture before compiling.")
    found: CausalWan = inner
    return found
