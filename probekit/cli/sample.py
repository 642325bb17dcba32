"""`probekit sample`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from probekit.choices import Rotary
from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, SuiteOptions, parse_shard, step_list
from probekit.cli.terminal import say
from probekit.config_errors import validated
from probekit.devices import usable_device
from probekit.errors import UserError
from probekit.models.context_policy import TRAINED_WINDOW
from probekit.rollout.sampling_config import CLIP_GUIDANCE, CLIP_SHIFT, CLIP_STEPS, SamplingConfig
from probekit.visible_gpus import take_own_gpu

if TYPE_CHECKING:
    from probekit.geometry import LatentGeometry
    from probekit.run_folder.shard import Shard
    from probekit.suites.suite import Suite


def _own(default: float) -> str:
    return f"Default {default:g}; of other pipelines, their own."


Steps = Annotated[int | None, typer.Option(help=f"Bidirectional models: solver steps. {_own(CLIP_STEPS)}")]
Guidance = Annotated[float | None, typer.Option(help=f"Bidirectional models: guidance. {_own(CLIP_GUIDANCE)}")]
Shift = Annotated[float | None, typer.Option(help=f"Bidirectional models: timestep shift. {_own(CLIP_SHIFT)}")]


def sample(
    model: Annotated[str, typer.Option(help="Shipped model, model folder, Hub id, or sprite-world: true videos.")],
    out: Annotated[Path, typer.Option(help="Run folder for the videos; finished ones are kept.")],
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    suite_option: SuiteOptions = None,
    prompts: Annotated[str | None, typer.Option(help="A prompt file in place of the suite, or the first N.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the videos, rounded up to whole chunks.")] = None,
    size: Annotated[str | None, typer.Option(help="Frame size, rows x columns, where it is not the suite's.")] = None,
    samples: Annotated[int | None, typer.Option(help="Only the first N videos of each prompt.", min=1)] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    shift: Shift = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What guidance steers away from.")] = None,
    few_steps: Annotated[str | None, typer.Option(help="Streaming: list of steps, e.g. 1000,500.")] = None,
    first_chunk_steps: Annotated[str | None, typer.Option(help="Streaming: list of the first chunk's steps.")] = None,
    window: Annotated[int, typer.Option(help="Streaming: latent frames in the window; 0 is all.")] = (
        TRAINED_WINDOW.window_frames or 0
    ),
    sink: Annotated[int, typer.Option(help="Streaming: first latent frames that never leave.")] = (
        TRAINED_WINDOW.sink_frames
    ),
    rotary: Annotated[Rotary, typer.Option(help="Streaming: positions of frames.")] = TRAINED_WINDOW.rotary,
    seed: Annotated[int, typer.Option(help="Run seed of the noise.", min=0)] = 0,
    batch_size: Annotated[
        int | None, typer.Option(help="Videos between two writes of the manifest; does not change them.", min=1)
    ] = None,
    shard: ShardOption = None,
    prompt_cache: Annotated[Path | None, typer.Option(help="Keep prompt embeddings here and free the encoder.")] = None,
    device: Annotated[str, typer.Option(help="Where networks run: cpu, or cuda (under torchrun: its own).")] = "cpu",
    bf16: Annotated[bool, typer.Option("--bf16", help="Half precision.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Streaming: compile; faster after a minute.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Also measure speed and latency: speed.json.")] = False,
    warm_up: Annotated[int, typer.Option(help="With --measure: videos before the first measured one.", min=0)] = 1,
    repeats: Annotated[int, typer.Option(help="With --measure: measured videos.", min=1)] = 3,
    plan: Annotated[bool, typer.Option("--plan", help="Print operations, memory and time, and stop.")] = False,
) -> None:
    """Sample a suite of prompts with a model into a run folder."""
    with reporting_errors():
        share = parse_shard(shard)
        take_own_gpu()
        usable_device(device)
        config = _config(
            steps=steps, guidance=guidance, shift=shift, negative_prompt=negative_prompt,
            few_steps=step_list(few_steps), first_chunk_steps=step_list(first_chunk_steps),
            policy=_policy(window, sink, rotary), seed=seed, device=device,
            precision="bfloat16" if bf16 else "float32", compile=compiled,
        )  # fmt: skip
        planned = _planned(model, suite, suite_option, prompts, samples, seconds, size)
        if plan:
            _print_plan(model, planned, config)
            return
        _check_measurable(measure, share, prompt_cache)
        from probekit.workflows.sample import SpeedSettings, sample_suite

        rows = sample_suite(
            model, planned, out, config, shard=share, batch_size=batch_size, prompt_cache=prompt_cache,
            speed=SpeedSettings(warm_up, repeats) if measure else None,
        )  # fmt: skip
        say(f"{len(rows)} videos in {out}{', and speed.json' if measure else ''}")


def _print_plan(model: str, planned: "Suite", config: SamplingConfig) -> None:
    from probekit.models.model_folder import model_folder
    from probekit.rollout.world_sampler import WORLD_MODEL
    from probekit.workflows.sampling_plan import plan_lines

    if model == WORLD_MODEL:
        raise UserError("There is nothing to plan: the sprite world renders videos in no time.", "Leave out --plan.")
    for line in plan_lines(model_folder(model), planned, config):
        say(line)


def _check_measurable(measure: bool, share: "Shard | None", prompt_cache: Path | None) -> None:
    if not measure:
        return
    if share is not None:
        raise UserError("Several workers on one machine would slow one another.", "Use --measure without --shard.")
    if prompt_cache is not None:
        raise UserError("The text encoder belongs to the time of a video.", "Use --measure without --prompt-cache.")


def _config(**chosen: Any) -> SamplingConfig:
    """The configuration of a command's options; an option that was not given leaves the field as it is."""
    given = {name: value for name, value in chosen.items() if value is not None}
    return validated(SamplingConfig, given, "the command's options")


def _policy(window: int, sink: int, rotary: Rotary) -> dict[str, Any] | None:
    """Fields of a policy; None if they are the usual ones."""
    policy = {"window_frames": window or None, "sink_frames": sink, "rotary": rotary}
    return None if policy == TRAINED_WINDOW.model_dump() else policy


def _planned(
    model: str,
    suite: str,
    suite_option: list[str] | None,
    prompts: str | None,
    samples: int | None,
    seconds: float | None,
    size: str | None,
) -> "Suite":
    """The suite, cut to its first prompts, at another length, or made of a prompt file."""
    from probekit.suites.prompt_files import suite_from_file
    from probekit.suites.registry import load_suite

    if prompts is None or prompts.isdecimal():
        chosen = load_suite(suite, suite_option or ()).reduced(int(prompts) if prompts else None, samples)
        if size is not None:
            rows, columns = _size(size)
            chosen = chosen._replace(height=rows, width=columns)
        if seconds is None:
            return chosen
        frames = _geometry(model, (chosen.height, chosen.width)).frames_for(seconds)
        return chosen._replace(frames=frames, horizon=f"{seconds:g}s")
    if suite_option:
        raise UserError(f"A prompt file has no {suite_option[0]!r}.", "Leave out --suite-option, or the prompt file.")
    asked = None if size is None else _size(size)
    made = suite_from_file(
        Path(prompts),
        seconds=5.0 if seconds is None else seconds,
        geometry=_geometry(model, asked),
        samples=samples or 1,
    )
    return made if asked is None else made._replace(height=asked[0], width=asked[1])


def _geometry(model: str, size: tuple[int, int] | None) -> "LatentGeometry":
    """Sizes of a model's videos in the frames that were asked for, or in its usual ones."""
    from probekit.models.model_folder import model_folder
    from probekit.models.model_geometry import geometry_of, usual_geometry
    from probekit.models.pipeline_folder import is_foreign
    from probekit.models.presets import SPRITE_GEOMETRY, WAN_480P_GEOMETRY
    from probekit.rollout.world_sampler import WORLD_MODEL

    if model == WORLD_MODEL:
        return SPRITE_GEOMETRY
    folder = model_folder(model)
    if is_foreign(folder):  # which sizes it can make, its own pipeline knows
        return WAN_480P_GEOMETRY
    usual = usual_geometry(folder)
    return geometry_of(folder, *(size or (usual.rgb_height, usual.rgb_width)))


def _size(text: str) -> tuple[int, int]:
    rows, _, columns = text.partition("x")
    if not all(side.isdecimal() and len(side) < 6 and int(side) > 0 for side in (rows, columns)):
        raise UserError(f"{text[:40]!r} is not a frame size.", "Write rows x columns, e.g. 480x832.")
    return int(rows), int(columns)
