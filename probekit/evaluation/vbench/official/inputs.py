"""What an official module is given for one video: a file of a name that it accepts, the prompt, what to look for."""

import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

_ERRORS: Final = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,  # also torch's and NotImplementedError
    TypeError,
    ValueError,
)
_LIBRARY_ERRORS: Final = (("cv2", "error"), ("decord._ffi.base", "DECORDError"))

_ACCEPTED: Final = (".mp4", ".gif")
_ACTION: Final = "person is "


class OfficialInput(NamedTuple):
    """One video.

    Attributes:
        path: the file.
        prompt: VBench's text of it.
        auxiliary: what VBench's list says of the thing that a dimension looks for, e.g. ``{"color": "red"}``.
    """

    path: str
    prompt: str
    auxiliary: Mapping[str, Any] | None = None

    def info(self) -> dict[str, Any]:
        """The entry that `vbench.utils.load_dimension_info` would make of it."""
        entry: dict[str, Any] = {"prompt": self.prompt, "video_list": [self.path]}
        return entry if self.auxiliary is None else {**entry, "auxiliary_info": dict(self.auxiliary)}


def official_errors() -> tuple[type[Exception], ...]:
    """What the official code raises about one video that it cannot score, with the errors of the readers in use."""
    loaded = [vars(sys.modules[module])[name] for module, name in _LIBRARY_ERRORS if module in sys.modules]
    return (*_ERRORS, *loaded)


def describe_error(error: Exception) -> str:
    """An error of the official code in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'without a message'}"


def action_label(prompt: str) -> str:
    """The Kinetics-400 label in a prompt such as "A person is riding a bike".

    The official module reads it from the file name, up to the first hyphen and the first underscore of that; no label
    has either, so the prompt itself gives the same for VBench's 100 prompts.
    """
    return prompt.lower().split(_ACTION)[-1].strip()


@contextmanager
def accepted_name(path: Path) -> Iterator[Path]:
    """A name of the file that the official modules read: they know a video by a lower-case ``.mp4`` or ``.gif``.

    A file of another name gets a link in a temporary folder. Their readers look at the content, not at the name.
    """
    if path.suffix in _ACCEPTED:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="probekit-vbench-") as folder:
        link = Path(folder) / "video.mp4"
        link.symlink_to(path.resolve())
        yield link
