"""`trainer train` and `fit-parts`: what makes weights."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from trainer.config.choices import CODEC_EPISODES, TEXT_STEPS, ServiceName


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe, e.g. trainer/recipes/sprite/sprite_base.yaml.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; by default runs/NAME. An unfinished run resumes.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override, e.g. --set optimizer.learning_rate=1e-4.")
    ] = None,
    allow_recipe_change: Annotated[
        bool, typer.Option("--allow-recipe-change", help="Resume although the run began with another recipe.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the folder's newest checkpoint, or refuse to.")
    ] = True,
    track: Annotated[ServiceName | None, typer.Option(help="Also log to a service that is installed.")] = None,
) -> None:
    """Train a model from a recipe; the same command resumes an interrupted run."""
    with reporting_errors():
        from trainer.launch import train_from_recipe

        ending = train_from_recipe(recipe, out, overrides or [], allow_recipe_change, resume, track)
        if ending.value == "interrupted":
            raise typer.Exit(130)


def fit_parts(
    out: Annotated[Path, typer.Option(help="Model folder for vae/, text_encoder/ and tokenizer/.")],
    episodes: Annotated[int, typer.Option(help="Training episodes for the codec.", min=2)] = CODEC_EPISODES,
    text_steps: Annotated[int, typer.Option(help="Optimizer steps of the text encoder.", min=1)] = TEXT_STEPS,
) -> None:
    """Fit what the sprite models share: the linear codec and the text encoder."""
    with reporting_errors():
        from trainer.data.jobs import fit_shared_parts

        accuracy = fit_shared_parts(out, episodes, text_steps)
        say(f"wrote {out}; facts read from the text states: {accuracy:.1%}")
