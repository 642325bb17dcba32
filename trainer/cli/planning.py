"""`trainer describe` and `trainer cost`: what a recipe will take."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import finite
from probekit.cli.terminal import say


def describe_command(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. --set batch_size=8.")] = None,
    gpus: Annotated[int, typer.Option(help="Processes, one per GPU.", min=1)] = 1,
    gpu_memory: Annotated[
        float | None, typer.Option(help="GB of each GPU, e.g. 80 or 141; what cannot fit is refused.", callback=finite)
    ] = None,
) -> None:
    """Configuration, models, parameters, tokens, operations and memory of a recipe; nothing is loaded."""
    with reporting_errors():
        from trainer.config.recipe import load_recipe
        from trainer.planning.describe import description

        lines = list(description(load_recipe(recipe, overrides or []), gpus, gpu_memory))
        say("\n".join(lines))  # all of it or none: what cannot be described is refused before anything is said


def cost_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe of stage 3.")],
    measure: Annotated[bool, typer.Option("--measure", help="Also time both arms, interleaved.")] = False,
    cycles: Annotated[int, typer.Option(help="Timed cycles of each arm.", min=1)] = 3,
    out: Annotated[Path | None, typer.Option(help="Folder for cost.json.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. --set batch_size=1.")] = None,
) -> None:
    """Operations of one cycle with and without foresight, as the paper counts and as executed; measured times."""
    with reporting_errors():
        from probekit.atomic_files import write_json
        from probekit.errors import UserError
        from trainer.config.recipe import DmdConfig, load_recipe
        from trainer.planning.cost_report import (
            COST_FILE,
            arithmetic_lines,
            cost_record,
            measured_lines,
            measured_medians,
        )

        config = load_recipe(recipe, overrides or [])
        if not isinstance(config, DmdConfig):
            raise UserError(f"{recipe} is not a recipe of stage 3.", "Give an asymmetric_dmd recipe.")
        for line in arithmetic_lines(config):
            say(line)
        medians = measured_medians(config, cycles) if measure else None
        for line in () if medians is None else measured_lines(medians):
            say(line)
        if out is not None:
            write_json(out / COST_FILE, cost_record(str(recipe), config, medians).model_dump(mode="json"))
            say(f"wrote {out / COST_FILE}")
