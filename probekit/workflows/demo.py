"""The project in one command: two models sampled, scored, compared and reported."""

import logging
from pathlib import Path
from typing import NamedTuple

from probekit.diffusion.sampler_settings import SamplerSettings
from probekit.evaluation.suites import Suite
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.workflows.comparing import compare_runs, open_scored_run
from probekit.workflows.reporting import report_runs
from probekit.workflows.sampling import sample_suite
from probekit.workflows.scoring import score_run

LOGGER = logging.getLogger("probekit")

BASELINE = "sprite-base"
METHOD = "sprite-large"


class DemoResult(NamedTuple):
    """The comparison and the page that shows it."""

    record: ComparisonRecord
    page: Path


def run_demo(suite: Suite, out: Path, settings: SamplerSettings) -> DemoResult:
    """Sample both shipped bidirectional models on a suite, score, compare and report.

    Whatever an earlier, interrupted call finished in `out` is kept.
    """
    runs = [out / BASELINE, out / METHOD]
    for model, run in zip((BASELINE, METHOD), runs, strict=True):
        sample_suite(model, suite, run, settings)
        score_run(run)
    opened = [open_scored_run(run) for run in runs]
    record = compare_runs(opened)
    return DemoResult(record, report_runs(opened, record, out / "report"))
