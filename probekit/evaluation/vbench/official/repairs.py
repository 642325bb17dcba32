"""What vbench 0.1.5 needs to be imported beside today's libraries. Each repair has a name and its reason.

torchvision operators
    A CPU build of torch has no torchvision operators, and torchvision then does not import at all; see
    `probekit.torchvision_operators`.
numpy.lib.function_base
    Gone in NumPy 2.4. The data set module of UMT imports the name ``disp`` from it and never uses it.
timm's create_model
    Newer versions hand ``cache_dir`` to the factory of UMT's network, which does not take it. The session of
    human_action calls the factory itself.
tqdm
    The modules draw a progress bar for each list of videos; one video at a time would draw one for each video.

Tag2Text (scene) is beyond repair here: its captioner calls ``generate`` of a class that transformers 5 no longer gives
that method.
"""

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any, Final

from probekit.evaluation.vbench.weights import weights_folder

_TENSORS_ONLY: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_FUNCTION_BASE: Final = "numpy.lib.function_base"


def official_module(dimension: str) -> Any:
    """Import `vbench.<dimension>` with the repairs in place.

    Importing temporal_style or overall_consistency downloads CLIP's vocabulary where it is not in the cache, so make
    sure first that it is.

    Raises:
        ImportError: if it still does not import.
    """
    _repair_function_base()
    utilities = importlib.import_module("vbench.utils")
    vars(utilities)["CACHE_DIR"] = str(weights_folder())  # it may have been imported before the environment was set,
    module = importlib.import_module(f"vbench.{dimension}")
    vars(module)["CACHE_DIR"] = str(weights_folder())  # and so may this one, which has a copy
    vars(module)["tqdm"] = _without_bar
    return module


def _repair_function_base() -> None:
    if _FUNCTION_BASE in sys.modules or importlib.util.find_spec(_FUNCTION_BASE) is not None:
        return
    module = types.ModuleType(_FUNCTION_BASE)
    vars(module)["disp"] = _removed
    sys.modules[_FUNCTION_BASE] = module


def _removed(*_: object) -> None:
    raise NotImplementedError("numpy.lib.function_base.disp is gone")


def _without_bar(videos: Iterable[Any], **_: object) -> Iterable[Any]:
    return videos


@contextmanager
def no_prints() -> Iterator[None]:
    """Swallow what the modules print: standard output belongs to the process that runs us."""
    with redirect_stdout(StringIO()):
        yield


@contextmanager
def tensors_only() -> Iterator[None]:
    """Have torch load tensors and nothing else, also where the official code asks for pickles."""
    before = os.environ.get(_TENSORS_ONLY)
    os.environ[_TENSORS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TENSORS_ONLY]
        else:
            os.environ[_TENSORS_ONLY] = before


def has_compiled_operators() -> bool:
    """Whether torchvision's own operators can be called, not only declared."""
    import torch
    import torchvision  # noqa: F401  (loads them)

    return bool(torch._C._dispatch_has_kernel_for_dispatch_key("torchvision::nms", "CPU"))
