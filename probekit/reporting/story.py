"""One page that leads through a comparison of two arms: sections of words, a table, pictures and links."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from probekit.atomic_files import write_text
from probekit.reporting.markup import page_value
from probekit.reporting.table import Table


class Section(NamedTuple):
    """A part of the page; images and links are (path relative to the page, words)."""

    title: str
    lines: Sequence[str] = ()
    table: Table[Any] | None = None
    images: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str]] = ()


def write_story(path: Path, title: str, opening: Sequence[str], sections: Sequence[Section]) -> Path:
    """Write the page; returns its path."""
    loader = PackageLoader("probekit.reporting", "templates")
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, finalize=page_value)

    def inline(name: str) -> Markup:
        return Markup(loader.get_source(environment, name)[0])

    environment.globals["inline"] = inline
    page = environment.get_template("story.html.j2")
    write_text(path, page.render(title=title, opening=opening, sections=sections))
    return path
