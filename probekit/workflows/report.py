"""From scored runs to the report page."""

from collections.abc import Sequence
from pathlib import Path

import pandas

from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.html_report import MAX_PROMPTS, PageSources, write_report
from probekit.run_folder.manifest import load_video_set
from probekit.workflows.compare import ScoredRun


def report_runs(
    runs: Sequence[ScoredRun],
    record: ComparisonRecord,
    out: Path,
    *,
    max_prompts: int = MAX_PROMPTS,
    sources: PageSources | None = None,
) -> Path:
    """Write the report of a comparison with the runs' videos and what other folders add; returns the page."""
    return write_report(
        out,
        record,
        [load_video_set(run.root) for run in runs],
        scores=pandas.concat([run.table for run in runs], ignore_index=True),
        max_prompts=max_prompts,
        sources=sources,
    )
