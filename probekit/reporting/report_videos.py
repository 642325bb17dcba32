"""The videos of a report: which prompts stand in it, where the copies lie, and what they are."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.progress import track
from probekit.reporting.browser_videos import SMALLEST_SIDE, browser_video, write_embedded
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.contact_sheet import SheetRow
from probekit.run_folder.protocol_card import ProtocolCard
from probekit.run_folder.video_set import VIDEO_FOLDER, VideoRow, VideoSet

Take = tuple[int, int]
"""Sample and clip."""


class LabelledSet(NamedTuple):
    """The videos of one model that belong to the comparison."""

    label: str
    root: Path
    rows: tuple[VideoRow, ...]
    protocol: ProtocolCard


class PromptVideos(NamedTuple):
    """The originals of one prompt.

    Attributes:
        prompt_id: id of the prompt.
        prompt: its text; texts of models that were asked differently are joined.
        takes: rows by sample and clip, one mapping per model.
    """

    prompt_id: str
    prompt: str
    takes: tuple[Mapping[Take, VideoRow], ...]

    def first_common(self) -> tuple[VideoRow | None, ...]:
        """The first take that all models with this prompt have, in the order of the models; None leaves a gap."""
        present = [set(column) for column in self.takes if column]
        take = min(set.intersection(*present) or set.union(*present))
        return tuple(column.get(take) for column in self.takes)


class VideoCopy(NamedTuple):
    """The browser's copy of one video.

    Attributes:
        place: location without suffix, relative to the page: the copy ends in `.mp4`.
        poster: suffix of its still image.
        frames: number of frames.
        fps: frames per second.
        width: pixels of the original.
        height: pixels of the original.
        factor: whole number by which the copy is larger.
        crisp: whether it is shown without smoothing, because its pixels are large.
        embedded: whether a script beside it holds the same bytes.
    """

    place: str
    poster: str
    frames: int
    fps: float
    width: int
    height: int
    factor: int
    crisp: bool
    embedded: bool


def labelled_sets(video_sets: Sequence[VideoSet], record: ComparisonRecord) -> list[LabelledSet]:
    """Name each set as the comparison does and keep its videos of the comparison's suite and horizon.

    Raises:
        UserError: A set has no such video, or two sets have the same name.
    """
    settings = record.settings
    sets: list[LabelledSet] = []
    for root, rows, protocol, _ in video_sets:
        kept = tuple(row for row in rows if (row.suite, row.horizon) == (settings.suite, settings.horizon))
        if not kept:
            raise UserError(
                f"The video set {root} has no video of suite {settings.suite!r} and horizon {settings.horizon!r}.",
                "Give the videos that the compared scores belong to.",
            )
        label = _label(kept[0], record)
        if label in [known.label for known in sets]:
            raise UserError(f"Two video sets are named {label!r}.", "Give one set for each model.")
        sets.append(LabelledSet(label, root, kept, protocol))
    # The sort is stable: models that the comparison does not know stay last, in the given order.
    order = {label: position for position, label in enumerate(record.models())}
    return sorted(sets, key=lambda labelled: order.get(labelled.label, len(order)))


def prompts_of(sets: Sequence[LabelledSet]) -> list[PromptVideos]:
    """Every prompt that has a video, in the order of the sets."""
    found: dict[str, list[dict[Take, VideoRow]]] = {}
    for position, labelled in enumerate(sets):
        for row in labelled.rows:
            columns = found.setdefault(row.prompt_id, [{} for _ in sets])
            columns[position][row.sample, row.clip] = row
    return [PromptVideos(prompt_id, _text(columns), tuple(columns)) for prompt_id, columns in found.items()]


def chosen_prompts(prompts: Sequence[str], gains: Mapping[str, float], most: int) -> list[str]:
    """Prompts whose videos are copied: all, or a third each of the first, the largest gains and the largest losses.

    Args:
        prompts: ids in order.
        gains: mean difference of a prompt; prompts without one are chosen by order alone.
        most: number of prompts at most.
    """
    if len(prompts) <= most:
        return list(prompts)
    ranked = sorted((one for one in prompts if one in gains), key=lambda one: gains[one])
    third = min(most // 3, len(ranked) // 2)
    extremes = {*ranked[:third], *ranked[len(ranked) - third :]}
    rest = [one for one in prompts if one not in extremes][: most - len(extremes)]
    kept = extremes.union(rest)
    return [one for one in prompts if one in kept]


def named_prompts(prompts: Sequence[PromptVideos], names: Sequence[str]) -> list[str]:
    """The names, each of which is a prompt.

    Raises:
        UserError: One of them is in no set.
    """
    known = {prompt.prompt_id for prompt in prompts}
    for name in names:
        if name not in known:
            raise UserError(f"No video set has the prompt {name!r}.", "Name prompts by the ids of the manifest.")
    return list(names)


def copy_videos(
    out_dir: Path, sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos]
) -> dict[tuple[int, str, Take], VideoCopy]:
    """Write the browser's copies into ``out_dir/videos/<number>-<model>``; by model's number, prompt and take."""
    folders = [f"{VIDEO_FOLDER}/{position}-{_slug(labelled.label)}" for position, labelled in enumerate(sets)]
    copies = {}
    for prompt in track(prompts, "copying videos"):
        for position, (labelled, takes) in enumerate(zip(sets, prompt.takes, strict=True)):
            for take, row in takes.items():
                copies[position, prompt.prompt_id, take] = _copy(out_dir, folders[position], labelled.root, row)
    return copies


def sheet_rows(sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos]) -> list[SheetRow]:
    """One video of each prompt and model for `contact_sheet`, from the originals."""
    roots = [labelled.root for labelled in sets]
    return [
        SheetRow(
            prompt.prompt,
            tuple(
                None if row is None else root / row.path for root, row in zip(roots, prompt.first_common(), strict=True)
            ),
        )
        for prompt in prompts
    ]


def _label(row: VideoRow, record: ComparisonRecord) -> str:
    with_run = f"{row.model} ({row.training_run})"
    return with_run if with_run in record.models() else row.model


def _text(columns: Sequence[Mapping[Take, VideoRow]]) -> str:
    return " / ".join(dict.fromkeys(row.prompt for column in columns for row in column.values()))


def _copy(out_dir: Path, folder: str, root: Path, row: VideoRow) -> VideoCopy:
    stem = row.key().filename().removesuffix(".mp4") + (f"__clip{row.clip}" if row.clip else "")
    copy = browser_video(root / row.path, out_dir / folder, stem)
    crisp = min(row.height, row.width) < SMALLEST_SIDE
    embedded = write_embedded(copy.video, f"{folder}/{stem}")
    return VideoCopy(
        f"{folder}/{stem}",
        copy.poster.suffix,
        row.n_frames,
        row.fps,
        row.width,
        row.height,
        copy.enlargement,
        crisp,
        embedded,
    )


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.") or "model"
