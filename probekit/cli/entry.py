"""Where the commands begin: Ctrl-C ends them without a traceback, from the first import to the last handler.

Standard library only until a command runs, so that there is hardly a moment before the handler is in place.
"""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

INTERRUPTED: Final = 130
"""Exit status of a command that Ctrl-C ended, as shells have it."""


class _Interrupt:
    """The first Ctrl-C lets a command tidy up; the second ends the process at once, and its children with it."""

    def __init__(self) -> None:
        self.came = False

    def first(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, self.end)
        raise KeyboardInterrupt

    def end(self, number: int, frame: FrameType | None) -> None:
        os._exit(INTERRUPTED)


def probekit() -> None:
    """The command `probekit`."""
    run("probekit.cli.main")


def run(module: str) -> None:
    """Run the command line `app` of a module.

    Args:
        module: name of the module.

    Raises:
        SystemExit: Always, with the status of the command.
    """
    interrupt = _Interrupt()
    signal.signal(signal.SIGINT, interrupt.first)
    try:
        app: Any = importlib.import_module(module).app
        app()
    except KeyboardInterrupt:  # while the modules load; from then on the command line turns it into an exit
        pass
    except SystemExit:
        if not interrupt.came:
            raise
    finally:
        signal.signal(signal.SIGINT, interrupt.end)
    if interrupt.came:
        sys.stderr.write("Aborted!\n")
    sys.exit(INTERRUPTED if interrupt.came else 0)
