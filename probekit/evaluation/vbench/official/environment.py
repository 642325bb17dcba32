"""The environment of their own that five dimensions need: what makes it, and where it is."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from probekit.errors import UserError

ENVIRONMENT_VARIABLE: Final = "PROBEKIT_VBENCH_ENVIRONMENT"
OPERATORS: Final = "torchvision's compiled operators"
PINS: Final = Path(__file__).with_name("environment.txt")


def environment_folder() -> Path:
    """`$PROBEKIT_VBENCH_ENVIRONMENT`, or `~/.cache/probekit/vbench-environment`."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or Path.home() / ".cache" / "probekit" / "vbench-environment")


def environment_python() -> Path:
    """Its interpreter, whether it is there or not."""
    return environment_folder() / "bin" / "python"


def has_environment() -> bool:
    """Whether it was made."""
    return environment_python().is_file()


def setup_commands(detectron2: str | None = None, python: str = sys.executable) -> list[list[str]]:
    """The commands that make it, in order.

    Args:
        detectron2: what pip should build detectron2 from, a checkout or a ``git+https`` address; None leaves GRiT out.
        python: makes the environment; Python 3.11, for which the pins exist.
    """
    folder = environment_folder()
    pip = [str(environment_python()), "-m", "pip", "install", "--disable-pip-version-check"]
    commands = [[python, "-m", "venv", str(folder)], [*pip, "-r", str(PINS)]]
    if detectron2 is not None:
        commands.append([*pip, "--no-build-isolation", "--no-deps", detectron2])
    return commands


def make_environment(commands: Sequence[Sequence[str]]) -> None:
    """Run the commands of `setup_commands`.

    Raises:
        UserError: if one fails or cannot be started.
    """
    for command in commands:
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"`{' '.join(command)}` failed: {error}.", "See its messages above.") from error
