"""A folder that shows a comparison in any browser, from disk: numbers, videos side by side, and what produced them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from probekit.atomic_files import write_text
from probekit.provenance import command_line, hardware
from probekit.reporting import cells
from probekit.reporting.comparison_io import write_comparison
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.contact_sheet import contact_sheet
from probekit.reporting.figures import DARK, forest_plot, save_figure
from probekit.reporting.markup import page_value
from probekit.reporting.report_protocol import commands_behind, protocol_sections
from probekit.reporting.report_scores import video_scores
from probekit.reporting.report_videos import (
    LabelledSet,
    PromptVideos,
    count_prompts,
    labelled_sets,
    prompt_views,
    select_prompts,
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
) -> Path:
    """Write ``index.html`` with ``videos/``, ``tables/`` and ``figures/``; the folder can be moved and sent as it is.

    Args:
        out_dir: Folder of the report; files of an earlier report in it are replaced.
        record: The comparison.
        video_sets: One set for each model to show; any number, none leaves the videos out.
        scores: Score table with the scores of single videos, shown beside them.
        commands: Further items and the commands behind them, such as a training.
        max_prompts: Number of prompts whose videos are shown, the first in the order of the sets.
        prompt_ids: Show these prompts instead.
        command: The command that makes the report; by default the running one.

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
    prompts = select_prompts(sets, max_prompts=max_prompts, prompt_ids=prompt_ids)
    files = [*write_comparison(out_dir / "tables", record), *_write_figures(out_dir / "figures", record, sets, prompts)]
    order = [constant.dimension for constant in record.settings.constants]
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            **_numbers(record),
            downloads=[path.relative_to(out_dir).as_posix() for path in files],
            models=[labelled.label for labelled in sets],
            prompts=prompt_views(out_dir, sets, prompts, {} if scores is None else video_scores(scores, order)),
            selection=_selection(len(prompts), count_prompts(sets), named=prompt_ids is not None),
            commands=commands_behind(record, sets, command or command_line(), commands or {}),
            software=software_card(),
            hardware=hardware(),
        )
    )
    write_text(out_dir / "index.html", page)
    return out_dir / "index.html"


def _numbers(record: ComparisonRecord) -> dict[str, Any]:
    """What the page says about the comparison itself."""
    return {
        "record": record,
        "methods": " and ".join(record.methods),
        "summary": summary_sentences(record),
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


def _write_figures(
    folder: Path, record: ComparisonRecord, sets: Sequence[LabelledSet], prompts: Sequence[PromptVideos]
) -> list[Path]:
    forest = folder / "differences.svg"
    save_figure(forest_plot(record), forest)
    save_figure(forest_plot(record), forest.with_suffix(".png"))
    save_figure(forest_plot(record, DARK), folder / "differences_dark.svg")
    if not prompts:
        return [forest, forest.with_suffix(".png")]
    sheet = folder / "contact_sheet.png"
    models = [labelled.label for labelled in sets]
    save_figure(contact_sheet(models, sheet_rows(sets, prompts[:_SHEET_PROMPTS])), sheet)
    return [forest, forest.with_suffix(".png"), sheet]


def _selection(shown: int, total: int, *, named: bool) -> str:
    """How the videos were chosen, for the page."""
    if named:
        return f"{shown} of {total} prompts, chosen by name."
    if shown == total:
        return f"All {total} prompts."
    return f"The first {shown} of {total} prompts in the order of their ids; none was picked by its score."


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("probekit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=page_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        score=cells.score_text,
        difference=lambda row: _minus_signs(cells.difference_text(row.difference, star=row.star, mark="")),
        interval=lambda row: _minus_signs(cells.interval_text(row.low, row.high)),
        signs=_minus_signs,
        coverage=cells.coverage_text,
        n_prompts=cells.n_prompts_text,
    )
    environment.globals.update(
        quantity_text=cells.quantity_text, level_text=cells.level_text, no_value=cells.NO_VALUE, inline=_inline
    )
    return environment


def _inline(name: str) -> Markup:
    """A style sheet or script of this package, which may stand in the page unescaped."""
    text = (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)


def _minus_signs(text: str) -> str:
    """Hyphens before numbers become minus signs; those inside names stay."""
    return re.sub(r"(?<![^\s(\[])-(?=\d)", "\N{MINUS SIGN}", text)
