"""Fitted decoders that are kept: what reads a state's future while it is being generated.

A head is one file of safetensors beside the states that it was fitted to. Its metadata say which weights' states it can
read; another generator's would give pictures that mean nothing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from probekit.atomic_files import atomic_path
from probekit.config import StrictModel
from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.library_errors import reading
from probekit.probing.decoder_goals import GoalSpace, PreparedGoals, restored
from probekit.probing.decoder_inputs import InputMap, Scaling
from probekit.probing.decoders import DecoderStack
from probekit.probing.sites import Site

HEADS: Final = "heads"
"""Folder of the heads in a store's folder."""
_FACTS: Final = "probekit"
_STACK: Final = ("w0", "w1", "w2", "b0", "b1", "b2")
_PARTS: Final = ("mean", "spread", "axes", "axes_spread", "goal_mean", "goal_axes", *_STACK)


def head_path(store: Path, target: str) -> Path:
    """Where the head of a target is, in the folder of the states that it was fitted to."""
    return store / HEADS / f"{target}.safetensors"


class HeadFacts(StrictModel):
    """What a head's file states.

    Attributes:
        site: name of the site that it reads.
        horizons: chunks ahead, in the order of its decoders.
        grid: rows and columns of tokens where it reads one position; None where it reads a whole chunk.
        patch: rows and columns of pixels of a position.
        goal_spread: spread of the goals' coordinates.
        checkpoint_hash: hash of the generator whose states it was fitted to.
    """

    site: str
    horizons: tuple[int, ...] = Field(min_length=1)
    grid: tuple[int, int] | None
    patch: tuple[int, int]
    goal_spread: float = Field(gt=0)
    checkpoint_hash: str | None


class ReadoutHead(NamedTuple):
    """Decoders of one site, one per horizon.

    Attributes:
        site: what it reads.
        horizons: chunks ahead.
        inputs: map from states to rows.
        stack: the decoders.
        space: coordinates of their answers.
        grid: rows and columns of tokens where a row is one position's.
        patch: rows and columns of pixels of a position.
    """

    site: Site
    horizons: tuple[int, ...]
    inputs: InputMap
    stack: DecoderStack
    space: GoalSpace
    grid: tuple[int, int] | None
    patch: tuple[int, int]

    @classmethod
    def of(
        cls, site: Site, horizons: Sequence[int], inputs: InputMap, stack: DecoderStack, goals: PreparedGoals
    ) -> Self:
        """A head of what was fitted, one decoder per horizon.

        Raises:
            ValueError: the goals are classes, or there is not one decoder per horizon.
        """
        if goals.space is None or len(stack.weights[0]) != len(horizons):
            raise ValueError("A head reads pictures or numbers, by one decoder per horizon.")
        return cls(site, tuple(horizons), inputs, stack, goals.space, goals.grid, goals.patch)

    @torch.no_grad()
    def read(self, states: NDArray[np.floating]) -> dict[int, NDArray[np.float32]]:
        """What comes, by horizon: values (V·N, P) of states (V, N, n, T, W)."""
        answers = self.stack(self.inputs(states))
        values = [restored(answer, self.space, self.grid, self.patch) for answer in answers]
        return dict(zip(self.horizons, values, strict=True))

    def save(self, path: Path, checkpoint_hash: str | None) -> None:
        """Write the head, whole or not at all."""
        facts = HeadFacts(
            site=self.site.name,
            horizons=self.horizons,
            grid=self.grid,
            patch=self.patch,
            goal_spread=self.space.spread,
            checkpoint_hash=checkpoint_hash,
        )
        (mean, spread), axes, axes_spread, _ = self.inputs
        found = (mean, spread, axes, axes_spread, self.space.mean, self.space.axes, *self.stack.parameters())
        tensors = {name: part.contiguous() for name, part in zip(_PARTS, found, strict=True) if part is not None}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata={_FACTS: facts.model_dump_json()})


def find_head(folder: Path, target: str, checkpoint_hash: str | None) -> Path | None:
    """The head of a target for certain weights anywhere in a folder, the first by path; None where there is none.

    Args:
        folder: folder that `probekit probe` or `probekit capture` wrote; it may be absent.
        target: name of the target.
        checkpoint_hash: hash of the generator whose states it will read.

    Raises:
        UserError: a file of that name is no head, or is damaged.
    """
    found = sorted(folder.rglob(f"{HEADS}/{target}.safetensors"))
    return next((path for path in found if _open_head(path)[0].checkpoint_hash == checkpoint_hash), None)


def _open_head(path: Path) -> tuple[HeadFacts, dict[str, Tensor]]:
    """What a head states, and its tensors."""
    with reading(f"{path} is no readout head", "Fit one: probekit probe."), safe_open(path, "pt") as file:
        stated = (file.metadata() or {}).get(_FACTS, "{}")
        parts: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
        facts = validated(HeadFacts, json.loads(stated), f"the facts in {path}")
    return facts, parts


def read_head(path: Path, checkpoint_hash: str | None) -> ReadoutHead:
    """Read a head that was fitted to the states of certain weights.

    Args:
        path: file of the head.
        checkpoint_hash: hash of the generator whose states it will read.

    Raises:
        UserError: the file is no head, is damaged, or was fitted to another generator's states.
    """
    facts, parts = _open_head(path)
    if facts.checkpoint_hash != checkpoint_hash:
        fitted, asked = str(facts.checkpoint_hash)[:12], str(checkpoint_hash)[:12]
        raise UserError(
            f"{path} reads states of the weights {fitted}, not of {asked}.",
            "Run `probekit probe` with this generator.",
        )
    lacking = [name for name in ("mean", "spread", "goal_mean", *_STACK) if name not in parts]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(lacking)}.", "Fit it again: probekit probe.")
    inputs = InputMap(Scaling(parts["mean"], parts["spread"]), parts.get("axes"), parts.get("axes_spread"), facts.grid)
    stack = DecoderStack.of([parts[name] for name in _STACK])
    space = GoalSpace(parts["goal_mean"], parts.get("goal_axes"), facts.goal_spread)
    return ReadoutHead(Site.parse(facts.site), facts.horizons, inputs, stack, space, facts.grid, facts.patch)
