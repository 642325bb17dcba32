"""Kills sample, score, capture, probe, train, report and sweep, and finishes each with the same command.

    python -m benchmarks.kills                        # 55 kills; writes reports/benchmarks/kills.md
    python -m benchmarks.kills --work score --kills 8 --table mine.md

For each kind of work an undisturbed run is made first. A kill is SIGKILL: at an aimed moment (between checkpoint and
export, between journal and Parquet, in a report, in a sweep's child), before a random one of the files that the work
writes, or after a random time. Then the same command is run once more, and its folder is held against the undisturbed
one: weights bit for bit, videos byte for byte, every score, every record of the log, and nothing left behind.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.kills.victim import DONE, PLAN
from benchmarks.kills.work import WORK, Aim, Work, begin, write_inputs
from probekit.atomic_files import write_text

REPORT: Final = Path(__file__).parents[2] / "reports" / "benchmarks" / "kills.md"
_KILLED: Final = -9
KILLED: Final = "killed"
_SECONDS_FOR_CHILDREN: Final = 20.0
_SHARES: Final = {"sample": 7, "score": 8, "capture": 10, "probe": 10, "train": 10, "report": 4, "sweep": 6}
"""Kills of each kind of work, of 55; the first are aimed, the others random."""


class Kill(NamedTuple):
    """One row of the table."""

    work: str
    moment: str
    died: str
    seconds: float
    lost: list[str]


class Bench:
    """A folder with inputs, undisturbed runs and victims.

    Args:
        root: folder; what is in it is replaced.
        seed: seed of the random moments.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._seed = seed
        self.inputs = root / "inputs"
        hook = root / "hook" / "sitecustomize.py"
        hook.parent.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("victim.py"), hook)
        path = os.pathsep.join([str(hook.parent), str(Path(__file__).parents[2])])
        self._environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        write_inputs(self.inputs)

    def make_runs(self, jobs: int) -> None:
        """The sampled and scored runs that other work begins with."""
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(self._make_run, ("student", "other"), ("", "-other")))

    def _make_run(self, model: str, suffix: str) -> None:
        sampled, scored = (self.inputs / f"{name}{suffix}" for name in ("sampled", "scored"))
        command = [*WORK["sample"].command(self.inputs, sampled)]
        command[command.index("--model") + 1] = str(self.inputs / model)
        self._finish(command)
        shutil.copytree(sampled, scored)
        self._finish(WORK["score"].command(self.inputs, scored))

    def undisturbed(self, name: str) -> tuple[Path, list[str], float]:
        """A run that nobody kills; its folder, the events of its writing, and how long it took."""
        work, out = WORK[name], self._root / name / "undisturbed"
        begin(work, self.inputs, out)
        started = time.monotonic()
        status = self._run_victim(work, out, {"whose": work.whose})
        if status:
            raise SystemExit(f"{name} fails without being killed: exit status {status}")
        events = out.with_name(f"{out.name}.events").read_text().splitlines()
        return out, events, time.monotonic() - started

    def kills(self, name: str, count: int) -> Iterator[Kill]:
        """Kill one kind of work several times: aimed, before random events, after random times."""
        work, chance = WORK[name], random.Random(f"{self._seed} {name}")
        whole, events, seconds = self.undisturbed(name)
        for number in range(count):
            out = self._root / name / f"kill-{number}"
            begin(work, self.inputs, out)
            if number < len(work.aims):
                moment, status = self._aimed(work, out, work.aims[number])
            elif (count - number) % 2:
                moment, status = self._after(work, out, chance.uniform(0.3, 0.95) * seconds)
            else:
                moment, status = self._before(work, out, chance.randrange(1, len(events) + 1), events)
            died = KILLED if status == _KILLED else f"exit status {status}"
            started = time.monotonic()
            lost = self._orphans(out) + self._finished(work, whole, out)
            if number < len(work.aims) and status != _KILLED:
                lost.insert(0, "the aim was missed: nothing was killed")
            yield Kill(name, moment, died, time.monotonic() - started, lost)
            if not lost:
                shutil.rmtree(out)

    def _aimed(self, work: Work, out: Path, aim: Aim) -> tuple[str, int]:
        plan = {"whose": aim.whose or work.whose, "victim": aim.victim, "match": aim.match, "nth": aim.nth}
        return aim.moment, self._run_victim(work, out, plan)

    def _before(self, work: Work, out: Path, at: int, events: Sequence[str]) -> tuple[str, int]:
        status = self._run_victim(work, out, {"whose": work.whose, "at": at})
        return f"random: before event {at} of {len(events)}, `{events[at - 1]}`", status

    def _after(self, work: Work, out: Path, seconds: float) -> tuple[str, int]:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = work.command(self.inputs, out)
        process = subprocess.Popen(command, env=self._environment, start_new_session=True, **silent)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return f"random: after {seconds:.1f} s", process.wait()

    def _run_victim(self, work: Work, out: Path, plan: Mapping[str, object]) -> int:
        """Exit status of a command, as of a killed one where the victim is its child, and the command tells of it."""
        log = out.with_name(f"{out.name}.events")
        whole = {"folder": str(out), "victim": "self", "at": None, "match": None, "nth": 1, "log": str(log), **plan}
        environment = {**self._environment, PLAN: json.dumps(whole)}
        command = work.command(self.inputs, out)
        status = _run(command, environment).returncode
        told = log.is_file() and log.read_text().endswith(f"{DONE}\n")
        return _KILLED if told else status

    def _finish(self, command: Sequence[str]) -> None:
        _run(command, self._environment).check_returncode()

    def _finished(self, work: Work, whole: Path, out: Path) -> list[str]:
        """What is lost or wrong after one more command."""
        ended = _run(work.command(self.inputs, out), self._environment)
        if ended.returncode:
            return [f"the next command fails: {' '.join(ended.stderr.split()[-40:])}"]
        return work.differences(whole, out)

    def _orphans(self, out: Path) -> list[str]:
        """Processes that still work in the folder, which nobody waits for."""
        deadline = time.monotonic() + _SECONDS_FOR_CHILDREN
        while (found := list(_processes_in(out))) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [f"process {pid} outlived its parent" for pid in found]


def _run(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command in a session of its own, so that schedulers that count sessions give it a share."""
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, start_new_session=True)


def _processes_in(folder: Path) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if int(path.parent.name) != os.getpid() and f"{folder}".encode() in path.read_bytes():
                yield int(path.parent.name)
        except OSError:  # it has just ended
            continue


def table(kills: Sequence[Kill]) -> str:
    """The kills as Markdown."""
    lost = sum(bool(kill.lost) for kill in kills)
    killed = sum(kill.died == KILLED for kill in kills)
    lines = [
        "# Kills",
        "",
        f"`python -m benchmarks.kills`: SIGKILL {killed} times, then the same command once more. {lost} kills lost "
        "or spoilt something. Held against an undisturbed run: checkpoints, exports, videos, scores, states, logs, "
        "pages, and what is left behind.",
        "",
        "| work | killed | | seconds to finish | lost |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for kill in kills:
        lines.append(
            f"| {kill.work} | {kill.moment} | {kill.died} | {kill.seconds:.0f} | {'; '.join(kill.lost) or 'nothing'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=WORK, action="append", help="only this kind; may be repeated")
    parser.add_argument("--kills", type=int, help="kills of each kind, instead of 55 in all")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--folder", type=Path, help="keep everything here; the folder must not exist")
    parser.add_argument("--jobs", type=int, default=1, help="kinds of work that are killed beside one another")
    parser.add_argument("--table", type=Path, default=REPORT, help="where the table is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        bench = Bench(options.folder or Path(temporary) / "bench", options.seed)
        bench.make_runs(options.jobs)
        names = options.work or list(WORK)
        kills: dict[str, list[Kill]] = {name: [] for name in names}
        writing = threading.Lock()

        def kill_all(name: str) -> None:
            for kill in bench.kills(name, options.kills or _SHARES[name]):
                print(f"{kill.work}, {kill.moment}: {kill.died}; lost {'; '.join(kill.lost) or 'nothing'}", flush=True)
                with writing:
                    kills[name].append(kill)
                    write_text(options.table, table([kill for name in names for kill in kills[name]]))

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(kill_all, names))
    raise SystemExit(any(kill.lost for of_one in kills.values() for kill in of_one))


if __name__ == "__main__":
    main()
