"""Commands of the toolkit in processes of their own, whose output goes into a log."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from probekit.children import run_child
from probekit.errors import UserError
from trainer.commands.running import Call

_THREADS: Final = "OMP_NUM_THREADS"
_MODULES: Final = {"probekit": "probekit.cli", "torchrun": "torch.distributed.run"}


def logged_call(log: IO[bytes], jobs: int | None = None) -> Call:
    """A function that runs a command line and returns its exit status.

    Args:
        log: where output and errors go.
        jobs: command lines that run side by side; they share the cores, unless OMP_NUM_THREADS says otherwise. None
            leaves it to each command.
    """
    threads = {} if jobs is None else {_THREADS: os.environ.get(_THREADS) or str(max(1, (os.cpu_count() or 1) // jobs))}

    def call(words: Sequence[str]) -> int:
        program, *arguments = words
        module = _MODULES.get(program, program)
        return run_child(module, arguments, stdout=log, stderr=log, env=os.environ | threads)

    return call


def run_logged(words: Sequence[str], log: Path, jobs: int | None = None) -> int:
    """Run a command line whose output is added to a log; returns its exit status. `jobs` as in `logged_call`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return logged_call(file, jobs)(words)


def run_commands(commands: Sequence[Sequence[str]], log: Path, what: Path, jobs: int) -> None:
    """Run command lines one after the other.

    Args:
        commands: words of each.
        log: file that output is added to.
        what: what they are for, in an error.
        jobs: command lines that run side by side, as in `logged_call`.

    Raises:
        UserError: if one fails, naming the log.
    """
    for words in commands:
        if run_logged(words, log, jobs) != 0:
            raise UserError(f"`{' '.join(words[:2])}` failed for {what}.", f"See {log}; what is made is kept.")
