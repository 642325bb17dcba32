"""What is looked at while a training runs: contact sheets, scores on a small suite, the export that a rule selects.

Figures and tables are loaded when they are needed: most runs watch nothing.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from probekit.atomic_files import copy_folder, write_json
from probekit.errors import UserError
from probekit.evaluation.aggregation import Aggregate
from probekit.models.loading import hash_checkpoint
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import read_protocol
from probekit.suites.registry import constants_of, load_suite
from probekit.suites.suite import Suite
from probekit.user_files.json_files import read_json_object
from trainer.config.watch import WatchConfig

LOGGER = logging.getLogger("trainer")

SELECTION = "selection.json"
EVALUATIONS = "evaluations"
EXPORTS = "exports"
Log = Callable[[int, dict[str, float]], None]


class Evaluated(NamedTuple):
    """An export and its scores in percent."""

    step: int
    quality: float | None
    semantic: float | None
    total: float | None


class Watcher:
    """Looks at the exports of a run, in the main process.

    Args:
        config: what to look at, and when.
        run: folder of the run.
        model: its name on contact sheets.
    """

    def __init__(self, config: WatchConfig, run: Path, model: str) -> None:
        self._config = config
        self._run = run
        self._model = model

    def wants_export(self, done: int) -> bool:
        """Whether this step is looked at."""
        return _due(done, self._config.samples_every) or _due(done, self._config.evaluate_every)

    def look(self, done: int, export: Path, log: Log) -> None:
        """Draw and score the export of a step."""
        if _due(done, self._config.samples_every):
            self._draw(done, export)
        if _due(done, self._config.evaluate_every):
            self._evaluate(done, export, log)

    def _draw(self, done: int, export: Path) -> None:
        from probekit.reporting.contact_sheet import SheetRow, contact_sheet
        from probekit.reporting.figures import save_figure

        suite = load_suite(self._config.suite).reduced(self._config.sheet_prompts, 1)
        videos = self._run / "samples" / f"step-{done:07d}"
        _sample(export, suite, videos)
        found = load_video_set(videos)
        rows = [SheetRow(row.prompt or "", (found.root / row.path,)) for row in found.rows]
        save_figure(contact_sheet([f"{self._model}, step {done}"], rows, n_frames=8), videos.with_suffix(".png"))

    def _evaluate(self, done: int, export: Path, log: Log) -> None:
        from probekit.workflows.score import score_run

        kept = self._run / EXPORTS / f"step-{done:04d}"
        if not kept.is_dir() or hash_checkpoint(kept) != hash_checkpoint(export):
            copy_folder(export, kept)
        suite = load_suite(self._config.suite).reduced(self._config.prompts, 1)
        videos = self._run / EVALUATIONS / f"step-{done:07d}"
        _sample(kept, suite, videos)
        score_run(videos)
        totals = _totals(videos, suite)
        scores = {"quality": totals.quality, "semantic": totals.semantic, "total": totals.total}
        log(done, {f"evaluation_{name}": value for name, value in scores.items() if value is not None})
        self._select(Evaluated(done, **scores), suite)

    def _select(self, newest: Evaluated, suite: Suite) -> None:
        path = self._run / SELECTION
        evaluated = {entry.step: entry for entry in self._evaluated_before(path, suite)} | {newest.step: newest}
        write_json(path, selection(list(evaluated.values()), self._config.select))

    def _evaluated_before(self, path: Path, suite: Suite) -> list[Evaluated]:
        """What the selection was made from; a damaged file is made again from the scores of the evaluations."""
        if not path.is_file():
            return []
        try:
            found = read_json_object(path, fix="Run the command again.")
            return [Evaluated(**entry) for entry in found["evaluated"]]
        except (UserError, TypeError, KeyError):
            LOGGER.warning("%s is damaged; it is made again from %s", path, self._run / EVALUATIONS)
        return list(_evaluated_in(self._run / EVALUATIONS, suite))


def _totals(videos: Path, suite: Suite) -> Aggregate:
    from probekit.run_folder.score_table import SCORES_FOLDER, read_scores
    from probekit.statistics.score_total import total_of_table

    return total_of_table(read_scores(videos / SCORES_FOLDER), constants_of(suite.name)).aggregate


def _evaluated_in(folder: Path, suite: Suite) -> Iterator[Evaluated]:
    for videos in sorted(folder.glob("step-*")):
        try:
            totals = _totals(videos, suite)
        except UserError as error:
            LOGGER.warning("left out of the selection: %s", error.problem)
        else:
            step = int(videos.name.removeprefix("step-"))
            yield Evaluated(step, totals.quality, totals.semantic, totals.total)


def _sample(export: Path, suite: Suite, videos: Path) -> None:
    """Sample an export; videos of other weights, from before an interruption, are removed first."""
    from probekit.workflows.sample import sample_suite

    if videos.is_dir() and not _shows(videos, export):
        shutil.rmtree(videos)
    sample_suite(str(export), suite, videos)


def _shows(videos: Path, export: Path) -> bool:
    try:
        return read_protocol(videos).generation.checkpoint_hash == hash_checkpoint(export)
    except UserError:
        return False


def selection(evaluated: list[Evaluated], rule: str) -> dict[str, Any]:
    """The export that a rule selects and the runner-up, with all that were evaluated.

    A step without a total is never the best; of equal totals the later step is taken.
    """
    by_step = sorted(evaluated)
    if rule == "best_total":
        ranked = sorted(by_step, key=_goodness, reverse=True)
    else:
        ranked = by_step[::-1]
    runner_up = ranked[1]._asdict() if len(ranked) > 1 else None
    return {
        "rule": rule,
        "selected": ranked[0]._asdict(),
        "runner_up": runner_up,
        "evaluated": [entry._asdict() for entry in by_step],
    }


def _goodness(entry: Evaluated) -> tuple[bool, float, int]:
    return entry.total is not None, entry.total or 0.0, entry.step


def _due(done: int, every: int | None) -> bool:
    return every is not None and done % every == 0
