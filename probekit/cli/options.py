"""Option types that several verbs share."""

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from probekit.choices import Weighting
from probekit.config_errors import validated
from probekit.devices import usable_device
from probekit.diffusion.few_step import FEW_STEPS
from probekit.errors import UserError
from probekit.run_folder.shard import Shard
from probekit.statistics.bootstrap_settings import MOST_REPLICATES

if TYPE_CHECKING:
    from probekit.evaluation.vbench.fast.settings import FastSettings

FEW_STEPS_TEXT: Final = ",".join(map(str, FEW_STEPS))

ShardOption = Annotated[str | None, typer.Option("--shard", help="This worker's shard, i/n, counted from 0: 0/2, 1/2.")]
Runs = Annotated[list[Path], typer.Argument(help="Run folders with scores; the first is the baseline.")]
RunsOrNone = Annotated[
    list[Path] | None, typer.Argument(help="Run folders with scores; the first is the baseline.", show_default=False)
]
Mismatch = Annotated[bool, typer.Option("--allow-mismatch", help="Compare although protocols differ; adds a banner.")]
Replicates = Annotated[int, typer.Option(help="Bootstrap replicates.", min=100, max=MOST_REPLICATES)]
WeightingOption = Annotated[
    Weighting, typer.Option(help="Mean over prompts, over videos, or as the official scores pool frames.")
]
Seed = Annotated[int, typer.Option(help="Seed of the resampling.", min=0)]
SuiteOptions = Annotated[
    list[str] | None,
    typer.Option("--suite-option", help="Option of the suite as key=value, e.g. flickering_samples=25; repeatable."),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Go on without missing videos; every table states the coverage n/N.")
]


def finite(value: float | None) -> float | None:
    """Callback of an option: refuse NaN and infinities, which no comparison of a limit catches.

    Raises:
        typer.BadParameter: the value is not finite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number.")
    return value


def parse_shard(text: str | None) -> Shard | None:
    """Read 'i/n'; without it, take the rank and world size that torchrun sets, so that ranks share the work.

    Raises:
        UserError: if the text is not of this form or there is no such shard.
    """
    if text is None:
        rank, world = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
        return Shard(int(rank), int(world)) if rank and world and int(world) > 1 else None
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UserError(f"{text!r} is not a shard.", "Write i/n, counted from 0, for example 0/2.")
    return Shard(int(match[1]), int(match[2]))


def step_list(text: str | None) -> tuple[int, ...] | None:
    """Read '1000,500'.

    Raises:
        UserError: if the text is no list of whole numbers.
    """
    if text is None:
        return None
    try:
        return tuple(int(step) for step in text.split(","))
    except ValueError as error:
        raise UserError(f"{text!r} is not a list of steps.", f"Write e.g. {FEW_STEPS_TEXT}.") from error


def fast_settings(device: str, **others: Any) -> "FastSettings":
    """Settings of the fast backend from a command's options.

    Raises:
        UserError: if the device is not there, or a value is not allowed.
    """
    from probekit.evaluation.vbench.fast.settings import FastSettings

    if device != "auto":  # which is always there; asking would load torch
        usable_device(device)
    return validated(FastSettings, {"device": device, **others}, "the command's options")
