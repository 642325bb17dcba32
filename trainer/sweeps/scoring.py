"""Videos and scores of a sweep's training runs."""

import logging
from pathlib import Path

from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from trainer.config.sweep import SweepConfig, SweepSuite
from trainer.run_progress import scores_are_done, videos_are_done
from trainer.sweeps.logged_commands import run_commands
from trainer.sweeps.open_sweep import RowRun
from trainer.sweeps.taken_videos import take_videos

LOGGER = logging.getLogger("trainer")


def suite_of(scored: SweepSuite) -> Suite:
    """The suite at the size that a sweep asks for."""
    return load_suite(scored.suite).reduced(scored.prompts, scored.samples)


def videos_of(run: RowRun, out: Path, config: SweepConfig, scored: SweepSuite) -> Path:
    """Run folder of the videos and scores of a run; `videos` for the sweep's first suite."""
    return out / run.folder / _named("videos", config, scored)


def table_of(out: Path, config: SweepConfig, scored: SweepSuite) -> Path:
    """Folder of a suite's table; `table` for the first suite."""
    return out / _named("table", config, scored)


def _named(name: str, config: SweepConfig, scored: SweepSuite) -> str:
    return name if scored.suite == config.suite else f"{name}-{scored.suite}"


def is_finished(videos: Path, scored: SweepSuite) -> bool:
    """Whether every video of a suite is sampled and scored."""
    suite = suite_of(scored)
    return videos_are_done(videos, suite) and scores_are_done(videos, suite)


def score_run(run: RowRun, config: SweepConfig, scored: SweepSuite, out: Path, jobs: int) -> None:
    """Sample and score a run on one suite; what is there is kept, and what a run of the same weights has is taken.

    Args:
        run: trained run.
        config: the sweep.
        scored: one of its suites.
        out: folder of the runs.
        jobs: runs side by side; they share the cores, unless OMP_NUM_THREADS says otherwise.

    Raises:
        UserError: if a command fails, naming its log.
    """
    videos = videos_of(run, out, config, scored)
    if is_finished(videos, scored) or take_videos(out / run.folder, videos, suite_of(scored), out.absolute().parent):
        return
    log = videos.with_name(f"{videos.name}.log")
    LOGGER.info("%s: sampling and scoring %s, log in %s", run.label, scored.suite, log)
    size = ("--prompts", str(scored.prompts), "--samples", str(scored.samples))
    model = ("--model", str(out / run.folder / "export"))
    sample = ("probekit", "sample", *model, "--suite", scored.suite, *size, "--out", str(videos))
    run_commands((sample, ("probekit", "score", str(videos))), log, run.folder, jobs)
