"""The kinds of work that are killed, at a size of seconds, and what each must hold in the end."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.kills import verdicts
from probekit.models.causal_card import CausalCard, write_causal_card
from tests.helpers.model_folders import write_tiny_model

PROBEKIT: Final = (sys.executable, "-c", "from probekit.cli.main import app; app()")
TRAINER: Final = (sys.executable, "-m", "trainer")
RECIPES: Final = Path(__file__).parents[2] / "trainer" / "recipes" / "sprite"

_RECIPE: Final = """
extends: {recipes}/dmd_{arm}.yaml
initial_model: {models}/student
real_model: {models}/real
critic_model: {models}/critic
latent_frames: 6
batch_size: 1
critic_updates: 1
steps: {steps}
checkpoint_every: 2
export_every: 2
threads: 1
optimizer: {{warmup_steps: 0}}
{more}
"""
_WATCH: Final = "watch: {samples_every: 4, evaluate_every: 2, prompts: 2, sheet_prompts: 1, select: best_total}"
_FORESIGHT: Final = "foresight: {predictor_heads: 1, predictor_blocks: 1}"
_SWEEP: Final = """
title: Two arms
source: nothing
prompts: 5
rows:
  - {name: plain, label: without, recipe: baseline.yaml}
  - {name: ours, label: with, recipe: foresight.yaml}
"""


class Aim(NamedTuple):
    """A moment that is aimed at.

    Attributes:
        moment: description for the table.
        match: pattern of the event before which the process is killed, see `victim`.
        nth: which of the events that match.
        whose: pattern of the command line of the process whose events count; None is the command's own.
        victim: `self` or `parent`.
    """

    moment: str
    match: str
    nth: int = 1
    whose: str | None = None
    victim: str = "self"


class Work(NamedTuple):
    """One kind of work.

    Attributes:
        command: command line that does it into a folder, given the folder of the inputs.
        whose: pattern of that command line.
        starts_from: folder of the inputs that the work's own folder begins as a copy of; None begins empty.
        aims: moments that are aimed at.
        differences: what a finished folder lacks or has wrong, beside the undisturbed one.
    """

    command: Callable[[Path, Path], tuple[str, ...]]
    whose: str
    starts_from: str | None
    aims: tuple[Aim, ...]
    differences: Callable[[Path, Path], list[str]]


def _sample(inputs: Path, out: Path) -> tuple[str, ...]:
    model = str(inputs / "student")
    size = ("--prompts", "6", "--samples", "1")
    return (*PROBEKIT, "sample", "--model", model, "--out", str(out), *size)


def _score(inputs: Path, out: Path) -> tuple[str, ...]:
    return (*PROBEKIT, "score", str(out))


def _capture(inputs: Path, out: Path) -> tuple[str, ...]:
    size = ("--prompts", "8", "--samples", "4", "--site", "blocks.0@step1")
    return (*PROBEKIT, "capture", str(inputs / "student"), "--out", str(out), *size)


def _probe(inputs: Path, out: Path) -> tuple[str, ...]:
    models = (str(inputs / "student"), str(inputs / "other"))
    return (*PROBEKIT, "probe", *models, "--out", str(out), "--prompts", "5", "--samples", "1", "--no-perceptual")


def _train(inputs: Path, out: Path) -> tuple[str, ...]:
    return (*TRAINER, "train", str(inputs / "train.yaml"), "--out", str(out))


def _report(inputs: Path, out: Path) -> tuple[str, ...]:
    return (*PROBEKIT, "report", str(inputs / "scored"), str(inputs / "scored-other"), "--out", str(out))


def _sweep(inputs: Path, out: Path) -> tuple[str, ...]:
    return (*TRAINER, "sweep", str(inputs / "sweep.yaml"), "--out", str(out))


_CHILD: Final = r"probekit\.children .*trainer train .*/ours "
_SAMPLING: Final = r"probekit\.children .*sample .*/plain/videos"
WORK: Final[dict[str, Work]] = {
    "sample": Work(
        _sample,
        r"app\(\) sample ",
        None,
        (
            Aim("before the first manifest", r"rename .* -> manifest\.json$"),
            Aim("a video has no name yet", r"rename videos/.* -> videos/", 4),
        ),
        verdicts.of_videos,
    ),
    "score": Work(
        _score,
        r"app\(\) score ",
        "sampled",
        (
            Aim("before the protocol names the scorers", r"rename .* -> protocol\.json$"),
            Aim("before the journal", r"open scores/all\.journal\.jsonl"),
            Aim("between journal and Parquet", r"rename scores/.* -> scores/all-0000\.parquet"),
            Aim("Parquet there, journal too", r"remove scores/all\.journal\.jsonl"),
        ),
        verdicts.of_scores,
    ),
    "capture": Work(
        _capture,
        r"app\(\) capture ",
        None,
        (
            Aim("before the store has a card", r"rename .* -> store\.json$"),
            Aim("a shard has no name yet", r"rename .* -> .*\.safetensors", 3),
        ),
        verdicts.of_states,
    ),
    "probe": Work(
        _probe,
        r"app\(\) probe ",
        None,
        (
            Aim("before the first table", r"rename .* -> probe_values\.parquet"),
            Aim("between tables and figures", r"rename .* -> probes\.png"),
        ),
        verdicts.of_probes,
    ),
    "train": Work(
        _train,
        r"-m trainer train ",
        None,
        (
            Aim("in the first checkpoint", r"rename checkpoints/step-0000002\.partial"),
            Aim("between first checkpoint and export", r"mkdir \.tmp$"),
            Aim("in the last checkpoint", r"rename checkpoints/step-0000004\.partial"),
            Aim("in a kept export", r"mkdir exports/\.tmp$"),
            Aim("in an evaluation's videos", r"rename evaluations/step-0000002/videos/"),
            Aim("before the selection", r"rename .* -> selection\.json$"),
            Aim("after everything but its note", r"rename .* -> followed_up\.json$"),
        ),
        verdicts.of_training,
    ),
    "report": Work(
        _report,
        r"app\(\) report ",
        None,
        (
            Aim("in the videos of the page", r"rename videos/.*\.mp4 -> videos/", 2),
            Aim("before the page", r"rename .* -> index\.html$"),
        ),
        verdicts.of_report,
    ),
    "sweep": Work(
        _sweep,
        r"-m trainer sweep ",
        None,
        (
            Aim("its child, between checkpoint and export", r"mkdir sweep/ours/\.tmp$", 1, _CHILD),
            Aim("the sweep, in its child's checkpoint", r"mkdir sweep/ours/checkpoints/.*partial", 1, _CHILD, "parent"),
            Aim("the sweep, before its child's first video", r"mkdir sweep/plain/videos", 1, _SAMPLING, "parent"),
            Aim("before the table", r"rename .* -> sweep/table/sweep\.md"),
        ),
        verdicts.of_sweep,
    ),
}


def write_inputs(inputs: Path) -> None:
    """Models and recipes; what is scored and reported is made by the commands themselves."""
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    for seed, name in enumerate(("student", "other", "real", "critic")):
        folder = write_tiny_model(inputs / name, seed)
        if name in ("student", "other"):
            write_causal_card(folder, card)
    recipes = {"train": ("foresight", 4, f"{_WATCH}\n{_FORESIGHT}"), "baseline": ("baseline", 2, "")}
    recipes["foresight"] = ("foresight", 2, _FORESIGHT)
    for name, (arm, steps, more) in recipes.items():
        text = _RECIPE.format(recipes=RECIPES, models=inputs, arm=arm, steps=steps, more=more)
        (inputs / f"{name}.yaml").write_text(text)
    (inputs / "sweep.yaml").write_text(_SWEEP)


def begin(work: Work, inputs: Path, out: Path) -> None:
    """What the work finds in its folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    if work.starts_from is not None:
        shutil.copytree(inputs / work.starts_from, out)
