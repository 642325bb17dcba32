"""From targets to the commands that make what they need; each command resumes by itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from probekit.probing.future_experiment import FutureSettings
from probekit.probing.probe_settings import ProbeSettings
from probekit.probing.targets import FRAME
from probekit.reporting.pair_table import PAIRS
from probekit.run_folder.speed_record import SPEED_FILENAME
from probekit.suites.suite import Suite
from trainer.commands.chain import Chain, ChainSettings
from trainer.commands.rates import UNKNOWN, Estimate, estimate_of
from trainer.commands.steps import Plan, Step, comparison_is_done
from trainer.config.places import RECIPES
from trainer.config.sweep import find_sweep, load_sweep
from trainer.reproduction.done import cost_is_done, drop_is_done, reading_is_done
from trainer.reproduction.places import Places
from trainer.reproduction.request import Request
from trainer.reproduction.targets import (
    CHUNKWISE,
    LONG,
    SHORT,
    Arms,
    Cost,
    Drop,
    Futures,
    Need,
    Probes,
    Rows,
    target_named,
)
from trainer.reproduction.trainings import Row, arms_of, rows_of
from trainer.run_progress import scores_are_done, videos_are_done

_CYCLES: Final = 4
_SMALL_FUTURES: Final = FutureSettings(futures=4, states=3)
_READ: Final = 2
"""Videos of each prompt whose states are read, unless asked otherwise."""


def plan_of(targets: Sequence[str], request: Request) -> Plan:
    """Every command of some targets in order, each once.

    Raises:
        UserError: for an unknown target or scale, or a size beyond a suite's.
    """
    planner = _Planner(request)
    for target in targets:
        for need in target_named(target).needs:
            planner.add(need)
    return planner.plan()


class _Planner:
    """Adds what needs take; a command that two of them share is there once."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._places = Places(request.out)
        self._chain = Chain(_chain_settings(request))
        self._later: dict[tuple[str, ...], Step] = {}

    def plan(self) -> Plan:
        """Trainings first, then everything that reads their models."""
        return Plan((*self._chain.steps, *self._later.values()), tuple(self._chain.asks))

    def add(self, need: Need) -> None:
        """Add the commands of a need."""
        match need:
            case Rows():
                self._keep(self._rows(need))
            case Arms():
                self._keep(self._arms(need))
            case Drop(system):
                self.add(Arms(system, SHORT))
                self.add(Arms(system, LONG))
                self._keep([self._drop(need)])
            case Probes():
                self._keep([self._probes(need)])
            case Futures():
                self._keep([self._futures(need)])
            case Cost():
                self._keep([self._cost(need)])

    def _keep(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._later.setdefault(step.words, step)

    def _rows(self, need: Rows) -> Iterator[Step]:
        sweep = load_sweep(find_sweep(need.table), self._request.scale)
        own = self._request.size
        if self._request.suite is None:  # another suite has other numbers
            size = own._replace(prompts=own.prompts or sweep.prompts, samples=own.samples or sweep.samples)
        else:
            size = own
        request = self._request._replace(size=size, suite=self._request.suite or sweep.suite)
        rows = rows_of(sweep, self._request)
        for row in rows:
            self._chain.add(row.trainings, f"row {row.label}")
            yield from self._scored(str(row.export), self._places.row_videos(row.name), request, SHORT, row.label)
        runs = [self._places.row_videos(row.name) for row in rows]
        yield self._comparison(need, runs, request.suite_of(SHORT))

    def _arms(self, need: Arms) -> Iterator[Step]:
        runs = []
        for name, model in self._models(need.system):
            runs.append(self._places.videos(need, name))
            yield from self._scored(model, runs[-1], self._request, need.horizon, name)
            if need.measured:
                yield self._speed(model, runs[-1], need.horizon, name)
        yield self._comparison(need, runs, self._request.suite_of(need.horizon))

    def _models(self, system: str) -> list[tuple[str, str]]:
        """Names of both arms and what `--model` takes; those that are not shipped are trained."""
        shipped = self._request.facts.shipped.get(system)
        if shipped is not None:
            return [(name, name) for name in shipped]
        arms: list[Row] = arms_of(system, self._request)
        for arm in arms:
            self._chain.add(arm.trainings, f"row {arm.label}")
        return [(arm.name, str(arm.export)) for arm in arms]

    def _scored(self, model: str, run: Path, request: Request, horizon: str, what: str) -> Iterator[Step]:
        suite, machine = request.suite_of(horizon), request.machine
        videos = len(suite.keys())
        words = self._sample(model, suite, run, request)
        time = estimate_of(self._request.scale, f"video of {suite.horizon}", videos / machine.processes)
        yield Step(self._shared(words), f"{videos} videos of {what}", lambda: videos_are_done(run, suite), time)
        workers = ("--backend", machine.backend, "--workers", str(machine.processes))
        score = ("probekit", "score", str(run), *(workers if machine.backend != "free" else ()))
        time = estimate_of(self._request.scale, f"score of {suite.horizon}", videos)
        yield Step(score, f"scores of {what}", lambda: scores_are_done(run, suite), time)

    def _sample(self, model: str, suite: Suite, run: Path, request: Request) -> tuple[str, ...]:
        words = ("probekit", "sample", "--model", model, "--suite", suite.name, "--out", str(run))
        return (*words, *request.size.of_suite(), *self._on_device())

    def _speed(self, model: str, run: Path, horizon: str, what: str) -> Step:
        suite = self._request.suite_of(horizon)
        words = (*self._sample(model, suite, run, self._request), "--measure")
        return Step(words, f"speed of {what}", (run / SPEED_FILENAME).is_file, self._time("speed"))

    def _comparison(self, need: Need, runs: Sequence[Path], suite: Suite) -> Step:
        folder = self._places.result(need)
        paired = isinstance(need, Rows)
        words = ("probekit", "compare", *map(str, runs), *(("--pairs",) if paired else ()), "--out", str(folder))

        def is_done() -> bool:
            there = not paired or (folder / f"{PAIRS}.csv").is_file()
            return there and comparison_is_done(folder, suite, len(runs))

        return Step(words, "comparison", is_done, self._time("comparison"))

    def _drop(self, need: Drop) -> Step:
        (baseline, _), (method, _) = self._models(need.system)
        runs = {
            name: [str(self._places.videos(Arms(need.system, horizon), name)) for horizon in (SHORT, LONG)]
            for name in (baseline, method)
        }
        out = ("--out", str(self._places.result(need)))
        words = ("probekit", "drop", *runs[baseline], "--against", *runs[method], *out)
        suites = [self._request.suite_of(horizon) for horizon in (SHORT, LONG)]
        table = self._places.file(need)
        return Step(
            words, "drop from short to long", lambda: drop_is_done(table, suites, len(runs)), self._time("comparison")
        )

    def _probes(self, need: Probes) -> Step:
        small = self._request.size.is_small()
        settings = ProbeSettings(perceptual=not small)
        if self._request.size.steps is not None:
            settings = settings._replace(budget=settings.budget._replace(steps=self._request.size.steps))
        words = (*self._decoder(), *(() if settings.perceptual else ("--no-perceptual",)))
        done = self._is_read(need, settings._asdict(), FRAME.name)
        return Step(self._reading("probe", need, words), "probes", done, self._time("probes"))

    def _futures(self, need: Futures) -> Step:
        settings, words = FutureSettings(), self._decoder()
        if self._request.size.is_small():
            settings = _SMALL_FUTURES
            words = (*words, "--count", str(settings.futures), "--states", str(settings.states))
        if self._request.size.steps is not None:
            budget = settings.probes.budget._replace(steps=self._request.size.steps)
            settings = settings._replace(probes=settings.probes._replace(budget=budget))
        done = self._is_read(need, settings._asdict() | {"probes": settings.probes._asdict()}, None)
        return Step(self._reading("futures", need, words), "futures", done, self._time("futures"))

    def _is_read(self, need: Probes | Futures, settings: Mapping[str, Any], target: str | None) -> Callable[[], bool]:
        """Tells whether both arms were read with these settings."""
        table, both, size = self._places.table(need), self._both(), self._request.size
        request = self._request._replace(size=size._replace(samples=size.samples or _READ))

        def is_read() -> bool:
            there = self._places.file(need).is_file()
            return there and reading_is_done(table, request.suite_of(SHORT), both, settings, target)

        return is_read

    def _reading(self, verb: str, need: Need, small: Sequence[str]) -> tuple[str, ...]:
        """A command that reads both arms' states."""
        size = self._request.size
        suite = ("--suite", self._request.suite_name(SHORT), *size._replace(samples=size.samples or _READ).of_suite())
        return ("probekit", verb, *self._both(), *suite, *small, "--out", str(self._places.result(need)))

    def _cost(self, need: Cost) -> Step:
        recipe = RECIPES / self._request.scale / "dmd_foresight.yaml"
        path = recipe.relative_to(Path.cwd()) if recipe.is_relative_to(Path.cwd()) else recipe
        timed = 1 if self._request.size.is_small() else _CYCLES
        cycles = None if self._request.facts.comparable else timed
        measure = () if cycles is None else ("--measure", "--cycles", str(cycles))
        words = ("trainer", "cost", str(path), *measure, "--out", str(self._places.result(need)))
        done = partial(cost_is_done, self._places, path, cycles)
        return Step(words, "cost of a cycle", done, self._time("cost"))

    def _both(self) -> list[str]:
        return [model for _, model in self._models(CHUNKWISE)]

    def _decoder(self) -> tuple[str, ...]:
        steps = self._request.size.steps
        return () if steps is None else ("--steps", str(steps))

    def _on_device(self) -> tuple[str, ...]:
        device = self._request.machine.device
        return () if device == "cpu" else ("--device", device)

    def _shared(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command on all processes: each takes its share."""
        processes = self._request.machine.processes
        if processes == 1:
            return words
        return ("torchrun", "--standalone", "--nproc-per-node", str(processes), "--no-python", *words)

    def _time(self, work: str) -> Estimate:
        """Time of a command at the full size; at a small one nobody has measured it."""
        return UNKNOWN if self._request.size.is_small() else estimate_of(self._request.scale, work, 1)


def _chain_settings(request: Request) -> ChainSettings:
    small, few = request.size.of_training(), request.size.is_small()
    return ChainSettings(request.scale, Places(request.out).chain, small, few, request.machine.processes, request.fresh)
