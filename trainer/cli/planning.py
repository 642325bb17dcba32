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
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. --set batch_size=1.")] = None,
) -> None:
    """Operations of one cycle with and without foresight, as the paper counts and as executed; measured times."""
    with reporting_errors():
        from probekit.errors import UserError
        from trainer.config.recipe import DmdConfig, load_recipe
        from trainer.planning.cost_report import arithmetic_lines, measured_lines

        config = load_recipe(recipe, overrides or [])
        if not isinstance(config, DmdConfig):
            raise UserError(f"{recipe} is not a recipe of stage 3.", "Give an asymmetric_dmd recipe.")
        for line in (*arithmetic_lines(config), *(measured_lines(config, cycles) if measure else ())):
            say(line)
