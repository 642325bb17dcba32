"""Which file of a folder is which planned video, by its name; every video that names lose is named itself."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.interchange.folder import video_files
from probekit.evaluation.interchange.namings import NamedVideo, NameReader, best_reader, naming_called
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem
from probekit.suites.suite import Prompt, Suite, Variant

AUTO: Final = "auto"
_SHOWN = 3  # identifiers that a message lists


class Assignment(NamedTuple):
    """The files of a suite's videos.

    Attributes:
        naming: how the files are named.
        files: the file of each video that one file names.
        problems: files that are not used, and why.
        lost: planned videos that no file is certain to show, and why.
        not_drawn: number of files of prompts that the suite's list has and the suite does not use.
        named_after: texts that the names were made of; None where they are not made of prompts.
    """

    naming: str
    files: dict[SampleKey, Path]
    problems: list[Problem]
    lost: dict[SampleKey, str]
    not_drawn: int
    named_after: Variant | None = None


class _Claim(NamedTuple):
    path: Path
    position: int
    named: NamedVideo | None


def assign_by_name(
    folders: Sequence[Path], suite: Suite, everything: Sequence[Prompt], naming: str = AUTO
) -> Assignment:
    """Find the planned videos of a suite in folders that another project wrote.

    Args:
        folders: folders with videos; where names have no sample index, the place of a folder in this list is the index.
        suite: what is planned.
        everything: the whole list of prompts that the suite is drawn from, in its order: names are cut, so that a
            prompt may share its name with one that is not drawn; and a number in a name is a line of this list.
        naming: name of a naming; `auto` takes the one by which most names are read.

    Raises:
        UserError: for an unknown naming, a folder that cannot be read, or if no name is read at all.
    """
    listed = [(position, path) for position, folder in enumerate(folders) for path in video_files(folder)]
    by_key = {path: named for _, path in listed if (named := _key_of(path, suite))}
    foreign = [path.stem for _, path in listed if path not in by_key]
    reader = _reader(foreign, suite, everything, naming) if foreign else None
    used = reader.naming.name if reader else "sample key"
    claims = [
        _Claim(path, position, by_key.get(path) or (reader.read(path.stem) if reader else None))
        for position, path in listed
    ]
    problems: list[Problem] = []
    found: dict[SampleKey, list[Path]] = defaultdict(list)
    shared: dict[str, tuple[str, int]] = {}
    planned, not_drawn = suite.texts(), 0
    for claim in claims:
        if claim.named is None:
            problems.append(Problem(claim.path, f"not named after a prompt of {suite.name} ({used})"))
        elif len(claim.named.prompt_ids) > 1 and not claim.named.same_text:
            problems.append(Problem(claim.path, _ambiguous(claim.named.prompt_ids)))
            shared |= {name: (claim.path.name, len(claim.named.prompt_ids)) for name in claim.named.prompt_ids}
        elif not any(prompt_id in planned for prompt_id in claim.named.prompt_ids):
            not_drawn += 1
        else:
            problems += _place(claim, claim.named, suite, planned, found)
    problems += [problem for paths in found.values() if len(paths) > 1 for problem in _rivals(paths)]
    files = {key: paths[0] for key, paths in found.items() if len(paths) == 1}
    lost = {key: _why_lost(key, found, shared) for key in suite.keys() if key not in files}
    return Assignment(used, files, problems, lost, not_drawn, _named_after(reader, suite))


def _named_after(reader: NameReader | None, suite: Suite) -> Variant | None:
    if reader is None:
        return None
    return "extended" if suite.extended is not None and reader.texts == suite.column("extended") else "short"


def _reader(stems: Sequence[str], suite: Suite, everything: Sequence[Prompt], naming: str) -> NameReader:
    columns: list[Mapping[str, str]] = [dict(everything)]
    if suite.extended is not None:
        columns.append(suite.column("extended"))
    if naming == AUTO:
        return best_reader(stems, everything, columns)
    return best_reader(stems, everything, columns, [naming_called(naming)])


def _key_of(path: Path, suite: Suite) -> NamedVideo | None:
    """What a file says that this toolkit named, by the key of a video of the suite."""
    try:
        key = SampleKey.parse(path.name)
    except UserError:
        return None
    return NamedVideo((key.prompt_id,), True, key.sample) if key.suite == suite.name else None


def _place(
    claim: _Claim,
    named: NamedVideo,
    suite: Suite,
    planned: Mapping[str, str],
    found: dict[SampleKey, list[Path]],
) -> Iterator[Problem]:
    """Give a file to the videos that it shows: one, or the entries of one text."""
    sample = claim.position if named.sample is None else named.sample
    for prompt_id in named.prompt_ids:
        if prompt_id not in planned:
            continue
        if sample < suite.samples_of(prompt_id):
            found[SampleKey(suite.name, prompt_id, sample)].append(claim.path)
        else:
            count = suite.samples_of(prompt_id)
            yield Problem(claim.path, f"sample {sample} of {prompt_id}, of which samples 0 to {count - 1} are planned")


def _ambiguous(prompt_ids: Sequence[str]) -> str:
    more = f" and {len(prompt_ids) - _SHOWN} more" if len(prompt_ids) > _SHOWN else ""
    return (
        f"may show any of {len(prompt_ids)} prompts whose names are cut to the same "
        f"({', '.join(prompt_ids[:_SHOWN])}{more}); each overwrote the one before"
    )


def _rivals(paths: Sequence[Path]) -> Iterator[Problem]:
    for path in paths:
        others = ", ".join(str(other) for other in paths if other != path)
        yield Problem(path, f"shows the same sample as {others}, so that neither counts")


def _why_lost(key: SampleKey, found: Mapping[SampleKey, list[Path]], shared: Mapping[str, tuple[str, int]]) -> str:
    if key in found:
        return f"{len(found[key])} files have its name: {', '.join(path.name for path in found[key])}"
    if key.prompt_id in shared:
        name, count = shared[key.prompt_id]
        return f"{count} prompts share its name, as in {name!r}"
    return "no file has its name"
