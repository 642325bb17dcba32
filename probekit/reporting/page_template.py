"""The templates of pages: what every one of them may call, and scripts and styles that stand in the page itself."""

import re
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from probekit.reporting import cells
from probekit.reporting.markup import page_value
from probekit.reporting.page_data import DATA_FILE

_TEMPLATES: Final = Path(__file__).parent / "templates"


def page_environment() -> Environment:
    """An environment that escapes every text and knows how numbers read."""
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
        difference=lambda row: minus_signs(cells.difference_text(row.difference, star=row.star, mark="")),
        interval=lambda row: minus_signs(cells.interval_text(row.low, row.high)),
        signs=minus_signs,
        coverage=cells.coverage_text,
        n_prompts=cells.n_prompts_text,
    )
    environment.globals.update(
        quantity_text=cells.quantity_text,
        level_text=cells.level_text,
        no_value=cells.NO_VALUE,
        inline=_inline,
        data_file=DATA_FILE,
    )
    return environment


def minus_signs(text: str) -> str:
    """Hyphens before numbers become minus signs; those inside names stay."""
    return re.sub(r"(?<![^\s(\[])-(?=\d)", "\N{MINUS SIGN}", text)


def _inline(*names: str) -> Markup:
    """Style sheets or scripts of this package, which may stand in the page unescaped."""
    return Markup("\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names))
