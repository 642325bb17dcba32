"""The `trainer` command: parses, then calls one function."""

import os
from pathlib import Path
from typing import Annotated

import typer

from probekit.children import end_with_torchrun
from probekit.choices import Split
from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, finite, parse_shard
from probekit.cli.terminal import log_to_terminal, say
from probekit.models.presets import TRAINED_RGB_FRAMES, WAN_480P_GEOMETRY
from probekit.threads import wait_passively
from trainer.config.choices import ServiceName

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Train streaming video diffusion models.")


@app.callback()
def configure() -> None:
    """Send progress and warnings to the terminal."""
    wait_passively()
    end_with_torchrun()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # ours are plain lines in a log, theirs are not
    log_to_terminal("%(asctime)s %(message)s", "%H:%M:%S")


@app.command()
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


@app.command("reproduce")
def reproduce_command(
    scale: Annotated[str, typer.Option(help="Scale of the models: sprite.")] = "sprite",
    out: Annotated[Path, typer.Option(help="Folder of all runs; unfinished ones resume.")] = Path("runs/reproduce"),
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override of one run, e.g. --set sprite-ar:steps=100.")
    ] = None,
    shards: Annotated[int, typer.Option(help="Shards of 250 training clips.", min=1)] = 48,
) -> None:
    """Train every stage of a scale from nothing: teachers, AR, ODE student, DMD with and without foresight."""
    with reporting_errors():
        from trainer.reproduce import parse_changes, reproduce

        if not reproduce(scale, out, changes=parse_changes(overrides or []), shards=shards):
            raise typer.Exit(130)


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and the page.")] = Path("demo"),
    updates: Annotated[int, typer.Option(help="Generator updates of the short run.", min=1)] = 3,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain at the smallest size.")] = False,
) -> None:
    """Train both arms briefly from the shipped student, then sample, score, compare and probe the shipped arms."""
    with reporting_errors():
        from probekit.cli.demo import demo_plan
        from probekit.cli.tables import table_console
        from probekit.reporting.comparison_tables import comparison_table
        from trainer.demo import run_training_demo

        plan = demo_plan(smoke=smoke)
        result = run_training_demo(plan, out, 1 if smoke else updates)
        for record in (result.short, result.long):
            table_console().print(comparison_table(record).rich())
        say(f"page: {result.page.resolve()}")


@app.command("sweep")
def sweep_command(
    table: Annotated[str, typer.Argument(help="A table of the paper, e.g. table11, or a sweep file.")],
    out: Annotated[Path | None, typer.Option(help="Folder of runs and table; by default runs/sweeps/TABLE.")] = None,
    scale: Annotated[str, typer.Option(help="Scale of the models: sprite or wan.")] = "sprite",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override of every row, e.g. steps=50.")] = None,
    jobs: Annotated[int, typer.Option(help="Rows trained side by side.", min=1)] = 1,
    processes: Annotated[int, typer.Option(help="Processes that train a row, one per GPU.", min=1)] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be trained and scored.")] = False,
) -> None:
    """Train, score and compare every row of a table; the same command resumes."""
    with reporting_errors():
        from probekit.cli.tables import table_console
        from probekit.reporting.comparison_tables import comparison_table
        from trainer.config.sweep import find_sweep
        from trainer.sweep import run_sweep, sweep_plan

        path = find_sweep(table)
        folder = out or Path("runs/sweeps") / path.stem
        if dry_run:
            say("\n".join(sweep_plan(path, folder, overrides or [], processes, scale)))
            return
        record = run_sweep(path, folder, overrides or [], jobs, processes, scale)
        table_console().print(comparison_table(record).rich())
        say((folder / "table" / "sweep.md").read_text(encoding="utf-8"))


@app.command("cost")
def cost_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe of stage 3.")],
    measure: Annotated[bool, typer.Option("--measure", help="Also time both arms, interleaved.")] = False,
    cycles: Annotated[int, typer.Option(help="Timed cycles of each arm.", min=1)] = 3,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override, e.g. --set batch_size=1.")] = None,
) -> None:
    """Operations of one cycle with and without foresight, by the paper's accounting and as executed; measured times."""
    with reporting_errors():
        from probekit.errors import UserError
        from trainer.config.recipe import DmdConfig, load_recipe
        from trainer.planning.cost_report import arithmetic_lines, measured_lines

        config = load_recipe(recipe, overrides or [])
        if not isinstance(config, DmdConfig):
            raise UserError(f"{recipe} is not a recipe of stage 3.", "Give an asymmetric_dmd recipe.")
        for line in (*arithmetic_lines(config), *(measured_lines(config, cycles) if measure else ())):
            say(line)


@app.command("describe")
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


@app.command("compare-logs")
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


@app.command("watch")
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


@app.command("encode-sprites")
def encode_sprites(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")] = Path("runs/sprite-latents"),
    shards: Annotated[int, typer.Option(help="Shards of 250 clips.", min=1)] = 48,
    split: Annotated[Split, typer.Option(help="Split of the data.")] = "train",
    model: Annotated[str, typer.Option(help="Model folder or shipped model whose codec encodes.")] = "sprite-base",
) -> None:
    """Render and encode clips of the sprite world for training."""
    with reporting_errors():
        from trainer.data.jobs import encode_sprite_clips

        encode_sprite_clips(out, shards, split, model)


@app.command("encode-videos")
def encode_videos_command(
    videos: Annotated[Path, typer.Argument(help="Folder of videos.")],
    captions: Annotated[Path, typer.Option(help="CSV or JSONL with file and caption.")],
    model: Annotated[str, typer.Option(help="Model folder, shipped model or Hub id whose codec encodes.")],
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    frames: Annotated[
        int, typer.Option(help="Frames per clip: 1 more than a multiple of 4.", min=1)
    ] = TRAINED_RGB_FRAMES,
    height: Annotated[int, typer.Option(help="Rows of a frame.", min=8)] = WAN_480P_GEOMETRY.rgb_height,
    width: Annotated[int, typer.Option(help="Columns of a frame.", min=8)] = WAN_480P_GEOMETRY.rgb_width,
    split: Annotated[Split, typer.Option(help="Split of the data.")] = "train",
    shard: ShardOption = None,
    skip_corrupt: Annotated[bool, typer.Option("--skip-corrupt", help="Leave out what cannot be read.")] = False,
) -> None:
    """Encode videos with captions for training; the same command goes on where it stopped."""
    with reporting_errors():
        from trainer.data.encode_videos import ClipSize
        from trainer.data.video_jobs import encode_captioned_videos

        size, share = ClipSize(frames, height, width), parse_shard(shard)
        for line in encode_captioned_videos(videos, captions, model, out, size, split, share, skip_corrupt):
            say(f"left out: {line}", err=True)


@app.command("audit-prompts")
def audit_prompts(
    training: Annotated[Path, typer.Argument(help="Training prompts: .txt, .csv, .parquet or a folder of them.")],
    evaluation: Annotated[str, typer.Argument(help="Evaluation suite, or another prompt file.")],
    near: Annotated[
        float,
        typer.Option(help="Share of common words above which two prompts count as the same.", min=0.1, max=1),
    ] = 0.9,
) -> None:
    """List evaluation prompts that are trained on, or nearly so; exits with 1 if there are any."""
    with reporting_errors():
        from probekit.suites.registry import load_suite
        from trainer.data.prompt_audit import shared_prompts
        from trainer.data.prompts import read_prompts

        if Path(evaluation).exists():
            prompts = [
                (f"prompt {number}", text) for number, text in enumerate(read_prompts(Path(evaluation)), start=1)
            ]
        else:
            prompts = [(prompt.prompt_id, prompt.text) for prompt in load_suite(evaluation).prompts]
        shared = shared_prompts(read_prompts(training), [text for _, text in prompts], near)
        for found in shared:
            name, text = prompts[found.number]
            say(f"{name}: {text} | {found.similarity:.0%} in training: {found.training}")
        say(f"{len(shared)} of {len(prompts)} evaluation prompts are trained on")
        if shared:
            raise typer.Exit(1)


@app.command("card")
def card(
    run: Annotated[Path, typer.Argument(help="Training run with an export.")],
    samples: Annotated[Path, typer.Option(help="Run folder of held-out videos sampled with the export.")],
    command: Annotated[str, typer.Option(help="Command that repeats the training.")],
) -> None:
    """Write the model card of a run's export: what made it, and how often its videos show what was asked."""
    with reporting_errors():
        from trainer.model_card import write_model_card

        say(f"wrote the card into {write_model_card(run, command, samples)}")


@app.command("fit-parts")
def fit_parts(
    out: Annotated[Path, typer.Option(help="Model folder for vae/, text_encoder/ and tokenizer/.")],
    episodes: Annotated[int, typer.Option(help="Training episodes for the codec.", min=2)] = 400,
    text_steps: Annotated[int, typer.Option(help="Optimizer steps of the text encoder.", min=1)] = 800,
) -> None:
    """Fit what the sprite models share: the linear codec and the text encoder."""
    with reporting_errors():
        from trainer.data.jobs import fit_shared_parts

        accuracy = fit_shared_parts(out, episodes, text_steps)
        say(f"wrote {out}; facts read from the text states: {accuracy:.1%}")
