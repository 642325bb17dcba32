"""Reading files of tensors without running code."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from probekit.errors import UserError
from probekit.library_errors import reading
from probekit.tensor_files import COPY_AGAIN, Format, format_of

_GLOBAL: Final = re.compile(r"GLOBAL ([\w.]+)")
"""How torch names what a pickle would run, in words that otherwise advise to run it."""


def read_tensors(path: Path) -> Mapping[Any, Any]:
    """What a file of tensors holds, memory-mapped where the format allows it.

    Returns:
        By name: tensors, and in files of `torch.save` also dictionaries and plain values.

    Raises:
        UserError: if it cannot be read without running code, or holds no names.
    """
    kind = format_of(path)
    if kind == "safetensors":
        with reading(f"{path} is damaged or cut", COPY_AGAIN):
            tensors: dict[str, Tensor] = load_file(path)
        return tensors
    with reading(f"{path} cannot be read", COPY_AGAIN):
        try:
            content = _torch_file(path, kind)
        except pickle.UnpicklingError as error:
            named = _GLOBAL.search(str(error))
            what = f": it names {named[1]}" if named else ", or it is damaged"
            raise UserError(
                f"{path} holds more than tensors, so that opening it could run code{what}.",
                "Save its weights alone, with torch.save(model.state_dict(), ...).",
            ) from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors.", "Give a file of weights.")
    return content


def _torch_file(path: Path, kind: Format) -> Any:
    """What `torch.save` wrote. By its name torch would take a file for safetensors, so such a name it does not see."""
    if kind == "zip" and path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with path.open("rb") as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def check_stored(source: str, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that a file only declares: without numbers, or with fewer than its shape says.

    Raises:
        UserError: naming the tensor.
    """
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise UserError(
            f"{source}: {name} is no plain tensor of {tuple(tensor.shape)} numbers.", "Save the weights again."
        )
