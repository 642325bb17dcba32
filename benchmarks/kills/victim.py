"""Becomes the `sitecustomize` of a victim: ends it with SIGKILL at a moment that its own writing decides.

Python tells of every file that is opened for writing, renamed, made or removed (`sys.addaudithook`). Each is an event,
and the process is killed before the event happens, so that what is on the disk then is what a crash would leave.
Standard library only: it runs in every process of the victim before anything else.
"""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

PLAN: Final = "PROBEKIT_KILL_PLAN"
"""Environment variable with the plan as JSON: `folder`, `whose`, `victim`, `at`, `match`, `nth`, `log`.

`folder`: only events below it count. `whose`: pattern of the command line of the process whose events count. `victim`:
`self`, or `parent` of that process. `at`: number of the event, from 1; None is never. `match`: pattern of the event;
None is none. `nth`: which of the events that match, from 1. `log`: file that gets every event as a line.
"""

DONE: Final = "killed here"
"""Last line of the log of a victim that was killed."""

_WRITING: Final = os.O_WRONLY | os.O_RDWR
_UNFINISHED: Final = re.compile(r"\.tmp-[0-9a-f]+-\d+-\d+-[0-9a-f]+")


def described(event: str, arguments: tuple[Any, ...], folder: str) -> str | None:
    """An event as a line, such as `rename scores/.tmp -> scores/all-0000.parquet`; None if it is not counted."""
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
        return None
    if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink"):
        return None
    count = 2 if event in ("os.rename", "os.link", "os.symlink") else 1
    paths = [os.fsdecode(path) for path in arguments[:count] if isinstance(path, str | bytes | os.PathLike)]
    if len(paths) < count or not os.path.abspath(paths[-1]).startswith(folder + os.sep):
        return None
    names = (_UNFINISHED.sub(".tmp", os.path.relpath(path, folder)) for path in paths)
    return f"{event.removeprefix('os.')} {' -> '.join(names)}"


def install(plan: dict[str, Any]) -> None:
    """Watch this process, if the plan is about it."""
    command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    if not re.search(plan["whose"], command):
        return
    log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count = matched = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count, matched
        line = described(event, arguments, plan["folder"])
        if line is None:
            return
        count += 1
        matched += plan["match"] is not None and re.search(plan["match"], line) is not None
        os.write(log, f"{line}\n".encode())
        if plan["at"] == count or (matched and matched == plan["nth"]):
            os.write(log, f"{DONE}\n".encode())
            os.kill(os.getpid() if plan["victim"] == "self" else os.getppid(), signal.SIGKILL)
            time.sleep(60)  # until the parent's end has reached this process

    sys.addaudithook(watch)


if PLAN in os.environ:
    install(json.loads(os.environ[PLAN]))
