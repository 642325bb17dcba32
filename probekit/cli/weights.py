"""`probekit weights inspect`, `probekit weights convert` and `probekit weights changes`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.choices import Layout, Role
from probekit.cli.errors import reporting_errors
from probekit.cli.options import FEW_STEPS_TEXT, step_list
from probekit.cli.terminal import say
from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.geometry import CHUNK_FRAMES

if TYPE_CHECKING:
    from probekit.models.causal_card import CausalCard

app = typer.Typer(no_args_is_help=True, help="Weights of Wan transformers in every layout in use.")

BranchOption = Annotated[str | None, typer.Option(help="Branch of a .pt file, e.g. generator_ema.")]
WeightsOption = Annotated[
    str | None, typer.Option(help="File or index to read, in a folder with several sets of weights.")
]
HeadsOption = Annotated[int | None, typer.Option(help="Attention heads, where no configuration states them.", min=1)]


@app.callback()
def describe() -> None:
    """Look into weight files, convert them, and say how training moved them."""


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
    to: Annotated[Layout, typer.Option(help="Layout to write.")] = "diffusers",
    parts: Annotated[str | None, typer.Option(help="Model whose text encoder, tokenizer and codec are copied.")] = None,
    role: Annotated[Role | None, typer.Option(help="Role, where the source does not state it.")] = None,
    chunk_frames: Annotated[int, typer.Option(help="With --role: latent frames of a chunk.", min=1)] = CHUNK_FRAMES,
    shift: Annotated[float, typer.Option(help="With --role: timestep shift of its noise levels.")] = 5.0,
    steps: Annotated[str, typer.Option(help="With --role: few-step list, or number of Euler steps.")] = FEW_STEPS_TEXT,
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
        if to == "self-forcing":
            export_self_forcing(opened, out, card)
        else:
            export_diffusers(opened, out, None if parts is None else model_folder(parts), card)
        for line in opened.file.left_out:
            say(f"read {line}")
        say(f"wrote {out}")


@app.command()
def changes(
    before: Annotated[str, typer.Argument(help="Model that the trainings started from.")],
    after: Annotated[list[str], typer.Argument(help="Trained models, of the same configuration.")],
    out: Annotated[Path, typer.Option(help="Folder for weight_changes.csv, .md and .tex.")],
) -> None:
    """Say how far trainings moved the weights, by block: share of weights that moved, and distance."""
    with reporting_errors():
        from probekit.cli.tables import table_console
        from probekit.workflows.weight_changes import changes_table

        table_console().print(changes_table(before, after, out).rich())
        say(f"wrote {out}/weight_changes.csv, .md, .tex")


def _card(role: Role, chunk_frames: int, shift: float, steps: str) -> "CausalCard":
    from probekit.models.causal_card import CausalCard

    numbers = step_list(steps) or ()
    sampler = {"euler_steps": numbers[0], "guidance": 6.0} if role == "ar_teacher" else {"few_steps": numbers}
    card = {"role": role, "chunk_frames": chunk_frames, "shift": shift, **sampler}
    return validated(CausalCard, card, "the command's options")
