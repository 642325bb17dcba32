"""A table of the paper as a sweep: its rows trained, sampled, scored and compared; what is finished is kept."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Final

from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.reporting.comparison_record import ComparisonRecord
from trainer.commands.running import plan_lines, refuse_asks
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.sweeps.inputs import note_inputs
from trainer.sweeps.logged_commands import run_logged
from trainer.sweeps.open_sweep import OpenSweep, RowRun
from trainer.sweeps.readings import make_readings
from trainer.sweeps.results import write_readings, write_tables
from trainer.sweeps.reuse import is_trained, take_finished, what_is_trained
from trainer.sweeps.scoring import score_run, suite_of
from trainer.sweeps.sources import make_sources, sources_of

LOGGER = logging.getLogger("trainer")

LOCK: Final = ".sweep.lock"


def sweep_plan(sweep: OpenSweep, processes: int = 1) -> Iterator[str]:
    """What `run_sweeps` would do, in lines for a reader; every recipe is read with its overrides.

    Raises:
        UserError: if a recipe or an override is not valid.
    """
    config, runs = sweep.config, sweep.runs()
    sources = sources_of(sweep, runs, processes)
    yield f"{config.title} ({config.source}): {len(config.rows)} rows, {len(runs)} training runs"
    if sources.steps or sources.asks:
        yield "what rows start from:"
        yield from plan_lines(sources)
    for run in runs:
        yield f"{run.label}:"
        for training in sweep.trainings(run):
            recipe = load_recipe(training.recipe, training.changes)
            assert not isinstance(recipe, TrajectoryConfig)
            yield f"  {recipe.stage}, {recipe.total_steps} steps: {' '.join(training.command(processes)[1:])}"
    for scored in config.suites:
        prompts = len(suite_of(scored).prompts)
        yield f"then {prompts} prompts of {scored.suite}, {scored.samples} videos each, per training run"
    if (asked := config.readings) is not None:
        yield f"then {', '.join(asked.parts)} of the first {asked.runs} runs of each row"


def run_sweeps(sweeps: Sequence[OpenSweep], jobs: int = 1, processes: int = 1) -> list[ComparisonRecord]:
    """Train, sample, score and compare every row; the same call goes on where an interrupted one stopped.

    A run that several of the sweeps have is trained once, if their folders lie side by side.

    Args:
        sweeps: one or more sweeps, in the order of their training.
        jobs: training runs side by side, whichever sweep they are of.
        processes: processes that train a row, started by torchrun if there are several.

    Returns:
        The comparison on the first suite of each sweep.

    Raises:
        UserError: if something has to be given first, a training fails, naming its log, or another process writes a
            folder.
    """
    with ExitStack() as held:
        for sweep in sweeps:
            held.enter_context(sole_writer(sweep.out / LOCK, sweep.out))
        runs = [(sweep, run) for sweep in sweeps for run in sweep.runs()]
        for sweep in sweeps:
            refuse_asks(sources_of(sweep, sweep.runs(), processes))
        in_order(leaders(runs), jobs, lambda number: _finish(*runs[number], processes, jobs))
        return [_write(sweep) for sweep in sweeps]


def leaders(runs: Sequence[tuple[OpenSweep, RowRun]]) -> list[int | None]:
    """For each run the number of the one before it that trains the same, from which it takes; None if it trains."""
    first: dict[str, int] = {}
    texts = [what_is_trained(sweep.trainings(run)) for sweep, run in runs]
    return [None if first.setdefault(text, number) == number else first[text] for number, text in enumerate(texts)]


def in_order(after: Sequence[int | None], jobs: int, work: Callable[[int], None]) -> None:
    """Do pieces of work in their order, some side by side.

    Args:
        after: number of the piece that must be done before each one, which is passed over until then; None for none.
        jobs: pieces side by side.
        work: does a piece, by its number.
    """
    waiting, done = list(range(len(after))), set[int | None]([None])
    running: dict[Future[None], int] = {}
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            ready = [number for number in waiting if after[number] in done][: jobs - len(running)]
            waiting = [number for number in waiting if number not in ready]
            running |= {pool.submit(work, number): number for number in ready}
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                done.add(running.pop(finished))
                finished.result()


def _finish(sweep: OpenSweep, run: RowRun, processes: int, jobs: int) -> None:
    """Train, sample, score and read a run."""
    _train(sweep, run, processes)
    for scored in sweep.config.suites:
        score_run(run, sweep.config, scored, sweep.out, jobs)
    make_readings(sweep, run, jobs)


def _write(sweep: OpenSweep) -> ComparisonRecord:
    first, *_ = [write_tables(sweep, scored, sweep.runs()) for scored in sweep.config.suites]
    write_readings(sweep)
    return first


def _train(sweep: OpenSweep, run: RowRun, processes: int) -> None:
    """Train a run's stages one after the other, each in processes of its own, or take those of a sweep beside it."""
    for training in sweep.trainings(run):
        if is_trained(training):
            note_inputs(training, trained=True)
            continue
        make_sources(sweep, run, processes)
        if take_finished(training, sweep.out.absolute().parent):
            continue
        note_inputs(training)
        log = training.folder.with_name(f"{training.folder.name}.log")
        LOGGER.info("%s: training %s, log in %s", run.label, training.recipe.stem, log)
        if run_logged(training.module_and_arguments(processes), log) != 0:
            raise UserError(f"The training of {run.folder} failed.", f"See {log}; finished rows are kept.")
        if not training.is_finished():  # SIGTERM lets it save and end without an error
            raise UserError(f"The training of {run.folder} was ended early.", "Run the same command; it goes on there.")
