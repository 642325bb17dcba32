"""The `trainer` command. Verbs parse, then call one function; their modules load when a verb is called."""

import os
from typing import Final

import typer

from probekit.children import end_with_torchrun
from probekit.cli.terminal import log_to_terminal
from probekit.cli.verbs import Verb, group_of
from probekit.threads import wait_passively

VERBS: Final = (
    Verb(
        "train", "trainer.cli.train:train",
        "Train a model from a recipe; the same command resumes an interrupted run.",
    ),
    Verb(
        "reproduce", "trainer.cli.reproduce:reproduce_command",
        "Make tables and figures of the paper, or without a target every stage of the sprite scale from nothing.",
    ),
    Verb(
        "claims", "trainer.cli.claims:claims_command",
        "Hold the paper's claims against stored results: estimates, intervals and verdicts, on one page.",
    ),
    Verb(
        "demo", "trainer.cli.demo:demo",
        "Train both arms briefly from the shipped student, then sample, score, compare and probe the shipped arms.",
    ),
    Verb(
        "sweep", "trainer.cli.sweep:sweep_command",
        "Train, score and compare every row of tables; the same command resumes.",
    ),
    Verb(
        "cost", "trainer.cli.planning:cost_command",
        "Operations of one cycle with and without foresight, as the paper counts and as executed; measured times.",
    ),
    Verb(
        "describe", "trainer.cli.planning:describe_command",
        "Configuration, models, parameters, tokens, operations and memory of a recipe; nothing is loaded.",
    ),
    Verb(
        "compare-logs", "trainer.cli.runs:compare_logs_command",
        "Compare two training logs step by step; exits with 1 at the first difference. Times and memory are left out.",
    ),
    Verb("watch", "trainer.cli.runs:watch_command", "Sample, score and show every kept export of training runs."),
    Verb(
        "gradients", "trainer.cli.runs:gradients_command",
        "Sketch the gradients of each loss of a distillation, by block; batches that are there are not computed again.",
    ),
    Verb(
        "cosines", "trainer.cli.runs:cosines_command",
        "Cosine of the foresight predictor's output and its target on held-out prompts, by chunk and target.",
    ),
    Verb(
        "encode-sprites", "trainer.cli.data:encode_sprites",
        "Render and encode clips of the sprite world for training.",
    ),
    Verb(
        "encode-videos", "trainer.cli.data:encode_videos_command",
        "Encode videos with captions for training; the same command goes on where it stopped.",
    ),
    Verb(
        "audit-prompts", "trainer.cli.data:audit_prompts",
        "List evaluation prompts that are trained on, or nearly so; exits with 1 if there are any.",
    ),
    Verb(
        "card", "trainer.cli.runs:card",
        "Write the model card of a run's export: what made it, and how often its videos show what was asked.",
    ),
    Verb(
        "fit-parts", "trainer.cli.train:fit_parts",
        "Fit what the sprite models share: the linear codec and the text encoder.",
    ),
)  # fmt: skip

app = typer.Typer(
    cls=group_of(VERBS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train streaming video diffusion models.",
)


@app.callback()
def configure() -> None:
    """Send progress and warnings to the terminal."""
    wait_passively()
    end_with_torchrun()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # ours are plain lines in a log, theirs are not
    log_to_terminal("%(asctime)s %(message)s", "%H:%M:%S")
