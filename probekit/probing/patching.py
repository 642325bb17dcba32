"""Does the next chunk read what a probe reads? Activation patching between two futures of one past.

Two futures A and B share everything up to chunk i - 1, differ in the noise of chunk i, and have the same noise after
it. What of B's state is written over A's while chunk i is committed can move chunk i + 1 through the cache alone. How
far it moves, from A's next chunk towards B's, says what the generator itself reads there. A readout only says what
could be read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.probing.decoded_directions import DecodedDirections, random_directions_like
from probekit.probing.futures import BranchedNoise
from probekit.probing.recording import unwrapped
from probekit.probing.sites import Site
from probekit.progress import track
from probekit.rollout.fixed_batch import blocks, filled
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise, NoiseSource
from probekit.rollout.streaming_rollout import Rollout, RolloutSnapshot
from probekit.rollout.streaming_sampler import StreamingSampler

WHOLE: Final = "the whole state"
DECODED: Final = "decoded directions"
RANDOM: Final = "random directions"
ABLATED: Final = "decoded directions ablated"
COLUMNS: Final = ("arm", "site", "edit", "prompt_id", "sample", "transfer", "size")

Edit = Callable[[Tensor, Tensor], Tensor]
"""From A's state and B's, both (B, T, W), to what is written over A's."""


def whole(own: Tensor, other: Tensor) -> Tensor:
    """B's state in place of A's."""
    return other


def along(basis: NDArray[np.float64]) -> Edit:
    """A's state, moved to B's along some orthonormal directions (T·W, R) of the flattened chunk."""

    def edit(own: Tensor, other: Tensor) -> Tensor:
        return own + _projected(other - own, basis)

    return edit


def along_random(basis: NDArray[np.float64], decoded: NDArray[np.float64]) -> Edit:
    """The same along other directions, stretched to the length of the change along the decoded ones."""

    def edit(own: Tensor, other: Tensor) -> Tensor:
        change, wanted = (_projected(other - own, directions) for directions in (basis, decoded))
        stretch = _lengths(wanted) / _lengths(change).clamp_min(torch.finfo(change.dtype).tiny)
        return own + change * stretch[:, None, None]

    return edit


def without(directions: DecodedDirections) -> Edit:
    """A's state with the mean state's part along the decoded directions in place of its own."""

    def edit(own: Tensor, other: Tensor) -> Tensor:
        mean = torch.from_numpy(directions.mean).to(own).reshape(own.shape[1:])
        return own - _projected(own - mean, directions.basis)

    return edit


def _projected(change: Tensor, basis: NDArray[np.float64]) -> Tensor:
    axes = torch.from_numpy(basis).to(change)
    found: Tensor = (change.flatten(1) @ axes @ axes.T).view_as(change)
    return found


def _lengths(rows: Tensor) -> Tensor:
    found: Tensor = rows.flatten(1).norm(dim=1)
    return found


def edits_of(directions: DecodedDirections, seed: int = 0) -> dict[str, Edit]:
    """All edits by name."""
    random = random_directions_like(directions.basis, seed)
    return {
        WHOLE: whole,
        DECODED: along(directions.basis),
        RANDOM: along_random(random, directions.basis),
        ABLATED: without(directions),
    }


class Moved(NamedTuple):
    """How chunk i + 1 answered to an edit, for each video.

    Attributes:
        transfer: (B,) part of the way from A's next chunk to B's: <P - A, B - A> / |B - A|².
        size: (B,) length of the change, |P - A| / |B - A|.
    """

    transfer: Tensor
    size: Tensor


def moved(own: Tensor, other: Tensor, patched: Tensor) -> Moved:
    """Compare next chunks (B, C, n, h, w) of A, of B, and of A with B's state written over its own.

    NaN where A's and B's next chunks are equal, so that there is no way to go.
    """
    way, change = (other - own).flatten(1).double(), (patched - own).flatten(1).double()
    squared = (way**2).sum(dim=1)
    squared = torch.where(squared > 0, squared, torch.nan)
    return Moved((change * way).sum(dim=1) / squared, change.norm(dim=1) / squared.sqrt())


@contextmanager
def overwriting(model: nn.Module, site: Site, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While the context lasts, what a module gives out is replaced by `change` of it.

    Raises:
        UserError: the model cannot be hooked, see `recording.unwrapped`.
    """
    module = unwrapped(model).get_submodule(site.module)

    def replace(module: nn.Module, given: tuple[Any, ...], output: Tensor) -> Tensor:
        return change(output)

    handle = module.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def check_patch(model: CausalWan, site: Site, chunk: int, chunks: int) -> None:
    """Refuse a site that no later chunk can read.

    Raises:
        UserError: the site is no output of a block in the committing pass, or no later block's keys follow it.
    """
    if site.step is not None or site.stream:
        raise UserError(
            f"{site.name} is not written to the cache.", "Patch the output of a block in the committing pass."
        )
    if not 0 <= site.block < len(model.blocks) - 1:
        raise UserError(
            f"No keys follow block {site.block} of {len(model.blocks)}.", f"Use 0 to {len(model.blocks) - 2}."
        )
    if not 0 <= chunk < chunks - 1:
        raise UserError(f"Chunk {chunk} of {chunks} has no next one.", f"Use 0 to {chunks - 2}.")


@torch.no_grad()
def patch_videos(
    sampler: StreamingSampler,
    requests: Sequence[Request],
    site: Site,
    chunk: int,
    edits: dict[str, Edit],
    *,
    arm: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Patch one chunk of every video; one row per video and edit, with the columns `COLUMNS`.

    Args:
        sampler: streaming generator.
        requests: prompts and keys; future A is the video of the key itself, future B draws from run seed `seed` + 1.
        site: output of a block in the committing pass.
        chunk: number i of the chunk whose state is overwritten.
        edits: what is written, by name.
        arm: name in the table.
        seed: run seed of the noise.

    Raises:
        UserError: as `check_patch`.
    """
    check_patch(sampler.model, site, chunk, sampler.chunks)
    rows = []
    for block in track(blocks(requests, sampler.batch_size), f"patching {arm}"):
        found = _patched(sampler, filled(block, sampler.batch_size), site, chunk, edits, seed)
        rows += [
            (arm, site.name, name, request.key.prompt_id, request.key.sample, float(transfer), float(size))
            for name, answer in found.items()
            for request, transfer, size in zip(block, answer.transfer, answer.size, strict=False)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _patched(
    sampler: StreamingSampler, requests: Sequence[Request], site: Site, chunk: int, edits: dict[str, Edit], seed: int
) -> dict[str, Moved]:
    keys = [request.key for request in requests]
    own_noise, drawn = (KeyedNoise(keys, sampler.chunk_shape(), seed + number) for number in (0, 1))
    other_noise = BranchedNoise(own_noise, drawn, chunk - 1, rejoined=chunk + 1)
    rollout = sampler.start(requests, noise=own_noise)
    for _ in range(chunk):
        next(rollout)
    before = rollout.snapshot()
    states: list[Tensor] = []

    def keep(state: Tensor) -> Tensor:
        states.append(state.clone())
        return state

    own = _next_chunk(rollout, before, own_noise, sampler.model, site, keep)
    other = _next_chunk(rollout, before, other_noise, sampler.model, site, keep)
    found = {}
    for name, edit in edits.items():
        written = edit(states[0].float(), states[1].float()).to(states[0].dtype)
        patched = _next_chunk(rollout, before, own_noise, sampler.model, site, partial(_instead, written))
        found[name] = moved(own, other, patched)
    return found


def _instead(written: Tensor, state: Tensor) -> Tensor:
    return written


def _next_chunk(
    rollout: Rollout,
    before: RolloutSnapshot,
    noise: NoiseSource,
    model: CausalWan,
    site: Site,
    change: Callable[[Tensor], Tensor],
) -> Tensor:
    """Clean latents of chunk i + 1 when chunk i is committed with a changed state."""
    rollout.rewind(before, noise)
    next(rollout)
    with overwriting(model, site, change):
        rollout.commit()
    return next(rollout).latents
