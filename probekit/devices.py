"""Where networks run, by name; what is not there is refused before anything is loaded. Loads torch for a GPU alone."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probekit.errors import UserError
from probekit.visible_gpus import VISIBLE_GPUS

if TYPE_CHECKING:
    import torch

DEVICE_NAME: Final = r"^(auto|cpu|cuda(:\d{1,4})?)$"
_DRIVER: Final = Path("/proc/driver/nvidia/version")


def usable_device(name: str) -> str:
    """A device that is there: "cpu", "cuda", "cuda:1"; "auto" is the first GPU, or the CPU without one.

    Raises:
        UserError: naming the devices that there are, and why there is no GPU.
    """
    if not re.fullmatch(DEVICE_NAME, name):
        raise UserError(f"There is no device {name!r}.", f"Choose one of: {', '.join(_present())}.")
    if name == "cpu":
        return name
    present = _present()
    if name == "auto":
        return "cuda" if len(present) > 1 else "cpu"
    if name == "cuda" and len(present) > 1:
        return name
    if name not in present:
        why = "" if len(present) > 1 else f" {_why_no_gpu()}"
        raise UserError(f"There is no device {name!r} here.{why}", f"Choose one of: {', '.join(present)}.")
    return name


def chosen_device(name: str) -> "torch.device":
    """The torch device of a name. Raises UserError as `usable_device`."""
    import torch

    return torch.device(usable_device(name))


def _present() -> list[str]:
    import torch

    return ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def _why_no_gpu() -> str:
    import torch

    reasons = []
    if torch.version.cuda is None and torch.version.hip is None:
        reasons.append(f"torch {torch.__version__} is a build for CPUs alone.")
    elif not _DRIVER.exists() and torch.version.hip is None:
        reasons.append("No NVIDIA driver was found.")
    if os.environ.get(VISIBLE_GPUS, "unset").strip() in ("", "-1"):
        reasons.append(f"{VISIBLE_GPUS} is empty, which hides every GPU.")
    return " ".join(reasons) or f"torch {torch.__version__} sees no GPU."
