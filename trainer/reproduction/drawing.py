"""From stored results to a finished table or figure; nothing is sampled, scored or trained here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from probekit.atomic_files import write_text
from probekit.errors import UserError
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.contact_sheet import SheetRow, contact_sheet
from probekit.reporting.future_figures import futures_figure
from probekit.reporting.future_pictures import read_pictures
from probekit.reporting.table import Table
from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.workflows.compare import open_scored_run
from probekit.workflows.systems import system_table
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SweepConfig, find_sweep, load_sweep
from trainer.engine.checkpoint import newest_checkpoint
from trainer.reproduction.beside import BesideRow, aggregate_rows, beside_table, dimension_rows, horizon_rows
from trainer.reproduction.cost_table import cost_table
from trainer.reproduction.figures import losses_figure, probe_figure, readouts_figure, write_figure
from trainer.reproduction.places import Places
from trainer.reproduction.request import Request
from trainer.reproduction.results import comparison_of, cost_of, probe_contrasts, there
from trainer.reproduction.standing import paper_note, small_mark, standing
from trainer.reproduction.targets import CHUNKWISE, Arms, Futures, Need, Probes, Rows, Target, target_named
from trainer.reproduction.trainings import rows_of
from trainer.sweeps.table import sweep_lines, sweep_table

_BETTER: Final = {"mse": "lower is better", "psnr": "higher is better", "lpips_random_backbone": "lower is better"}
_SHEET: Final = 3
_MORE: Final = range(_SHEET, _SHEET + 6)
"""Prompts of figure 10: those behind the ones that figures 2 and 7 show."""


class Drawing(NamedTuple):
    """What a drawer works on.

    Attributes:
        name: name of the target.
        target: its row of the registry.
        request: what was asked.
        needs: needs whose results are there.
    """

    name: str
    target: Target
    request: Request
    needs: tuple[Need, ...]

    @property
    def places(self) -> Places:
        """Where results are."""
        return Places(self.request.out)

    @property
    def folder(self) -> Path:
        """Where the table or figure goes."""
        return (self.request.drawn or self.request.out) / self.name

    def arms(self) -> dict[tuple[str, str], ComparisonRecord]:
        """Comparisons of base systems, by system and horizon."""
        found = [need for need in self.needs if isinstance(need, Arms)]
        return {(need.system, need.horizon): comparison_of(need, self.places) for need in found}


def draw_target(name: str, request: Request) -> list[Path]:
    """Draw a target from the results below a folder; returns the files.

    Raises:
        UserError: for an unknown target, or naming the results that are missing.
    """
    target = target_named(name)
    return DRAWERS[target.drawing](Drawing(name, target, request, there(target, Places(request.out))))


def _write(drawing: Drawing, table: Table[Any], lines: Sequence[str] = ()) -> list[Path]:
    """Write a table as CSV, LaTeX and, under its title, Markdown."""
    head = "".join(f"{line}\n\n" for line in (f"# {drawing.target.named()}", *lines))
    texts = {".csv": table.csv(), ".tex": table.latex(), ".md": head + table.markdown()}
    paths = [drawing.folder / f"{drawing.name}{suffix}" for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text(path, text)
    return paths


def _notes(drawing: Drawing, records: Sequence[ComparisonRecord]) -> list[str]:
    absent = [str(drawing.places.result(need)) for need in drawing.target.needs if need not in drawing.needs]
    commands = [f"Comparison made by: {command}." for command in dict.fromkeys(record.command for record in records)]
    not_run = (
        [f"Not run, so empty: {', '.join(absent)}; trainer reproduce {drawing.name} makes them."] if absent else []
    )
    return [*paper_note(drawing.target.remarks), *commands, *not_run]


def _cards(record: ComparisonRecord) -> list[tuple[int, int]]:
    return [(card.prompts.n_prompts, card.prompts.samples) for card in record.protocols.values()]


def _mark(record: ComparisonRecord, planned: Suite, trained: Sequence[tuple[int, int]] = ()) -> str | None:
    """What a table of fewer videos than planned must say, or that its protocols differ."""
    return record.banner() or small_mark(_cards(record), planned, trained)


def _marks(records: Sequence[ComparisonRecord]) -> str | None:
    marks = [_mark(record, load_suite(record.settings.suite)) for record in records]
    return next((mark for mark in marks if mark), None)


def _rows(drawing: Drawing) -> list[Path]:
    (need,) = (need for need in drawing.needs if isinstance(need, Rows))
    sweep, record = _sweep(need, drawing)
    mark = _mark(record, load_suite(sweep.suite).reduced(sweep.prompts, sweep.samples), _trained(sweep, drawing))
    how = standing(drawing.request.facts.comparable, mark is not None)
    table = sweep_table(sweep, record, mark)
    notes = [
        *table.notes, f"Paper's scores: {how.score}; its differences: {how.difference}. {how.sentence}",
        *_notes(drawing, [record]),
    ]  # fmt: skip
    return _write(drawing, replace(table, notes=notes))


def _sweep(need: Rows, drawing: Drawing) -> tuple[SweepConfig, ComparisonRecord]:
    """A sweep and its comparison. Raises UserError where the comparison is of other rows."""
    sweep, record = load_sweep(find_sweep(need.table), drawing.request.scale), comparison_of(need, drawing.places)
    if len(record.models()) != len(sweep.rows):
        raise UserError(
            f"{drawing.places.file(need)} compares {len(record.models())} models, and {need.table} has "
            f"{len(sweep.rows)} rows.",
            "Delete it and make it again.",
        )
    return sweep, record


def _trained(sweep: SweepConfig, drawing: Drawing) -> list[tuple[int, int]]:
    """Updates done and planned of the rows' last stages, where their trainings are kept."""
    full = drawing.request._replace(size=drawing.request.size._replace(steps=None))
    found = []
    for row in rows_of(sweep, full):
        last = row.trainings[-1]
        newest = newest_checkpoint(last.folder / "checkpoints")
        config = load_recipe(last.recipe, last.changes)
        if newest is not None and not isinstance(config, TrajectoryConfig):
            found.append((newest.steps_done, config.total_steps))
    return found


def _beside(drawing: Drawing, rows: Sequence[BesideRow], records: Sequence[ComparisonRecord]) -> list[Path]:
    mark = _marks(records)
    how = standing(drawing.request.facts.comparable, mark is not None)
    return _write(drawing, beside_table(rows, how, _notes(drawing, records), mark))


def _dimensions(drawing: Drawing) -> list[Path]:
    records = {horizon: record for (_, horizon), record in drawing.arms().items()}
    rows = list(dimension_rows(drawing.target.paper or 0, records))
    return _beside(drawing, rows, list(records.values()))


def _horizons(drawing: Drawing) -> list[Path]:
    records = drawing.arms()
    if not records:
        raise UserError(f"{drawing.target.named()} has no comparison to show.", "Make one of its horizons first.")
    return _beside(drawing, list(horizon_rows(records)), list(records.values()))


def _significance(drawing: Drawing) -> list[Path]:
    (record,) = drawing.arms().values()
    return _beside(drawing, list(aggregate_rows(record)), [record])


def _systems(drawing: Drawing) -> list[Path]:
    records = drawing.arms()
    needs = [need for need in drawing.needs if isinstance(need, Arms)]
    runs = [open_scored_run(path) for need in needs for path in _run_folders(need, drawing, records)]
    table, mark = system_table(runs, with_paper=True), _marks(list(records.values()))
    how = standing(drawing.request.facts.comparable, mark is not None)
    speed = "Speeds compare on one machine alone."
    notes = [*table.notes, f"Paper's scores: {how.score}. {how.sentence} {speed}", *_notes(drawing, ())]
    banner = table.banner or mark
    return _write(drawing, replace(table, notes=notes, banner=banner))


def _run_folders(need: Arms, drawing: Drawing, records: Mapping[tuple[str, str], ComparisonRecord]) -> list[Path]:
    return [drawing.places.videos(need, model) for model in records[need.system, need.horizon].models()]


def _cost(drawing: Drawing) -> list[Path]:
    return _write(drawing, cost_table(cost_of(drawing.places), _notes(drawing, ())))


def _losses(drawing: Drawing) -> list[Path]:
    paths = []
    for need in drawing.needs:
        if isinstance(need, Rows):
            paths += _rows(drawing._replace(needs=(need,)))
            sweep, record = _sweep(need, drawing)
            label = f"Total minus that of {sweep.rows[0].label!r}, percentage points, 95% interval"
            figure = losses_figure(list(sweep_lines(sweep, record)), f"{label}; {sweep.suite}")
            paths += write_figure(figure, drawing.folder, f"{drawing.name}-left")
        if isinstance(need, Probes):
            figure = probe_figure(probe_contrasts(drawing.places), ["psnr"], _BETTER)
            paths += write_figure(figure, drawing.folder, f"{drawing.name}-right")
    return paths


def _probes(drawing: Drawing) -> list[Path]:
    rows = probe_contrasts(drawing.places)
    metrics = [name for name in _BETTER if name != "psnr" and any(row.metric == name for row in rows)]
    return write_figure(probe_figure(rows, metrics, _BETTER), drawing.folder, drawing.name)


def _readouts(drawing: Drawing) -> list[Path]:
    pictures = read_pictures(drawing.places.file(Futures()))
    return write_figure(readouts_figure(pictures), drawing.folder, drawing.name)


def _futures(drawing: Drawing) -> list[Path]:
    pictures = read_pictures(drawing.places.file(Futures()))
    first = [one for one in pictures if one.prompt == pictures[0].prompt]
    figure = futures_figure([one.row() for one in first], first[0].rolled_out, first[0].prompt)
    return write_figure(figure, drawing.folder, drawing.name)


def _videos(drawing: Drawing) -> list[Path]:
    """Contact sheets of the suite's first prompts, or of the next ones: nobody has chosen them by looking."""
    paths, several = [], len(drawing.target.needs) > 1
    for (_, horizon), record in drawing.arms().items():
        need = Arms(CHUNKWISE, horizon)
        sets = [load_video_set(_with_videos(drawing.places.videos(need, model))) for model in record.models()]
        shown = [row for row in sets[0].rows if row.sample == 0]
        chosen = [shown[index] for index in _MORE if index < len(shown)] if several else shown[:_SHEET]
        places = [{row.key(): one.root / row.path for row in one.rows} for one in sets]
        rows = [SheetRow(row.prompt or row.prompt_id, tuple(own.get(row.key()) for own in places)) for row in chosen]
        suffix = f"-{horizon}" if several else ""
        if rows:
            figure = contact_sheet(record.models(), rows)
            paths += write_figure(figure, drawing.folder, f"{drawing.name}{suffix}")
    return paths


def _with_videos(run: Path) -> Path:
    if not manifest_files(run):
        raise UserError(f"{run} has no videos.", "Leave out --from-results, so that they are sampled.")
    return run


DRAWERS: Final[Mapping[str, Callable[[Drawing], list[Path]]]] = {
    "rows": _rows,
    "systems": _systems,
    "horizons": _horizons,
    "dimensions": _dimensions,
    "significance": _significance,
    "cost": _cost,
    "losses": _losses,
    "probes": _probes,
    "readouts": _readouts,
    "futures": _futures,
    "videos": _videos,
}
