"""The `probekit` command. Each verb has a file of its own, which loads when the verb is called."""

import os
from typing import Final

import typer

from probekit.children import end_with_torchrun
from probekit.cli.terminal import log_to_terminal
from probekit.cli.verbs import Verb, group_of
from probekit.threads import wait_passively

VERBS: Final = (
    Verb(
        "suites", "probekit.cli.suites:suites",
        "Print what a suite plans: prompts, videos, lengths and, for VBench, the videos of each dimension.",
    ),
    Verb(
        "world", "probekit.cli.world:world",
        "Print every factor of the sprite world with its values in training, and those of the worlds outside of it.",
    ),
    Verb("sample", "probekit.cli.sample:sample", "Sample a suite of prompts with a model into a run folder."),
    Verb(
        "import", "probekit.cli.import_videos:import_videos",
        "Make a run folder of videos that another project wrote, naming every video that its file names lost.",
    ),
    Verb(
        "import-vbench", "probekit.cli.import_videos:import_vbench",
        "Make a run folder of a folder of VBench videos, `<prompt>-<i>.mp4` or as other projects name them.",
    ),
    Verb(
        "export-vbench", "probekit.cli.export_vbench:export_vbench",
        "Link a run's videos as `<prompt>-<i>.mp4`, as VBench looks for them; exits with 1 if some cannot be exported.",
    ),
    Verb(
        "static-filter", "probekit.cli.static_filter:static_filter",
        "Keep the first 5 static videos of each prompt of temporal flickering, as VBench's leaderboard does.",
    ),
    Verb(
        "score", "probekit.cli.score:score",
        "Score videos by every dimension that can run here; scored videos are not scored again.",
    ),
    Verb(
        "total", "probekit.cli.total:total",
        "Dimension means of single runs with n of N videos; Quality, Semantic, Total where no dimension is missing.",
    ),
    Verb(
        "compare", "probekit.cli.compare:compare",
        "Compare scored runs with a baseline: paired bootstrap, permutation tests, effect sizes, a forest plot.",
    ),
    Verb(
        "systems", "probekit.cli.systems:systems",
        "Systems side by side: parameters, resolution, frames per second, latency, Quality, Semantic, Total.",
    ),
    Verb(
        "power", "probekit.cli.power:power",
        "Say how many prompts and videos a difference would take, from two pilot runs.",
    ),
    Verb(
        "drop", "probekit.cli.drop:drop",
        "What a model loses from the short to the long horizon, and whether another one loses less.",
    ),
    Verb(
        "permanence", "probekit.cli.permanence:permanence",
        "What lasts in sprite videos: colour, shape, size and tone after an occlusion and in view, with intervals.",
    ),
    Verb(
        "horizon", "probekit.cli.horizon:horizon",
        "What long videos do over time: curves by second, first against last, similarity by gap, six detectors.",
    ),
    Verb(
        "slow-fast", "probekit.cli.slow_fast:slow_fast",
        "Subject and background consistency within 2 s clips and from clip to clip, fused as VBench-Long does.",
    ),
    Verb(
        "report", "probekit.cli.report:report",
        "Compare scored runs and write a page that opens from disk: the answer, videos in step, prompts, tables.",
    ),
    Verb(
        "readouts", "probekit.cli.readouts:readouts",
        "Score future-frame readouts of probes against the frame they foresee, beside a copy of the current frame.",
    ),
    Verb(
        "probe", "probekit.cli.probe:probe",
        "Read the future from one or two generators' states, beside controls that say what the answer means.",
    ),
    Verb(
        "planning", "probekit.cli.planning:planning",
        "How far states behind the pillar stay behind the best readout of the true past, in nats and decibels.",
    ),
    Verb(
        "futures", "probekit.cli.futures:futures",
        "Hold what is read from a state against the futures that it has: their mean, their spread, the world's own.",
    ),
    Verb(
        "capture", "probekit.cli.capture:capture",
        "Keep the hidden states of a streaming generator, for probes to read; goes on where it was interrupted.",
    ),
    Verb(
        "watch", "probekit.cli.watch:watch",
        "Watch rollouts as they are made, beside what their states know of the future; change, fork or judge them.",
    ),
    Verb(
        "align", "probekit.cli.align:align",
        "Compare hidden states with what an encoder sees in the same videos, some chunks ahead.",
    ),
    Verb(
        "patch", "probekit.cli.patch:patch",
        "Overwrite what a readout finds in one chunk's state with another future's, and measure the next chunk.",
    ),
    Verb(
        "gradients", "probekit.cli.gradients:gradients",
        "Say whether two losses of a training pull one way: cosines of their gradients by block and step.",
    ),
    Verb(
        "study", "probekit.cli.study:study",
        "Make every probing table and figure of two checkpoints from one recipe, and a page that shows them.",
    ),
    Verb(
        "demo", "probekit.cli.demo:demo",
        "Sample, score, compare and probe the two shipped arms, DMD and DMD with foresight.",
    ),
    Verb("manifest", "probekit.cli.manifest:app", "The list of a run folder's videos."),
    Verb("vbench", "probekit.cli.vbench:app", "VBench's own modules: what they need, their weights and result files."),
    Verb("natural", "probekit.cli.natural:app", "The weights of the natural suite."),
    Verb("weights", "probekit.cli.weights:app", "Weights of Wan transformers in every layout in use."),
)  # fmt: skip

app = typer.Typer(
    cls=group_of(VERBS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Sample, score, compare and report video diffusion models.",
)


@app.callback()
def configure() -> None:
    """Send progress and warnings to the terminal."""
    wait_passively()
    end_with_torchrun()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # ours are plain lines in a log, theirs are not
    log_to_terminal("%(message)s")
