"""What a prompt asks for, where a dimension compares the video with more than the prompt's own words. Torch-free."""

from functools import cache
from typing import Final

from probekit.suites.vbench import vbench_entries

_STYLE: Final = "appearance_style"
_BEFORE_ACTION: Final = "person is "


def asked_action(prompt: str) -> str:
    """The action of a prompt 'A person is ...', in lower case; the whole prompt where it says otherwise.

    As vbench/human_action.py reads it from a file's name: what follows a hyphen or an underscore is cut off.
    """
    return prompt.lower().split("-")[0].split(_BEFORE_ACTION)[-1].split("_")[0]


def asked_style(prompt: str) -> str | None:
    """The style that VBench looks for in a prompt of its appearance style, e.g. 'Van Gogh style'; None for others.

    Raises:
        UserError: as `vbench_entries`.
    """
    return _styles().get(prompt)


@cache
def _styles() -> dict[str, str]:
    return {entry.text: entry.auxiliary[_STYLE][_STYLE] for entry in vbench_entries() if _STYLE in entry.auxiliary}
