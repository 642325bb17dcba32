"""Make ``import torchvision`` (and what needs it: diffusers, transformers, lpips) work beside a CPU build of torch.

torchvision's wheel holds C++ operators linked against CUDA. Beside a CPU torch they do not load, and the import then
fails because torchvision registers shape functions for two operators, ``nms`` and ``qnms``, that nobody has declared.
Their bare declarations are enough for torchvision's models and transforms.

Importing ``probekit`` puts a finder before Python's own. It declares the two operators when somebody first imports
torchvision, so that nothing loads until then.
"""

import functools
import sys
from collections.abc import Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _TorchvisionLoader(SourceFileLoader):
    """Declares the operators before the package runs."""

    def exec_module(self, module: ModuleType) -> None:
        """Run torchvision's ``__init__``."""
        _declare_missing_operators(Path(self.path).parent)
        super().exec_module(module)


class TorchvisionFinder:
    """Finds torchvision where Python does, and has it loaded with its missing operators declared.

    Only looking for the package, as ``importlib.util.find_spec`` does, loads nothing. The declared operators have no
    kernels: ``torchvision.ops.nms`` still raises when it is called.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """The specification of torchvision; None for every other module, and where it is not installed."""
        if name != "torchvision":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _TorchvisionLoader(name, spec.loader.path)
        return spec


def install_torchvision_finder() -> None:
    """Put the finder before Python's own; do nothing where it is there already."""
    if not any(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())


def _declare_missing_operators(package: Path) -> None:
    import torch

    _load_compiled_operators(package)
    if not hasattr(torch.ops.torchvision, "nms"):
        _declare_schemas()


def _load_compiled_operators(package: Path) -> None:
    import torch

    library = FileFinder(str(package), (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec("_C")
    if library is None or library.origin is None:
        return
    try:
        torch.ops.load_library(library.origin)
    except OSError:  # linked against another build of torch, the case that the declarations mend
        return


@functools.cache  # holds the library: torch forgets the operators when it is collected
def _declare_schemas() -> "torch.library.Library":
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return library
