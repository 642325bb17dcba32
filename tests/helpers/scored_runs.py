"""Scored run folders with made-up scores, and tables of sweeps made of them."""

from pathlib import Path

from probekit.reporting.comparison_io import read_comparison, write_comparison
from probekit.run_folder.protocol_card import write_protocol
from probekit.run_folder.score_table import write_scores
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.suites.registry import load_suite
from probekit.workflows.compare import ScoredRun, compare_runs, open_scored_run
from probekit.workflows.pairs import pairs_of_total, write_pairs
from tests.helpers.places import REPOSITORY
from tests.helpers.reporting_examples import card, score_rows
from trainer.config.sweep import find_sweep, load_sweep

STORED = REPOSITORY / "reports" / "sprite" / "5s"
SHIFTS = {"none": 0.0, "half": 0.02, "whole": 0.04}
"""How much better the colours and objects of some models are."""


def scored(root: Path, model: str, number: int = 0, shift: float | None = None) -> ScoredRun:
    """A scored training run whose colours and objects are better by a shift, that of `SHIFTS` unless it is given."""
    own = SHIFTS[model] if shift is None else shift
    folder = root / f"{model}-{number}"
    rows = score_rows(model, shift=dict.fromkeys(("color", "object_class"), own + 0.003 * number))
    write_scores(
        folder / "scores" / "all.parquet",
        [row._replace(suite="sprite-5s", training_run=f"run-{number}") for row in rows],
    )
    write_protocol(folder, card(model))
    return open_scored_run(folder)


def write_runs(work: Path, sweep: str, folder: Path, effects: dict[str, float], runs: int) -> None:
    """A sweep's tables of made-up scores, under today's prompts and scorers.

    Args:
        work: folder of the scored runs.
        sweep: name of the sweep, whose suite and size the protocols state.
        folder: folder of the tables.
        effects: how much better the colours and objects of each row are.
        runs: training runs of each.
    """
    opened = [scored(work, row, number, shift) for row, shift in effects.items() for number in range(runs)]
    settings = BootstrapSettings(resampling="paired-runs" if runs > 1 else "paper", replicates=400)
    config, now = load_sweep(find_sweep(sweep)), read_comparison(STORED).protocols["sprite-dmd-baseline"]
    size = load_suite(config.suite).reduced(config.prompts, config.samples).card()
    record = compare_runs(opened, settings=settings)
    cards = {
        row: one.model_copy(update={"scorers": now.scorers, "prompts": size}) for row, one in record.protocols.items()
    }
    write_comparison(folder, record.model_copy(update={"protocols": cards}))
    write_pairs(folder, pairs_of_total(opened, settings=settings))
