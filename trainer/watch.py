"""What a training does to its videos: every kept export sampled, scored and shown, step by step."""

import logging
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.sprite.rates import sprite_rates
from probekit.models.model_folder import model_folder
from probekit.reporting.cells import score_text
from probekit.reporting.contact_sheet import SheetRow, contact_sheet
from probekit.reporting.figures import save_figure
from probekit.reporting.table import Column, Table, fields
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.score_table import SCORES_FOLDER, read_scores
from probekit.statistics.score_total import total_of_table
from probekit.suites.registry import constants_of
from probekit.suites.suite import Suite
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run
from trainer.engine.evaluation_hook import EXPORTS

LOGGER = logging.getLogger("trainer")

_SHEET_PROMPTS = 3
_NAMES = 3  # fields of a step that name it or count


class WatchedStep(NamedTuple):
    """One export of one run.

    Attributes:
        run: name of the training run.
        step: name of the export.
        colors: share of videos with every prompted colour; the next three are the other rates of a model card.
        quality: SpriteQuality in percent; None where a dimension could not be scored.
    """

    run: str
    step: str
    videos: int
    colors: float
    colors_and_shapes: float
    one_identity: float
    background: float
    quality: float | None
    semantic: float | None
    total: float | None


def exports_of(run: Path) -> list[Path]:
    """Kept exports of a training run, oldest first.

    Raises:
        UserError: if there are none.
    """
    found = sorted((run / EXPORTS).glob("step-*"))
    if not found:
        raise UserError(f"{run} has no {EXPORTS}/step-*.", "Give a run of a stage that keeps exports.")
    return found


def watch(runs: Sequence[Path], suite: Suite, out: Path, start: str | None = None) -> list[WatchedStep]:
    """Sample and score every export; writes `steps.csv`, `steps.md` and a contact sheet for each run.

    Args:
        runs: training runs.
        suite: what is sampled from each export.
        out: folder; what an interrupted call finished is kept.
        start: model that the runs began from, shown as their step 0.
    """
    steps: list[WatchedStep] = []
    for run in runs:
        models = [*([model_folder(start)] if start else []), *exports_of(run)]
        names = [*(["step-0000"] if start else []), *(path.name for path in exports_of(run))]
        folders = [out / run.name / name for name in names]
        for model, name, folder in zip(models, names, folders, strict=True):
            LOGGER.info("%s, %s", run.name, name)
            sample_suite(str(model), suite, folder)
            score_run(folder)
            steps.append(_summary(run.name, name, folder, suite))
        save_figure(contact_sheet(names, list(_sheet_rows(folders)), n_frames=8), out / f"{run.name}.png")
    steps_table(steps).write(out, "steps")
    return steps


def _summary(run: str, name: str, folder: Path, suite: Suite) -> WatchedStep:
    rates = sprite_rates(load_video_set(folder))
    totals = total_of_table(read_scores(folder / SCORES_FOLDER), constants_of(suite.name)).aggregate
    return WatchedStep(
        run,
        name,
        int(rates["videos"]),
        rates["colors"],
        rates["colors_and_shapes"],
        rates["one_identity"],
        rates["background"],
        totals.quality,
        totals.semantic,
        totals.total,
    )


def _sheet_rows(folders: Sequence[Path]) -> Iterator[SheetRow]:
    sets = [load_video_set(folder) for folder in folders]
    firsts = [row for row in sets[0].rows if row.sample == 0][:_SHEET_PROMPTS]
    for first in firsts:
        yield SheetRow(first.prompt or "", tuple(one.root / first.path for one in sets))


def steps_table(steps: Sequence[WatchedStep]) -> Table[WatchedStep]:
    """One row per export of each run."""
    names = WatchedStep._fields
    columns = [*fields(names[:_NAMES]), *map(_number, names[_NAMES:])]
    return Table(columns, steps, data=fields(names))


def _number(name: str) -> Column[WatchedStep]:
    value = attrgetter(name)
    return Column(name, lambda step: score_text(value(step), ".3f"), True)
