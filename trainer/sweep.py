"""A table of the paper as a sweep: its rows trained, sampled, scored and compared; what is finished is kept."""

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field

from probekit.atomic_files import write_text
from probekit.config import StrictModel, load_config
from probekit.errors import UserError
from probekit.reporting.comparison_io import write_comparison
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.rollout.settings import SamplerSettings
from probekit.suites.registry import load_suite
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe

LOGGER = logging.getLogger("trainer")

SWEEPS: Final = Path(__file__).parent / "recipes"


class PaperScores(StrictModel):
    """What the paper reports for a row (Wan size, VBench, percent)."""

    quality: float
    semantic: float
    total: float


class SweepRow(StrictModel):
    """One row of a table.

    Attributes:
        name: of its run folder and its model.
        label: in the table.
        recipe: relative to the sweep file.
        then: recipes of later stages, each of which starts from the export of the one before.
        paper: the paper's numbers, where they are known.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")
    label: str
    recipe: Path
    then: tuple[Path, ...] = ()
    paper: PaperScores | None = None


class SweepConfig(StrictModel):
    """A table.

    Attributes:
        title: what it varies.
        source: table of the paper.
        rows: the first is what the others are compared with.
        suite: scored on.
        prompts: how many of the suite's.
        samples: videos of each prompt.
    """

    title: str
    source: str
    rows: tuple[SweepRow, ...] = Field(min_length=2)
    suite: str = "sprite-5s"
    prompts: int = Field(default=100, gt=0)
    samples: int = Field(default=1, gt=0)


def find_sweep(name: str, scale: str = "sprite") -> Path:
    """The file of a shipped sweep, or the given file.

    Raises:
        UserError: naming the sweeps that exist.
    """
    shipped = SWEEPS / scale / "sweeps"
    for path in (shipped / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    raise UserError(
        f"There is no sweep {name!r}.", f"Choose {', '.join(sorted(p.stem for p in shipped.glob('*.yaml')))}."
    )


class Training(NamedTuple):
    """One stage of a row.

    Attributes:
        recipe: of the stage.
        folder: of the run.
        changes: overrides of the recipe.
    """

    recipe: Path
    folder: Path
    changes: tuple[str, ...]

    def command(self, processes: int) -> list[str]:
        """What trains it, on so many processes."""
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
        command = [sys.executable, "-m", *(launcher if processes > 1 else []), "trainer", "train", str(self.recipe)]
        return [*command, "--out", str(self.folder), *(part for change in self.changes for part in ("--set", change))]


def trainings_of(row: SweepRow, recipes: Path, out: Path, overrides: Sequence[str] = ()) -> list[Training]:
    """A row's stages in order; each later one starts from the export of the one before."""
    stages, trainings = [row.recipe, *row.then], list[Training]()
    for number, recipe in enumerate(stages):
        name = row.name if number == len(stages) - 1 else f"{row.name}.stage-{number}"
        before = (f"initial_model={trainings[-1].folder / 'export'}",) if trainings else ()
        trainings.append(Training(recipes / recipe, out / name, (f"name={row.name}", *before, *overrides)))
    return trainings


def sweep_plan(sweep: Path, out: Path, overrides: Sequence[str] = (), processes: int = 1) -> Iterator[str]:
    """What `run_sweep` would do, in lines for a reader; every recipe is read with its overrides.

    Raises:
        UserError: if a recipe or an override is not valid.
    """
    config = load_config(sweep, SweepConfig)
    yield f"{config.title} ({config.source}): {len(config.rows)} rows"
    for row in config.rows:
        yield f"{row.label}:"
        for training in trainings_of(row, sweep.parent, out, overrides):
            recipe = load_recipe(training.recipe, training.changes)
            assert not isinstance(recipe, TrajectoryConfig)
            yield f"  {recipe.stage}, {recipe.total_steps} steps: {' '.join(training.command(processes)[1:])}"
    suite = load_suite(config.suite).reduced(config.prompts, config.samples)
    yield f"then {len(suite.prompts)} prompts of {config.suite}, {config.samples} videos each, a row"


def run_sweep(
    sweep: Path, out: Path, overrides: Sequence[str] = (), jobs: int = 1, processes: int = 1
) -> ComparisonRecord:
    """Train, sample, score and compare every row; the same call goes on where an interrupted one stopped.

    Args:
        sweep: sweep file.
        out: folder of the runs and of the table.
        overrides: of every row's recipe, e.g. `steps=50`.
        jobs: rows trained side by side.
        processes: that train a row, started by torchrun if there are several.

    Raises:
        UserError: if a row's training fails, naming its log.
    """
    config = load_config(sweep, SweepConfig)
    rows = list(config.rows)
    with ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(lambda row: _train(row, trainings_of(row, sweep.parent, out, overrides), processes), rows):
            pass
    suite = load_suite(config.suite).reduced(config.prompts, config.samples)
    for row in rows:
        sample_suite(str(out / row.name / "export"), suite, out / row.name / "videos", SamplerSettings())
        score_run(out / row.name / "videos")
    record = compare_runs([open_scored_run(out / row.name / "videos") for row in rows])
    write_comparison(out / "table", record)
    write_text(out / "table" / "sweep.md", sweep_table(config, record))
    return record


def _train(row: SweepRow, trainings: Sequence[Training], processes: int) -> None:
    """Train a row's stages one after the other, each in processes of its own."""
    for training in trainings:
        log = training.folder.with_name(f"{training.folder.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        LOGGER.info("%s: training %s, log in %s", row.label, training.recipe.stem, log)
        with log.open("ab") as file:
            ended = subprocess.run(training.command(processes), stdout=file, stderr=file, check=False)
        if ended.returncode != 0:
            raise UserError(f"The training of {row.name} failed.", f"See {log}; finished rows are kept.")


def sweep_table(config: SweepConfig, record: ComparisonRecord) -> str:
    """Markdown: scores of each row, the difference of its Total with interval, and the paper's numbers."""
    lines = [f"# {config.title}", "", f"After {config.source}. {config.prompts} prompts of {config.suite}.", ""]
    lines.append("| row | Quality | Semantic | Total | Total against the first [95 % interval] | paper: Total |")
    lines.append("| --- | ---: | ---: | ---: | --- | ---: |")
    baseline = {row.quantity: row.baseline_mean for row in record.rows}
    for number, row in enumerate(config.rows):
        found = {entry.quantity: entry for entry in record.rows if entry.method.startswith(row.name)}
        means = baseline if number == 0 else {name: entry.method_mean for name, entry in found.items()}
        cells = [_cell(means.get(name)) for name in ("quality", "semantic", "total")]
        difference = _difference(found["total"]) if "total" in found else ""
        paper = _cell(row.paper.total if row.paper else None)
        lines.append(f"| {row.label} | {' | '.join(cells)} | {difference} | {paper} |")
    note = "Scores and differences are over the prompts that a row shares with the first one, dimension by dimension."
    return "\n".join([*lines, "", note]) + "\n"


def _difference(entry: ComparisonRow) -> str:
    if entry.difference is None:
        return "not scored"
    interval = "no interval" if entry.low is None else f"[{entry.low:+.2f}, {entry.high:+.2f}]"
    return f"{entry.difference:+.2f} {interval}{' *' if entry.star else ''}"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
