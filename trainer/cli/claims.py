"""`trainer claims`: the paper's claims beside stored results."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def claims_command(
    results: Annotated[Path, typer.Option(help="Folder of stored results of sprites.")] = Path("reports/sprite"),
    out: Annotated[Path, typer.Option(help="Page that is written.")] = Path("reports/claims.md"),
) -> None:
    """Hold the paper's claims against stored results: estimates, intervals and verdicts, on one page."""
    with reporting_errors():
        from probekit.atomic_files import write_text
        from probekit.errors import UserError
        from trainer.claims.ledger import ledger
        from trainer.claims.page import page

        if not results.is_dir():
            raise UserError(f"There is no folder {results}.", "Name one with --results.")
        lines = ledger(results)
        write_text(out, page(lines))
        for line in lines:
            say(f"{line.verdict:13}  {line.claim.says}")
        say(f"wrote {out}")
