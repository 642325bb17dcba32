"""The side-by-side part of a report: which videos stand in it, their copies, and their scores."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.progress import track
from probekit.reporting.browser_videos import SMALLEST_SIDE, BrowserVideo, browser_video
from probekit.reporting.cells import quantity_text
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.contact_sheet import SheetRow
from probekit.reporting.report_scores import ABSENT, ScoreCell, VideoScores, video_key
from probekit.run_folder.protocol_card import ProtocolCard
from probekit.run_folder.video_set import VIDEO_FOLDER, VideoRow, VideoSet

ClipId = tuple[int, int]
"""Sample and clip."""


class LabelledSet(NamedTuple):
    """The videos of one model that belong to the comparison."""

    label: str
    root: Path
    rows: tuple[VideoRow, ...]
    protocol: ProtocolCard


class PromptVideos(NamedTuple):
    """The originals of one prompt, in the order of the models; None where a model has no such video."""

    prompt_id: str
    prompt: str
    sample: int
    clip: int
    rows: tuple[VideoRow | None, ...]


class ClipView(NamedTuple):
    """One video on the page; locations relative to it."""

    model: str
    video: str
    poster: str
    height: int
    width: int
    crisp: bool
    """Shown without smoothing, because its pixels are large."""
    facts: str


class PromptView(NamedTuple):
    """One row of the page."""

    prompt: str
    key: str
    clips: tuple[ClipView | None, ...]
    small: bool
    scores: dict[str, tuple[ScoreCell, ...]]
    """For each dimension, a cell per model."""


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


def select_prompts(
    sets: Sequence[LabelledSet], *, max_prompts: int, prompt_ids: Sequence[str] | None = None
) -> list[PromptVideos]:
    """Choose the first prompts in the order of the sets, or those named; never by score.

    Of each prompt the first sample that all models with this prompt have stands for it.

    Raises:
        UserError: A named prompt is in no set.
    """
    by_prompt: dict[str, list[dict[ClipId, VideoRow]]] = {}
    for position, labelled in enumerate(sets):
        for row in labelled.rows:
            columns = by_prompt.setdefault(row.prompt_id, [{} for _ in sets])
            columns[position][row.sample, row.clip] = row
    chosen = list(by_prompt)[:max_prompts] if prompt_ids is None else list(prompt_ids)
    for prompt_id in chosen:
        if prompt_id not in by_prompt:
            raise UserError(f"No video set has the prompt {prompt_id!r}.", "Name prompts by the ids of the manifest.")
    return [_first_common(prompt_id, by_prompt[prompt_id]) for prompt_id in chosen]


def count_prompts(sets: Sequence[LabelledSet]) -> int:
    """Number of prompts that have a video in any set."""
    return len({row.prompt_id for labelled in sets for row in labelled.rows})


def prompt_views(
    out_dir: Path, sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos], scores: VideoScores
) -> list[PromptView]:
    """Write the copies into ``out_dir/videos/<number>-<model>`` and describe them for the page."""
    return [_prompt_view(out_dir, sets, prompt, scores) for prompt in track(prompts, "copying videos")]


def sheet_rows(sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos]) -> list[SheetRow]:
    """The same videos for `contact_sheet`, from their originals."""
    roots = [labelled.root for labelled in sets]
    return [
        SheetRow(
            prompt.prompt,
            tuple(None if row is None else root / row.path for root, row in zip(roots, prompt.rows, strict=True)),
        )
        for prompt in prompts
    ]


def _label(row: VideoRow, record: ComparisonRecord) -> str:
    with_run = f"{row.model} ({row.training_run})"
    return with_run if with_run in record.models() else row.model


def _first_common(prompt_id: str, columns: Sequence[Mapping[ClipId, VideoRow]]) -> PromptVideos:
    present = [set(column) for column in columns if column]
    clip_id = min(set.intersection(*present) or set.union(*present))
    rows = tuple(column.get(clip_id) for column in columns)
    texts = dict.fromkeys(row.prompt for row in rows if row is not None)
    return PromptVideos(prompt_id, " / ".join(texts), *clip_id, rows)


def _prompt_view(
    out_dir: Path,
    sets: Sequence[LabelledSet],
    prompt: PromptVideos,
    scores: VideoScores,
) -> PromptView:
    clips: list[ClipView | None] = []
    columns: list[Mapping[str, ScoreCell]] = []
    for position, (labelled, row) in enumerate(zip(sets, prompt.rows, strict=True)):
        clips.append(None if row is None else _clip_view(out_dir, f"{position}-{_slug(labelled.label)}", labelled, row))
        columns.append({} if row is None else scores.get(video_key(row), {}))
    names = dict.fromkeys(name for column in columns for name in column)
    clip = f" · clip {prompt.clip}" if prompt.clip else ""
    return PromptView(
        prompt.prompt,
        f"{prompt.prompt_id} · sample {prompt.sample}{clip}",
        tuple(clips),
        all(clip is None or clip.crisp for clip in clips),
        {quantity_text(name, ""): tuple(column.get(name, ABSENT) for column in columns) for name in names},
    )


def _clip_view(out_dir: Path, folder: str, labelled: LabelledSet, row: VideoRow) -> ClipView:
    stem = row.key().filename().removesuffix(".mp4") + (f"__clip{row.clip}" if row.clip else "")
    copy: BrowserVideo = browser_video(labelled.root / row.path, out_dir / VIDEO_FOLDER / folder, stem)
    return ClipView(
        labelled.label,
        copy.video.relative_to(out_dir).as_posix(),
        copy.poster.relative_to(out_dir).as_posix(),
        copy.height,
        copy.width,
        min(row.height, row.width) < SMALLEST_SIDE,
        f"{row.n_frames} frames, {row.fps:g} fps, {row.width}×{row.height}",
    )


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.") or "model"
