"""Files of tensors, told apart by their content; shapes from headers alone. Torch-free."""

import zipfile
from pathlib import Path
from typing import Final, Literal, NamedTuple, NoReturn

from safetensors import safe_open

from probekit.errors import UserError
from probekit.library_errors import reading, said
from probekit.user_files.content import refuse_mistakes

Format = Literal["safetensors", "zip", "legacy"]
"""safetensors; a ZIP archive of `torch.save`; what `torch.save` wrote before version 1.6, and still can."""

_HEADER: Final = 8
"""A safetensors file begins with the length of its JSON header, in eight bytes."""
_HEAD: Final = 4096
_PICKLE: Final = b"\x80"
_OTHERS: Final = (
    (0, b"GGUF", "a GGUF file, quantised for other programs", "Give the model's safetensors instead."),
    (257, b"ustar", "a tar archive", "Unpack it."),
    (0, b"flashpack", "a FlashPack file", "Give the model's safetensors."),
    (0, b"\x89HDF", "an HDF5 file", "Give the model's PyTorch weights or safetensors."),
    (0, b"\x93NUMPY", "a NumPy array", "Give the model's PyTorch weights or safetensors."),
)
COPY_AGAIN: Final = "Copy or download it again."


class TensorFacts(NamedTuple):
    """What a file states of one tensor.

    Attributes:
        shape: shape of the tensor.
        dtype: data type as safetensors name it, e.g. BF16.
    """

    shape: tuple[int, ...]
    dtype: str


def format_of(path: Path) -> Format:
    """The format of a file of tensors, by its content.

    Raises:
        UserError: naming what the file is, if it is none.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}.", "Check the path.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} cannot be read: {said(error)}.", "Check its permissions and the disk.") from error
    # First, because the length that a safetensors file begins with may look like the mark of any other kind.
    if head[_HEADER : _HEADER + 1] == b"{" and int.from_bytes(head[:_HEADER], "little") <= size - _HEADER:
        return "safetensors"
    if head.startswith(b"PK"):
        _check_archive(path)
        return "zip"
    if head.startswith(_PICKLE):
        return "legacy"
    _refuse_others(path, head)


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is a damaged or cut archive of torch.save: {said(error)}.", COPY_AGAIN) from error
    if not any(name.endswith("data.pkl") for name in names):
        shown = ", ".join(sorted(names)[:3])
        raise UserError(f"{path} is a ZIP archive that torch.save did not write ({shown}).", "Unpack it.")


def _refuse_others(path: Path, head: bytes) -> NoReturn:
    if not any(head):
        what = "holds nothing but zeros, as an interrupted download leaves them" if head else "is empty"
        raise UserError(f"{path} {what}.", COPY_AGAIN)
    for offset, magic, what, fix in _OTHERS:
        if head[offset:].startswith(magic):
            raise UserError(f"{path} is {what}.", fix)
    refuse_mistakes(head, path, "weight file")
    if head[_HEADER : _HEADER + 1] == b"{":
        raise UserError(f"{path} is cut or damaged: it ends within its own header.", COPY_AGAIN)
    start = head[:40].decode("ascii", errors="replace").split("\n")[0]
    what = f"text that begins {start!r}" if start.isprintable() and "\ufffd" not in start else "of no known format"
    raise UserError(f"{path} holds no weights; it is {what}.", "Give safetensors, or a file of torch.save.")


def tensor_facts(path: Path) -> dict[str, TensorFacts]:
    """Shape and number format of each tensor, from the header of a safetensors file alone.

    Raises:
        UserError: if it is no safetensors file, or a damaged one.
    """
    if format_of(path) != "safetensors":
        raise UserError(f"{path} is a file of torch.save, not of safetensors.", "Convert it: probekit weights convert.")
    with reading(f"{path} is damaged or cut", COPY_AGAIN), safe_open(path, "np") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}
        return {name: TensorFacts(tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
