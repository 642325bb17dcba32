"""One page that leads through a comparison of two arms: videos and the answer, then sections of words and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import write_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.page_template import page_environment
from probekit.reporting.summary import summary_sentences
from probekit.reporting.table import Table


class Section(NamedTuple):
    """A part of the page; images and links are (path relative to the page, words)."""

    title: str
    lines: Sequence[str] = ()
    table: Table[Any] | None = None
    images: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str]] = ()


class Opening(NamedTuple):
    """What the first screen shows: the answer, and videos of a report.

    Attributes:
        record: comparison whose Total is the answer.
        report: folder of that comparison's report relative to the page, ending in a slash.
        models: names of the models whose videos the report holds.
    """

    record: ComparisonRecord
    report: str
    models: Sequence[str]

    def headlines(self) -> list[ComparisonRow]:
        """The rows of the Total."""
        return [row for row in self.record.rows if row.quantity == "total"]


def write_story(
    path: Path, title: str, lines: Sequence[str], sections: Sequence[Section], opening: Opening | None = None
) -> Path:
    """Write the page; returns its path.

    Args:
        path: path of the page.
        title: heading.
        lines: sentences below it.
        sections: parts in order.
        opening: answer and videos of the first screen; None begins with the sections.
    """
    page = page_environment().get_template("story.html.j2")
    answer: dict[str, Any] = {"models": [], "base": ""}
    if opening is not None:
        answer = {
            "models": opening.models,
            "base": opening.report,
            "record": opening.record,
            "headlines": opening.headlines(),
            "summary": summary_sentences(opening.record),
        }
    write_text(path, page.render(title=title, lines=lines, sections=sections, **answer))
    return path
