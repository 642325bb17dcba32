"""`probekit weights inspect` and `probekit weights convert`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from probekit.errors import UserError

if TYPE_CHECKING:
    from probekit.models.causal_card import CausalCard

app = typer.Typer(no_args_is_help=True, help="Weights of Wan transformers in every layout in use.")

BranchOption = Annotated[str | None, typer.Option(help="Branch of a .pt file, e.g. generator_ema.")]
WeightsOption = Annotated[
    str | None, typer.Option(help="File or index to read, in a folder with several sets of weights.")
]
HeadsOption = Annotated[int | None, typer.Option(help="Attention heads, where no configuration states them.", min=1)]


class TargetLayout(StrEnum):
    """Layouts that `convert` writes."""

    diffusers = "diffusers"
    self_forcing = "self-forcing"


class CausalRole(StrEnum):
    """What a causal generator was trained to be."""

    ar_teacher = "ar_teacher"
    ode_student = "ode_student"
    dmd_student = "dmd_student"


@app.callback()
def describe() -> None:
    """Look into weight files and convert them."""


@app.command()
def inspect(
    source: Annotated[str, typer.Argument(help="Weight file, model folder, Hub id or shipped model.")],
    branch: BranchOption = None,
    weights: WeightsOption = None,
    heads: HeadsOption = None,
) -> None:
    """Say what a file holds: layout, branches, size, role; every key that does not fit is named."""
    with reporting_errors():
        from probekit.models.transformer_source import open_transformer
        from probekit.models.weight_summary import summary_lines

        for line in summary_lines(open_transformer(source, branch, heads, weights)):
            say(line)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(help="Weight file, model folder, Hub id or shipped model.")],
    out: Annotated[Path, typer.Argument(help="Folder (diffusers) or file (self-forcing) to write.")],
    to: Annotated[TargetLayout, typer.Option(help="Layout to write.")] = TargetLayout.diffusers,
    parts: Annotated[str | None, typer.Option(help="Model whose text encoder, tokenizer and codec are copied.")] = None,
    role: Annotated[CausalRole | None, typer.Option(help="Role, where the source does not state it.")] = None,
    chunk_frames: Annotated[int, typer.Option(help="With --role: latent frames generated together.", min=1)] = 3,
    shift: Annotated[float, typer.Option(help="With --role: timestep shift of its noise levels.")] = 5.0,
    steps: Annotated[str, typer.Option(help="With --role: few-step list, or a number of Euler steps.")] = (
        "1000,750,500,250"
    ),
    branch: BranchOption = None,
    weights: WeightsOption = None,
    heads: HeadsOption = None,
) -> None:
    """Convert weights between layouts; every tensor keeps its bits."""
    with reporting_errors():
        card = None if role is None else _card(role, chunk_frames, shift, steps)
        from probekit.models.model_folder import model_folder
        from probekit.models.transformer_source import open_transformer
        from probekit.models.weight_export import export_diffusers, export_self_forcing

        opened = open_transformer(source, branch, heads, weights)
        if card is not None and opened.card is not None and card.role != opened.card.role:
            raise UserError(f"{source} is a {opened.card.role}, not a {card.role}.", "Leave --role out.")
        if to is TargetLayout.self_forcing:
            export_self_forcing(opened, out, card)
        else:
            export_diffusers(opened, out, None if parts is None else model_folder(parts), card)
        for line in opened.file.left_out:
            say(f"read {line}")
        say(f"wrote {out}")


def _card(role: CausalRole, chunk_frames: int, shift: float, steps: str) -> "CausalCard":
    from probekit.models.causal_card import CausalCard, Role

    try:
        numbers = tuple(int(step) for step in steps.split(","))
    except ValueError as error:
        raise UserError(f"--steps {steps} is not a list of numbers.", "Give 1000,750,500,250 or 48.") from error
    if role is CausalRole.ar_teacher:
        return CausalCard(
            role="ar_teacher", chunk_frames=chunk_frames, shift=shift, euler_steps=numbers[0], guidance=6.0
        )
    student: Role = "ode_student" if role is CausalRole.ode_student else "dmd_student"
    return CausalCard(role=student, chunk_frames=chunk_frames, shift=shift, few_steps=numbers)
