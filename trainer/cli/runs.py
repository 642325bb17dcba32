"""`trainer watch`, `compare-logs` and `card`: what trainings did."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def watch_command(
    runs: Annotated[list[Path], typer.Argument(help="Training runs that kept exports.")],
    out: Annotated[Path, typer.Option(help="Folder for videos, scores, tables and contact sheets.")],
    start: Annotated[str | None, typer.Option(help="Model that the runs began from, as step 0.")] = None,
    prompts: Annotated[int, typer.Option(help="Held-out prompts.", min=2)] = 20,
    samples: Annotated[int, typer.Option(help="Videos per prompt.", min=1)] = 2,
) -> None:
    """Sample, score and show every kept export of training runs."""
    with reporting_errors():
        from probekit.suites.registry import load_suite
        from trainer.watch import watch

        watch(runs, load_suite("sprite-5s").reduced(prompts, samples), out, start)
        say((out / "steps.md").read_text(encoding="utf-8"))


def compare_logs_command(
    ours: Annotated[Path, typer.Argument(help="Training log (metrics.jsonl), or a run folder.")],
    reference: Annotated[Path, typer.Argument(help="Log or run folder to compare it with.")],
    tolerance: Annotated[float, typer.Option("--rtol", help="Largest relative difference of a number.", min=0)] = 1e-3,
) -> None:
    """Compare two training logs step by step; exits with 1 at the first difference. Times and memory are left out."""
    with reporting_errors():
        from trainer.engine.log_comparison import compare_logs

        difference = compare_logs(ours, reference, tolerance)
        say(difference or "the logs agree")
        if difference:
            raise typer.Exit(1)


def gradients_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe of a distillation with a foresight block.")],
    out: Annotated[Path, typer.Option(help="Folder of the gradients, for `probekit gradients`.")],
    run: Annotated[Path | None, typer.Option(help="Run folder, whose newest checkpoint is taken.")] = None,
    batches: Annotated[int, typer.Option(help="Generator updates whose gradients are taken.", min=1)] = 32,
    size: Annotated[int, typer.Option(help="Numbers of a sketch.", min=16)] = 4096,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change of the recipe, key=value.")] = None,
) -> None:
    """Sketch the gradients of each loss of a distillation, by block; batches that are there are not computed again."""
    with reporting_errors():
        from trainer.gradient_sketches import SketchSettings, sketch_gradients

        say(f"gradients in {sketch_gradients(recipe, run, out, SketchSettings(batches, size), overrides or [])}")


def cosines_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe of a distillation with a foresight block.")],
    run: Annotated[Path, typer.Argument(help="Its run folder, whose newest checkpoint is read.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables.")],
    prompts: Annotated[int, typer.Option(help="Held-out prompts; whole batches are taken.", min=2)] = 64,
) -> None:
    """Cosine of the foresight predictor's output and its target on held-out prompts, by chunk and target."""
    with reporting_errors():
        from trainer.predictor_cosines import predictor_cosines

        say(predictor_cosines(recipe, run, out, prompts).to_string(index=False))
        say(f"tables in {out}")


def card(
    run: Annotated[Path, typer.Argument(help="Training run with an export.")],
    samples: Annotated[Path, typer.Option(help="Run folder of held-out videos sampled with the export.")],
    command: Annotated[str, typer.Option(help="Command that repeats the training.")],
) -> None:
    """Write the model card of a run's export: what made it, and how often its videos show what was asked."""
    with reporting_errors():
        from trainer.model_card import write_model_card

        say(f"wrote the card into {write_model_card(run, command, samples)}")
