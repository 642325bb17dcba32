"""How other projects name their videos, and which prompt and sample such a name means.

Taken from the `inference.py` of each project: most of them cut prompts at 100 characters, so that different prompts get
one name and the later video overwrites the earlier.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.suites.suite import Prompt

_SAMPLE = r"-(?P<sample>\d+)"
_MODEL = r"_(?:regular|ema)"
_RANK = r"rank\d+-"
_LONGLIVE = r"_(?:regular|ema|lora)(?:_(?:dp\d+_)?sp\d+)?"


class Naming(NamedTuple):
    """A project's way to name a video.

    Attributes:
        name: what users call it.
        pattern: pattern of a file name without its suffix; it names `text`, or else `line`, and perhaps `sample`.
        characters: number of characters that prompts are cut to; None keeps them whole.
        source: where the project does so.
    """

    name: str
    pattern: re.Pattern[str]
    characters: int | None
    source: str

    def text_of(self, prompt: str) -> str:
        """The part of a file name that this naming makes of a prompt."""
        return _normal(prompt if self.characters is None else prompt[: self.characters])


def _naming(name: str, pattern: str, characters: int | None, source: str) -> Naming:
    return Naming(name, re.compile(pattern, re.DOTALL), characters, source)


NAMINGS: Final = (
    _naming("vbench", rf"(?P<text>.+){_SAMPLE}", None, "VBench prompts/README.md and vbench/__init__.py"),
    _naming("video-mirai", rf"(?P<text>.+){_SAMPLE}", 300, "Video-Mirai inference.py with several samples"),
    _naming("video-mirai-single", r"(?P<text>.+)", 300, "Video-Mirai inference.py with one sample"),
    _naming("self-forcing", rf"(?P<text>.+){_SAMPLE}", 100, "Self-Forcing inference.py"),
    _naming("self-forcing-index", rf"(?P<line>\d+){_SAMPLE}{_MODEL}", None, "Self-Forcing --save_with_index"),
    _naming("rolling-forcing", rf"(?P<text>.+){_SAMPLE}", 100, "RollingForcing inference.py"),
    _naming("rolling-forcing-index", rf"(?P<line>\d+){_SAMPLE}{_MODEL}", None, "RollingForcing --save_with_index"),
    _naming("causal-forcing", r"(?P<text>.+)", 100, "Causal-Forcing inference.py"),
    _naming("causal-forcing-long", rf"(?P<text>.+){_SAMPLE}", 100, "Causal-Forcing long_video/inference.py"),
    _naming("longlive", rf"{_RANK}(?P<text>.+){_SAMPLE}{_LONGLIVE}", 100, "LongLive inference.py, inference_sp.py"),
    _naming("longlive-index", rf"{_RANK}(?P<line>\d+){_SAMPLE}{_LONGLIVE}", None, "LongLive save_with_index"),
)


class NamedVideo(NamedTuple):
    """What a file name says.

    Attributes:
        prompt_ids: every prompt that it may show.
        same_text: whether these are entries of one and the same text, so that the video shows each of them.
        sample: index of the sample; None where names have none.
    """

    prompt_ids: tuple[str, ...]
    same_text: bool
    sample: int | None


class NameReader:
    """Reads one naming for one list of prompts."""

    def __init__(self, naming: Naming, prompts: Sequence[Prompt], named_by: Mapping[str, str]) -> None:
        """Index the prompts by what the naming makes of them.

        Args:
            naming: the way of naming.
            prompts: the whole list that the project generated from, in its order.
            named_by: texts that names were made of, by identifier: the short ones, or perhaps the extended.
        """
        self.naming = naming
        self._lines = [prompt.prompt_id for prompt in prompts]
        self.texts = named_by
        self._by_text = _by_text(naming, named_by)

    def read(self, stem: str) -> NamedVideo | None:
        """What a file name without suffix means; None if it is no name of these prompts."""
        match = self.naming.pattern.fullmatch(stem)
        if match is None:
            return None
        parts = match.groupdict()
        sample = None if parts.get("sample") is None else int(parts["sample"])
        if "line" in parts:
            line = int(parts["line"])
            return NamedVideo((self._lines[line],), False, sample) if line < len(self._lines) else None
        found = self._by_text.get(_normal(parts["text"]))
        if found is None:
            return None
        return NamedVideo(found, len({self.texts[name] for name in found}) == 1, sample)


def naming_called(name: str) -> Naming:
    """Look a naming up.

    Raises:
        UserError: there is none of this name.
    """
    for naming in NAMINGS:
        if naming.name == name:
            return naming
    known = ", ".join(naming.name for naming in NAMINGS)
    raise UserError(f"There is no naming {name!r}.", f"Choose auto or one of {known}.")


def best_reader(
    stems: Sequence[str],
    prompts: Sequence[Prompt],
    texts: Sequence[Mapping[str, str]],
    namings: Sequence[Naming] = NAMINGS,
) -> NameReader:
    """The naming that parses the most file names; ties go to the one that keeps more of the prompt.

    Args:
        stems: file names without suffix.
        prompts: the whole list of prompts, in its order.
        texts: columns of texts, by identifier, of which one gave the names.
        namings: the ways of naming to try.

    Raises:
        UserError: no file name is read by any.
    """
    readers = [NameReader(naming, prompts, column) for column in texts for naming in namings]
    counts = [sum(reader.read(stem) is not None for stem in stems) for reader in readers]
    if not counts or not max(counts):
        raise UserError(
            "None of these files is named after a prompt of the suite, in any way that is known.",
            "Check the suite, or list the files in a CSV table.",
        )
    return readers[counts.index(max(counts))]


def lost_by_cutting(texts: Iterable[str], characters: int) -> int:
    """Videos lost at each sample index when names are cut: as many as there are prompts more than names."""
    listed = list(texts)
    return len(listed) - len({text[:characters] for text in listed})


def _by_text(naming: Naming, texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for prompt_id, text in texts.items():
        found[naming.text_of(text)].append(prompt_id)
    return {text: tuple(prompt_ids) for text, prompt_ids in found.items()}


def _normal(text: str) -> str:
    """One form of letters with accents: some file systems store another one than was written."""
    return unicodedata.normalize("NFC", text)
