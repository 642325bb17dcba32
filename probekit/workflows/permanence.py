"""What lasts in the sprite videos of runs: by attribute, behind something and in view, with intervals over prompts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.sprite.identity import Identity
from probekit.evaluation.sprite.permanence import STATED, kept_attributes
from probekit.media.video_files import read_video
from probekit.progress import track
from probekit.reporting.permanence_table import PermanenceRow, permanence_table
from probekit.reporting.table import Table
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import mismatches
from probekit.run_folder.video_set import VideoSet
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means

Passage = tuple[str, bool]
"""An attribute, and whether the sprite was out of view."""

PASSAGES: Final[Sequence[Passage]] = [(name, occluded) for occluded in (True, False) for name in Identity._fields]


class RunPermanence(NamedTuple):
    """Shares of one run.

    Attributes:
        model: name of the model.
        shares: share of sprites that kept the attribute, by passage and prompt.
    """

    model: str
    shares: Mapping[Passage, Mapping[str, float]]


def permanence(runs: Sequence[Path], out: Path, *, seed: int = 0, replicates: int = 10_000) -> Table[PermanenceRow]:
    """Judge the videos of one run, or of two, and write `permanence.csv`, `.md` and `.tex`.

    Args:
        runs: run folder, or that of a baseline and of a method.
        out: folder of the table.
        seed: seed of the resampling.
        replicates: bootstrap replicates.

    Raises:
        UserError: for other numbers of runs, videos of another world, or runs of different protocols.
    """
    if not 1 <= len(runs) <= 2:
        raise UserError(f"{len(runs)} runs cannot be shown side by side.", "Give one run, or a baseline and a method.")
    sets = [load_video_set(run) for run in runs]
    if len(sets) == 2:
        _refuse_other_videos(runs, sets)
    judged = [_judged(one) for one in sets]
    table = permanence_table(list(_rows(judged, seed, replicates)), [one.model for one in judged])
    table.write(out, "permanence", latex=True)
    return table


def _refuse_other_videos(runs: Sequence[Path], sets: Sequence[VideoSet]) -> None:
    for field, ours, theirs in mismatches(sets[0].protocol, sets[1].protocol):
        if not field.startswith("scorers."):
            raise UserError(
                f"The protocols of {runs[0]} and {runs[1]} differ in {field}: {ours!r} and {theirs!r}.",
                "Sample both under one protocol.",
            )


def _judged(videos: VideoSet) -> RunPermanence:
    found: dict[Passage, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in track(videos.rows, f"judging {videos.rows[0].model}"):
        clip = read_video(videos.root / row.path, expect_frames=row.n_frames)
        for one in kept_attributes(ScoringInput(clip.frames, clip.fps, row.prompt).objects):
            found[one.attribute, one.occluded][row.prompt_id].append(one.kept)
    shares = {
        passage: {prompt: float(np.mean(kept)) for prompt, kept in prompts.items()}
        for passage, prompts in found.items()
    }
    return RunPermanence(videos.rows[0].model, shares)


def _rows(runs: Sequence[RunPermanence], seed: int, replicates: int) -> Iterator[PermanenceRow]:
    for passage in PASSAGES:
        own = [_estimate(passage, one, None, seed, replicates) for one in runs]
        difference = _estimate(passage, runs[1], runs[0], seed, replicates) if len(runs) == 2 else None
        attribute, occluded = passage
        yield PermanenceRow(attribute, attribute in STATED, occluded, tuple(own), difference)


def _estimate(
    passage: Passage, run: RunPermanence, baseline: RunPermanence | None, seed: int, replicates: int
) -> DifferenceEstimate:
    """Mean over prompts in percent, or its difference from a baseline's on the prompts of both."""
    ours = run.shares.get(passage, {})
    theirs = dict.fromkeys(ours, 0.0) if baseline is None else baseline.shares.get(passage, {})
    shared = sorted(ours.keys() & theirs.keys())
    a, b = (100 * np.array([values[prompt] for prompt in shared], np.float64) for values in (ours, theirs))
    attribute, occluded = passage
    rng = generator("permanence", seed, attribute, int(occluded))
    name = f"{attribute} {'out of' if occluded else 'in'} view"
    return paired_means(name, a, b, rng=rng, replicates=replicates)
