"""What lasts in the sprite videos of one model or two: by attribute, behind something and in view, with intervals."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from probekit.atomic_files import write_parquet
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


VALUES: Final = "permanence_values.parquet"
"""Name of the file with each prompt's share."""

COLUMNS: Final = ("model", "run", "attribute", "occluded", "prompt_id", "share")

Shares = Mapping[Passage, Mapping[str, float]]
"""Share of sprites that kept the attribute, by passage and prompt."""


class ModelPermanence(NamedTuple):
    """Shares of one model.

    Attributes:
        model: name of the model.
        runs: shares of each of its training runs.
    """

    model: str
    runs: tuple[Shares, ...]


def permanence(runs: Sequence[Path], out: Path, *, seed: int = 0, replicates: int = 10_000) -> Table[PermanenceRow]:
    """Judge the videos of one model, or of two, and write `permanence.csv`, `.md` and `.tex`, and each prompt's shares.

    Args:
        runs: run folders of one model or two, the baseline's first; each model has equally many training runs, and
            the k-th of both are a pair.
        out: folder of the table.
        seed: seed of the resampling.
        replicates: bootstrap replicates.

    Raises:
        UserError: for other numbers of models or runs, videos of another world, or runs of different protocols.
    """
    sets = [load_video_set(run) for run in runs]
    for run, one in zip(runs[1:], sets[1:], strict=True):
        _refuse_other_videos((runs[0], run), (sets[0], one))
    grouped = _by_model(sets)
    judged = [ModelPermanence(model, tuple(map(_judged, own))) for model, own in grouped.items()]
    table = permanence_table(list(_rows(judged, seed, replicates)), list(grouped), len(judged[0].runs))
    table.write(out, "permanence", latex=True)
    write_parquet(out / VALUES, _values(judged))
    return table


def _values(judged: Sequence[ModelPermanence]) -> pd.DataFrame:
    """One row for each share, in [0, 1]."""
    rows = [
        (one.model, number, attribute, occluded, prompt, share)
        for one in judged
        for number, run in enumerate(one.runs)
        for (attribute, occluded), prompts in run.items()
        for prompt, share in prompts.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_model(sets: Sequence[VideoSet]) -> dict[str, list[VideoSet]]:
    found: dict[str, list[VideoSet]] = {}
    for one in sets:
        found.setdefault(one.rows[0].model, []).append(one)
    counts = {model: len(own) for model, own in found.items()}
    if not 1 <= len(found) <= 2 or len(set(counts.values())) > 1:
        given = ", ".join(f"{model} ({count})" for model, count in counts.items())
        raise UserError(
            f"Runs of {given} cannot be shown side by side.",
            "Give runs of one model, or equally many of a baseline and a method.",
        )
    return found


def _refuse_other_videos(runs: tuple[Path, Path], sets: tuple[VideoSet, VideoSet]) -> None:
    for field, ours, theirs in mismatches(sets[0].protocol, sets[1].protocol):
        if not field.startswith("scorers."):
            raise UserError(
                f"The protocols of {runs[0]} and {runs[1]} differ in {field}: {ours!r} and {theirs!r}.",
                "Sample both under one protocol.",
            )


def _judged(videos: VideoSet) -> Shares:
    found: dict[Passage, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in track(videos.rows, f"judging {videos.rows[0].model}"):
        clip = read_video(videos.root / row.path, expect_frames=row.n_frames)
        for one in kept_attributes(ScoringInput(clip.frames, clip.fps, row.prompt).objects):
            found[one.attribute, one.occluded][row.prompt_id].append(one.kept)
    return {
        passage: {prompt: float(np.mean(kept)) for prompt, kept in prompts.items()}
        for passage, prompts in found.items()
    }


def _rows(models: Sequence[ModelPermanence], seed: int, replicates: int) -> Iterator[PermanenceRow]:
    for passage in PASSAGES:
        own = [_estimate(passage, one, None, seed, replicates) for one in models]
        difference = _estimate(passage, models[1], models[0], seed, replicates) if len(models) == 2 else None
        attribute, occluded = passage
        yield PermanenceRow(attribute, attribute in STATED, occluded, tuple(own), difference)


def _estimate(
    passage: Passage, model: ModelPermanence, baseline: ModelPermanence | None, seed: int, replicates: int
) -> DifferenceEstimate:
    """Mean over prompts in percent, or its difference from a baseline's, on the prompts that all runs have."""
    ours = _over(passage, model)
    theirs = [dict.fromkeys(run, 0.0) for run in ours] if baseline is None else _over(passage, baseline)
    shared = sorted(set.intersection(*(set(run) for run in (*ours, *theirs))))
    a, b = (100 * np.array([[run[prompt] for prompt in shared] for run in runs]) for runs in (ours, theirs))
    attribute, occluded = passage
    rng = generator("permanence", seed, attribute, int(occluded))
    name = f"{attribute} {'out of' if occluded else 'in'} view"
    return paired_means(name, a, b, rng=rng, replicates=replicates)


def _over(passage: Passage, model: ModelPermanence) -> list[Mapping[str, float]]:
    """Shares of each run by prompt."""
    return [run.get(passage, {}) for run in model.runs]
