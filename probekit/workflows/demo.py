"""The project in one command: both shipped arms sampled, scored, compared at two horizons, and probed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from probekit.evaluation.reference.metrics import MSE
from probekit.probing.probe_settings import DecoderBudget, ProbeSettings
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.drop_table import DropReport, drop_table
from probekit.reporting.probe_table import probe_table
from probekit.reporting.story import Opening, Section, write_story
from probekit.reporting.summary import summary_sentences
from probekit.suites.suite import Suite
from probekit.workflows.compare import ScoredRun, compare_runs, open_scored_run
from probekit.workflows.drop import drop_of_runs
from probekit.workflows.probe import ProbeResult, probe_arms
from probekit.workflows.report import report_runs
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run

BASELINE = "sprite-dmd-baseline"
METHOD = "sprite-dmd-foresight"
PAGE = "index.html"
PROBES = ProbeSettings(budget=DecoderBudget(steps=200, learning_rates=(3e-3,), seeds=(0,)), perceptual=False)
"""One seed and one learning rate, since the demo is to be quick; `probekit probe` takes three and two."""


class DemoPlan(NamedTuple):
    """How much of each suite the demo makes.

    Attributes:
        short: reduced 5 s suite.
        long: reduced 30 s suite; its prompts are the first of the short one.
        probed: reduced 5 s suite that the probes read.
    """

    short: Suite
    long: Suite
    probed: Suite


class DemoResult(NamedTuple):
    """Comparisons at both horizons, the drop between them, the probes, and the page that shows all."""

    short: ComparisonRecord
    long: ComparisonRecord
    drops: DropReport
    probes: ProbeResult
    page: Path


def run_demo(plan: DemoPlan, out: Path, training: Sequence[Section] = ()) -> DemoResult:
    """Sample, score, compare, probe and report the two shipped arms.

    Whatever an earlier, interrupted call finished in `out` is kept.

    Args:
        plan: sizes.
        out: folder of runs, tables and the page.
        training: sections about a training to put after the results.
    """
    short, long = (_scored(suite, out / suite.horizon) for suite in (plan.short, plan.long))
    records = compare_runs(short), compare_runs(long)
    for runs, record in zip((short, long), records, strict=True):
        report_runs(runs, record, out / record.settings.horizon / "report")
    pairs = list(zip((run.root for run in short), (run.root for run in long), strict=True))
    drops = drop_of_runs(pairs)
    drop_table(drops).write(out / "drop", "drop")
    probes = probe_arms(BASELINE, METHOD, plan.probed, out / "probes", settings=PROBES)
    sections = [*map(_comparison_section, records), _drop_section(drops), _probe_section(probes), *training]
    lines = [
        "Two streaming generators that share data, initial weights, prompts and noise; one was also trained to keep "
        "in its states what a bidirectional encoder sees in the finished video.",
        "The samples here are few. The full tables, with as many videos as the suites have, are in reports/sprite.",
    ]
    opening = Opening(records[0], f"{records[0].settings.horizon}/report/", records[0].models())
    page = write_story(out / PAGE, "What foresight changed at sprite size", lines, sections, opening)
    return DemoResult(*records, drops, probes, page)


def _scored(suite: Suite, out: Path) -> list[ScoredRun]:
    for model in (BASELINE, METHOD):
        sample_suite(model, suite, out / model)
        score_run(out / model)
    return [open_scored_run(out / model) for model in (BASELINE, METHOD)]


def _comparison_section(record: ComparisonRecord) -> Section:
    horizon = record.settings.horizon
    links = [(f"{horizon}/report/index.html", f"videos of {horizon} side by side, scores and protocol")]
    images = [(f"{horizon}/report/figures/differences.svg", f"Differences at {horizon} with their intervals")]
    return Section(f"Videos of {horizon}", summary_sentences(record), comparison_table(record), images, links)


def _drop_section(drops: DropReport) -> Section:
    lines = ["What the Total loses from the short to the long horizon, on the prompts that both have."]
    table = drop_table(drops)
    totals = replace(table, rows=[row for row in table.rows if row.name == "total"])
    return Section("From 5 s to 30 s", lines, totals)


def _probe_section(probes: ProbeResult) -> Section:
    lines = [
        "A small network reads a chunk's hidden state and draws the last frame of a later chunk; mean squared error "
        "on held-out prompts. Beside it: a copy of the present frame, and an untrained network of the same shape.",
        "A generator whose videos hardly move is easy to read ahead, so the gain over the copy matters more than "
        "the error.",
    ]
    images = [
        ("probes/probes.png", "Probe error by horizon, with controls"),
        ("probes/futures.png", "Four futures of one state, their mean, and what the probe reads"),
    ]
    return Section("What the states know of the future", lines, probe_table(probes.contrasts, MSE.metric_id), images)
