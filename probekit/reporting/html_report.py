"""A folder that shows a comparison in any browser, from disk: the answer, videos, numbers, and what produced them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import write_text
from probekit.provenance import command_line, hardware
from probekit.reporting import cells
from probekit.reporting.comparison_io import write_comparison
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.contact_sheet import contact_sheet
from probekit.reporting.figures import DARK, forest_plot, save_figure
from probekit.reporting.page_data import MEAN, PageScores, page_data, page_scores, write_page_data
from probekit.reporting.page_parts import curves_data, futures_part, horizon_part, probe_parts
from probekit.reporting.page_template import page_environment
from probekit.reporting.report_protocol import commands_behind, protocol_sections
from probekit.reporting.report_scores import video_scores
from probekit.reporting.report_videos import (
    LabelledSet,
    PromptVideos,
    chosen_prompts,
    copy_videos,
    labelled_sets,
    named_prompts,
    prompts_of,
    sheet_rows,
)
from probekit.reporting.summary import prompts_text, summary_sentences
from probekit.run_folder.protocol_card import software_card
from probekit.run_folder.video_set import VideoSet
from probekit.statistics.prompt_scores import ScoreTable

MAX_PROMPTS = 24
_SHEET_PROMPTS = 4
_GROUPS = {
    "quality": "Quality dimensions",
    "semantic": "Semantic dimensions",
    "single": "Dimensions",
    "aggregate": "Aggregates",
}


class PageSources(NamedTuple):
    """Folders of other commands whose results the page shows too; None leaves a part out.

    Attributes:
        horizon: folder that `probekit horizon` wrote.
        probes: folder that `probekit probe` or `probekit study` wrote.
        futures: folder that `probekit futures` wrote.
    """

    horizon: Path | None = None
    probes: Path | None = None
    futures: Path | None = None


def write_report(
    out_dir: Path,
    record: ComparisonRecord,
    video_sets: Sequence[VideoSet],
    *,
    scores: ScoreTable | None = None,
    commands: Mapping[str, str] | None = None,
    max_prompts: int = MAX_PROMPTS,
    prompt_ids: Sequence[str] | None = None,
    command: str | None = None,
    sources: PageSources | None = None,
) -> Path:
    """Write ``index.html`` with ``data.js``, ``videos/``, ``tables/`` and ``figures/``; the folder can be moved.

    Args:
        out_dir: Folder of the report; files of an earlier report in it are replaced.
        record: The comparison.
        video_sets: One set for each model to show; any number, none leaves the videos out.
        scores: Score table with the scores of single videos, shown beside them.
        commands: Further items and the commands behind them, such as a training.
        max_prompts: Number of prompts whose videos are copied; every prompt stands in the list.
        prompt_ids: Copy the videos of these prompts instead.
        command: The command that makes the report; by default the running one.
        sources: Folders of other commands to show too.

    Returns:
        The page, ``out_dir/index.html``; it is written last, so where it is, the rest is.

    Raises:
        UserError: A video can't be read, a set does not belong to the comparison, a named prompt is in no set, or the
            folder cannot be written.
        ValueError: ``max_prompts`` is negative.
    """
    if max_prompts < 0:
        raise ValueError(f"max_prompts must not be negative, got {max_prompts}")
    sets = labelled_sets(video_sets, record)
    prompts = prompts_of(sets)
    order = [constant.dimension for constant in record.settings.constants]
    numbers = page_scores(sets, prompts, {} if scores is None else video_scores(scores, order))
    shown = _shown(prompts, numbers, max_prompts, prompt_ids)
    files = [*write_comparison(out_dir / "tables", record), *_write_forest(out_dir / "figures", record)]
    sheets = _write_sheets(out_dir / "figures", sets, shown, _gains(prompts, numbers))
    parts = _parts(sources or PageSources(), out_dir)
    curves = curves_data(sources.horizon) if sources and sources.horizon else None
    write_page_data(out_dir, page_data(sets, prompts, numbers, copy_videos(out_dir, sets, shown), curves))
    page = page_environment().get_template("report.html.j2")
    text = page.render(
        **_numbers(record),
        **parts,
        downloads=[path.relative_to(out_dir).as_posix() for path in [*files, *(path for _, path in sheets)]],
        sheets=[(title, path.relative_to(out_dir).as_posix()) for title, path in sheets],
        models=[labelled.label for labelled in sets],
        selection=_selection(len(shown), len(prompts), named=prompt_ids is not None),
        commands=commands_behind(record, sets, command or command_line(), commands or {}),
        software=software_card(),
        hardware=hardware(),
        base="",
    )
    write_text(out_dir / "index.html", text)
    return out_dir / "index.html"


def _parts(sources: PageSources, out_dir: Path) -> dict[str, Any]:
    horizon, probes, futures = sources
    return {
        "over_time": None if horizon is None else horizon_part(horizon, out_dir),
        "probes": [] if probes is None else probe_parts(probes, out_dir),
        "futures": None if futures is None else futures_part(futures, out_dir),
    }


def _shown(
    prompts: Sequence[PromptVideos], numbers: PageScores, most: int, names: Sequence[str] | None
) -> list[PromptVideos]:
    """The prompts whose videos are copied; named ones in the order of their names."""
    by_id = {prompt.prompt_id: prompt for prompt in prompts}
    chosen = named_prompts(prompts, names) if names is not None else None
    return [by_id[name] for name in chosen or chosen_prompts(list(by_id), _gains(prompts, numbers), most)]


def _gains(prompts: Sequence[PromptVideos], numbers: PageScores) -> dict[str, float]:
    """Mean difference of the first method from the baseline, by prompt; empty without two models."""
    if len(numbers.gains) < 2 or not numbers.gains[1]:
        return {}
    pairs = zip(prompts, numbers.gains[1][-1], strict=True)
    return {prompt.prompt_id: gain for prompt, gain in pairs if gain is not None}


def _numbers(record: ComparisonRecord) -> dict[str, Any]:
    """What the page says about the comparison itself."""
    return {
        "record": record,
        "methods": " and ".join(record.methods),
        "summary": summary_sentences(record),
        "headlines": [row for row in record.rows if row.quantity == "total"],
        "groups": {title: rows for name, title in _GROUPS.items() if (rows := _by_quantity(record, name))},
        "interval_notes": cells.interval_notes(
            [
                (cells.quantity_text(row.quantity, record.settings.suite), row.interval, row.instead, None)
                for row in record.rows
            ]
        ),
        "facts": _facts(record),
        "protocol": protocol_sections([record.protocols[model] for model in record.models()]),
    }


def _facts(record: ComparisonRecord) -> dict[str, str]:
    settings = record.settings
    samples = sorted({card.prompts.samples for card in record.protocols.values()})
    dimensions = len({row.quantity for row in record.rows if row.group != "aggregate"})
    return {
        "Scored by both": prompts_text(record.rows),
        "Videos per prompt": " or ".join(str(count) for count in samples),
        "Dimensions": f"{dimensions} compared, {len(record.not_run)} not run",
        "Intervals": f"{cells.level_text(record)} {settings.interval}, {settings.replicates:,} resamplings, "
        f"seed {settings.seed}",
    }


def _by_quantity(record: ComparisonRecord, group: str) -> dict[str, list[ComparisonRow]]:
    rows: dict[str, list[ComparisonRow]] = {}
    for row in record.rows:
        if row.group == group:
            rows.setdefault(row.quantity, []).append(row)
    return rows


def _write_forest(folder: Path, record: ComparisonRecord) -> list[Path]:
    """The forest plot for both colour schemes, and for print; the dark one is no download."""
    paths = [folder / f"differences{suffix}" for suffix in (".svg", ".png", ".pdf")]
    for path in paths:
        save_figure(forest_plot(record), path)
    save_figure(forest_plot(record, DARK), folder / "differences_dark.svg")
    return paths


def _write_sheets(
    folder: Path, sets: Sequence[LabelledSet], shown: Sequence[PromptVideos], gains: Mapping[str, float]
) -> list[tuple[str, Path]]:
    """Contact sheets of the best and the worst prompts, or of the first ones where nothing ranks them."""
    ranked = sorted((one for one in shown if one.prompt_id in gains), key=lambda one: gains[one.prompt_id])
    count = min(_SHEET_PROMPTS, len(ranked) // 2)
    chosen = {
        f"Largest gains, by {MEAN}": ("best", ranked[::-1][:count]),
        f"Largest losses, by {MEAN}": ("worst", ranked[:count]),
    }
    if not count:
        chosen = {"The first prompts": ("first", list(shown[:_SHEET_PROMPTS]))}
    sheets = []
    for title, (name, prompts) in chosen.items():
        if prompts:
            path = folder / f"{name}.png"
            save_figure(contact_sheet([one.label for one in sets], sheet_rows(sets, prompts)), path)
            sheets.append((title, path))
    return sheets


def _selection(shown: int, total: int, *, named: bool) -> str:
    """How the videos were chosen, for the page."""
    if named:
        return f"Videos of {shown} of {total} prompts are in this folder, chosen by name."
    if shown == total:
        return f"The videos of all {total} prompts are in this folder."
    return (
        f"Videos of {shown} of {total} prompts are in this folder: a third each are the first prompts, "
        "the largest gains and the largest losses."
    )
