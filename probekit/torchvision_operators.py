"""Make ``import torchvision`` (and lpips, which needs it) work beside a CPU build of torch.

torchvision's wheel holds C++ operators linked against CUDA. Beside a CPU torch they do not load, and the import then
fails because torchvision registers shape functions for two operators, ``nms`` and ``qnms``, that nobody has declared.
Their bare declarations are enough for torchvision's models and transforms.
"""

import functools
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from probekit.errors import UserError

if TYPE_CHECKING:
    import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def ensure_torchvision_importable() -> None:
    """Declare torchvision's missing operators; do nothing where its C++ operators load. Call before importing it.

    The declared operators have no kernels: ``torchvision.ops.nms`` still raises when it is called.

    Raises:
        UserError: torchvision is not installed.
    """
    if "torchvision" in sys.modules:
        return
    import torch

    _load_compiled_operators()
    if not hasattr(torch.ops.torchvision, "nms"):
        _declare_schemas()


def _load_compiled_operators() -> None:
    import torch

    path = _compiled_operators()
    if path is None:
        return
    try:
        torch.ops.load_library(str(path))
    except OSError:  # linked against another build of torch, the case that the declarations mend
        return


def _compiled_operators() -> Path | None:
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise UserError("The Python package torchvision is not installed.", "Install torchvision beside torch.")
    loader = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    library = importlib.machinery.FileFinder(str(Path(package.origin).parent), loader).find_spec("_C")
    return Path(library.origin) if library is not None and library.origin is not None else None


@functools.cache  # holds the library: torch forgets the operators when it is collected
def _declare_schemas() -> "torch.library.Library":
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return library
