"""What a causal generator was trained to be: `causal.json` in its model folder. Torch-free."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from probekit.atomic_files import write_json
from probekit.choices import Role
from probekit.config import FiniteModel
from probekit.config_errors import read_json_model
from probekit.diffusion.few_step import FewSteps, Guidance, Shift, SolverSteps
from probekit.errors import UserError

CAUSAL_CARD: Final = "causal.json"


class CausalCard(FiniteModel):
    """Role and sampling of a causal generator.

    Attributes:
        role: which stage made it.
        chunk_frames: latent frames generated together.
        shift: timestep shift of its noise levels.
        few_steps: steps of a few-step student before the shift, highest first; None for an Euler sampler.
        euler_steps: steps of the Euler sampler; None for a few-step student.
        guidance: scale of classifier-free guidance; students have it distilled in and use 1.
    """

    role: Role
    chunk_frames: int = Field(gt=0, le=2**16)
    shift: Shift
    few_steps: FewSteps | None = None
    euler_steps: SolverSteps | None = None
    guidance: Guidance = 1.0

    @model_validator(mode="after")
    def _one_sampler(self) -> Self:
        if (self.few_steps is None) == (self.euler_steps is None):
            raise ValueError("give either few_steps or euler_steps")
        return self


def is_causal(folder: Path) -> bool:
    """Whether a model folder holds a causal generator."""
    return (folder / CAUSAL_CARD).is_file()


def write_causal_card(folder: Path, card: CausalCard) -> None:
    """Write `causal.json`."""
    write_json(folder / CAUSAL_CARD, card.model_dump(mode="json"))


def read_causal_card(folder: Path, name: str = CAUSAL_CARD) -> CausalCard:
    """Read `causal.json`, or the card of another name beside a weight file.

    Raises:
        UserError: if the folder is not a causal generator's, or the file is broken.
    """
    path = folder / name
    if not path.is_file():
        raise UserError(f"{folder} is not a causal generator: it has no {name}.", "Give a streaming model.")
    return read_json_model(path, CausalCard, "Export the model again.")


def require_role(folder: Path, allowed: tuple[Role | None, ...], chunk_frames: int, use: str) -> None:
    """Refuse a model that cannot take the part asked of it; None stands for a bidirectional model.

    Raises:
        UserError: naming the role or chunk length found and those that fit.
    """
    card = read_causal_card(folder) if is_causal(folder) else None
    role = card.role if card else None
    names = ", ".join(name or "bidirectional" for name in allowed)
    if role not in allowed:
        raise UserError(
            f"{folder} is a {role or 'bidirectional'} model, which cannot be {use}.", f"Give one of: {names}."
        )
    if card is not None and card.chunk_frames != chunk_frames:
        raise UserError(
            f"{folder} was trained in chunks of {card.chunk_frames} latent frames, not {chunk_frames}.",
            f"Set chunk_frames: {card.chunk_frames}, or give another model.",
        )
