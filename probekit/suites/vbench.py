"""VBench's prompt suite, read from the `vbench` package's own list; none of its modules is imported.

VBench: Huang et al., CVPR 2024, arXiv 2311.17982. `VBench_full_info.json` has 946 entries of 944 texts: two texts
stand once for the appearance style and once for the overall consistency. Whatever is joined, is joined by entry.
"""

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import Field

from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.provenance import sha256_text
from probekit.suites.dimension_constants import FLICKERING, VBENCH, VBENCH_VERSION
from probekit.suites.prompt_files import read_extended
from probekit.suites.suite import Prompt, Suite, Variant
from probekit.user_files.json_files import read_json

NAME: Final = "vbench"
LIST_FILE: Final = "VBench_full_info.json"
_PACKAGE: Final = f"vbench=={VBENCH_VERSION}"
_SAMPLES, _FRAMES, _HEIGHT, _WIDTH, _FPS = 5, 81, 480, 832, 16

_LIST_HASH: Final = "6f8c7021e413b3d75b55f9f05d486ea7f2aaaf042a74578c47c4c86b67060d1f"
"""SHA-256 of the entries' texts and dimensions in order, so that an identifier never means another prompt."""


class VBenchEntry(NamedTuple):
    """One entry of VBench's list.

    Attributes:
        prompt_id: its place in the list, from 0, in four digits.
        text: the prompt; two texts belong to two entries each.
        dimensions: which dimensions its videos are scored for.
        auxiliary: what the scorer looks for in some dimensions, e.g. ``{"color": {"color": "red"}}``.
    """

    prompt_id: str
    text: str
    dimensions: tuple[str, ...]
    auxiliary: Mapping[str, Any]


def list_path() -> Path:
    """The list in the installed package.

    Raises:
        UserError: the package is not installed, or has no list.
    """
    spec = importlib.util.find_spec("vbench")
    if spec is None or spec.origin is None:
        raise UserError(
            "The suite vbench takes its prompts from the package vbench, which is not installed.",
            f"Run `pip install --no-deps {_PACKAGE}`.",
        )
    path = Path(spec.origin).with_name(LIST_FILE)
    if not path.is_file():
        raise UserError(f"The package vbench has no {path}.", f"Run `pip install --no-deps {_PACKAGE}` again.")
    return path


@cache
def vbench_entries() -> tuple[VBenchEntry, ...]:
    """All 946 entries, in the order of the list.

    Raises:
        UserError: as `list_path`, or the list is not that of VBench 0.1.5.
    """
    return read_entries(list_path())


def read_entries(path: Path) -> tuple[VBenchEntry, ...]:
    """Read a list in the layout of VBench, and make sure that it is the one whose places the identifiers mean.

    Raises:
        UserError: the file is damaged or of another version.
    """
    documents = read_json(path, what="list of prompts", fix=f"Install {_PACKAGE} again.")
    try:
        entries = tuple(_entry(index, document) for index, document in enumerate(documents))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not VBench's list of prompts.", f"Install {_PACKAGE} again.") from error
    if entries_hash(entries) != _LIST_HASH:
        raise UserError(
            f"{path} holds other prompts than VBench {VBENCH_VERSION}, so identifiers would not mean the same.",
            f"Install {_PACKAGE}.",
        )
    return entries


def _entry(index: int, document: Mapping[str, Any]) -> VBenchEntry:
    text, dimensions = document["prompt_en"], tuple(document["dimension"])
    return VBenchEntry(f"{index:04d}", text, dimensions, MappingProxyType(dict(document.get("auxiliary_info", {}))))


def entries_hash(entries: tuple[VBenchEntry, ...]) -> str:
    """SHA-256 of identifiers, texts and dimensions."""
    return sha256_text("\n".join(f"{entry.prompt_id}\t{entry.text}\t{','.join(entry.dimensions)}" for entry in entries))


@cache
def dimensions_by_entry() -> Mapping[str, frozenset[str]]:
    """Dimensions of each entry, by identifier. Raises UserError as `vbench_entries`."""
    return MappingProxyType({entry.prompt_id: frozenset(entry.dimensions) for entry in vbench_entries()})


class VBenchOptions(StrictModel):
    """Options of the suite vbench."""

    flickering_samples: int = Field(default=_SAMPLES, ge=1)
    """Videos of each entry of temporal flickering; VBench asks for 25, of which its static filter keeps 5."""
    dimensions: str = ""
    """Only entries of these dimensions, e.g. ``color,scene``; by default all."""
    extended_prompts: Path | None = None
    """The extended texts: one line an entry in the order of VBench's list, or a CSV with prompt_id and extended."""
    generation_variant: Variant = "short"
    """Which text generators see."""
    scoring_variant: Variant = "short"
    """Which text scorers see."""


def vbench_suite(options: VBenchOptions) -> Suite:
    """The suite vbench: 946 entries, 5 videos each, 81 frames of 480x832 at 16 frames per second.

    Raises:
        UserError: as `vbench_entries`, for an unknown dimension, or an extended variant has no file.
    """
    entries = vbench_entries()
    texts = None if options.extended_prompts is None else read_extended(options.extended_prompts, vbench_prompts())
    wanted = _wanted(options.dimensions)
    kept = [index for index, entry in enumerate(entries) if wanted & set(entry.dimensions)]
    more = {e.prompt_id: options.flickering_samples for e in entries if FLICKERING in e.dimensions}
    suite = Suite(
        NAME, tuple(Prompt(*entries[index][:2]) for index in kept), _SAMPLES, _FRAMES, "5s", _HEIGHT, _WIDTH, _FPS,
        None if texts is None else tuple(texts[index] for index in kept),
        options.generation_variant,
        options.scoring_variant,
        MappingProxyType({} if options.flickering_samples == _SAMPLES else more),
    )  # fmt: skip
    suite.card()  # refuses a variant whose texts are not known
    return suite


def vbench_prompts() -> tuple[Prompt, ...]:
    """All 946 entries as prompts. Raises UserError as `vbench_entries`."""
    return tuple(Prompt(entry.prompt_id, entry.text) for entry in vbench_entries())


def _wanted(listed: str) -> set[str]:
    known = set(VBENCH)
    wanted = {name.strip() for name in listed.split(",") if name.strip()} or known
    for name in sorted(wanted - known):
        raise UserError(f"VBench has no dimension {name!r}.", f"Choose from {', '.join(sorted(known))}.")
    return wanted
