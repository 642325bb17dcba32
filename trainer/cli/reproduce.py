"""`trainer reproduce`: the chain from nothing, or tables and figures of the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from probekit.choices import Backend
from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from probekit.errors import UserError
from trainer.config.choices import CLIP_SHARDS

if TYPE_CHECKING:
    from trainer.reproduction.request import Request

_CHAIN: Final = Path("runs/reproduce")


def reproduce_command(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Tables and figures, e.g. table01 figure06; none is the sprite chain.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Scale of the models: sprite or wan.")] = "sprite",
    out: Annotated[
        Path | None, typer.Option(help="Folder of everything that is made; by default below runs/reproduce.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only list commands, what is done and what remains.")] = False,
    from_results: Annotated[
        bool, typer.Option("--from-results", help="Only draw, from the results that the folder holds.")
    ] = False,
    prompts: Annotated[int | None, typer.Option(help="Targets: only the first N prompts.", min=2)] = None,
    samples: Annotated[int | None, typer.Option(help="Targets: only N videos of each prompt.", min=1)] = None,
    steps: Annotated[int | None, typer.Option(help="Targets: only N updates of each training.", min=1)] = None,
    suite: Annotated[str | None, typer.Option(help="Targets: suite in place of the scale's.")] = None,
    processes: Annotated[int | None, typer.Option(help="Targets: processes, one per GPU.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="Targets: device that videos are sampled on.")] = None,
    backend: Annotated[Backend | None, typer.Option(help="Targets: implementation of VBench's scores.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override: of one run of the chain, sprite-ar:steps=100; of every row of a target."),
    ] = None,
    shards: Annotated[int, typer.Option(help="Chain: shards of 250 training clips.", min=1)] = CLIP_SHARDS,
) -> None:
    """Make tables and figures of the paper, or without a target every stage of the sprite scale from nothing."""
    with reporting_errors():
        if not targets:
            if plan or from_results:
                raise UserError("--plan and --from-results are about targets.", "Name some, e.g. table01.")
            _reproduce_chain(scale, out or _CHAIN, overrides or [], shards)
            return
        from trainer.reproduction.request import Machine, Request, Size, scale_named

        own = scale_named(scale).machine
        machine = Machine(processes or own.processes, device or own.device, backend or own.backend)
        size = Size(prompts, samples, steps)
        folder = out or _CHAIN / f"{scale}{'-small' if size.is_small() else ''}"
        request = Request(scale, folder, size, machine, tuple(overrides or ()), suite)
        _reproduce_targets(list(dict.fromkeys(targets)), request, only_plan=plan, only_draw=from_results)


def _reproduce_chain(scale: str, out: Path, overrides: Sequence[str], shards: int) -> None:
    from trainer.reproduce import parse_changes, reproduce

    if not reproduce(scale, out, changes=parse_changes(overrides), shards=shards):
        raise typer.Exit(130)


def _reproduce_targets(targets: Sequence[str], request: "Request", *, only_plan: bool, only_draw: bool) -> None:
    from trainer.commands.running import INTERRUPTED, plan_lines, run_plan
    from trainer.reproduction.drawing import draw_target
    from trainer.reproduction.plan import plan_of
    from trainer.reproduction.targets import target_named

    for target in targets:
        heading = target_named(target).named()
        if only_plan:
            say(f"{target}: {heading}, {request.scale} scale, in {request.out}")
            say("\n".join(plan_lines(plan_of([target], request))))
            continue
        if not only_draw and not run_plan(plan_of([target], request), _call):
            raise typer.Exit(INTERRUPTED)
        for path in draw_target(target, request):
            say(f"wrote {path}")


def _call(words: Sequence[str]) -> int:
    """Run a command line of a plan: in this process, or under torchrun in processes of its own."""
    from probekit.children import passing_on_signals, run_child
    from probekit.cli.main import app as probekit_app
    from trainer.cli import app as trainer_app

    program, *arguments = words
    if program == "torchrun":
        with passing_on_signals():
            return run_child("torch.distributed.run", arguments)
    command: Any = typer.main.get_command({"probekit": probekit_app, "trainer": trainer_app}[program])
    return int(command.main(arguments, prog_name=program, standalone_mode=False) or 0)
