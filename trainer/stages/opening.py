"""Opening the models of a causal stage, and whether a clip is whole chunks."""

from pathlib import Path
from typing import Final

import torch
from diffusers import WanTransformer3DModel

from probekit.choices import Role
from probekit.errors import UserError
from probekit.models.causal_card import require_role
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import load_codec, load_transformer
from probekit.models.model_folder import model_folder
from probekit.models.video_codec import VideoCodec
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig
from trainer.config.recipe import DmdConfig
from trainer.config.run import CausalRunConfig

_STUDENT_ROLES: Final[tuple[Role | None, ...]] = ("ar_teacher", "ode_student")


def initial_roles(config: CausalRunConfig) -> tuple[Role | None, ...]:
    """Roles that the initial model of a stage may have; None stands for a bidirectional model."""
    match config:
        case AutoregressiveConfig():
            return (None, "ar_teacher")
        case CausalOdeConfig(clean_context=False):
            return (None, *_STUDENT_ROLES)
        case DmdConfig():
            return ("ode_student", "dmd_student")
        case _:
            return _STUDENT_ROLES


def open_generator(model: str, allowed: tuple[Role | None, ...], chunk_frames: int, use: str) -> CausalWan:
    """A trainable causal generator in fp32 that starts from a model folder's transformer.

    Raises:
        UserError: if the folder's model has another role, chunk length or architecture.
    """
    folder = model_folder(model)
    require_role(folder, allowed, chunk_frames, use)
    plain = load_transformer(folder)
    generator = CausalWan(**dict(plain.config))
    generator.load_state_dict(plain.state_dict())
    trainable: CausalWan = generator.train().requires_grad_(True)
    return trainable


def open_codec(model: Path) -> VideoCodec:
    """The codec of a model, by name or folder.

    Raises:
        UserError: if there is no such model, or it has no codec.
    """
    return load_codec(model_folder(str(model)))


def open_score(model: str, chunk_frames: int, use: str, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """A bidirectional transformer, frozen; in bf16 all of it is, so that it can be sharded.

    Raises:
        UserError: if the folder holds a causal generator or another architecture.
    """
    folder = model_folder(model)
    require_role(folder, (None,), chunk_frames, use)
    transformer = load_transformer(folder, dtype)
    _convert(transformer, dtype)
    return transformer


def open_causal_score(model: str, chunk_frames: int, use: str, dtype: torch.dtype = torch.float32) -> CausalWan:
    """An AR teacher as a score of chunks given the clean chunks before them.

    Raises:
        UserError: if the folder holds another kind of model or one of other chunks.
    """
    score = open_generator(model, ("ar_teacher",), chunk_frames, use)
    _convert(score, dtype)
    return score


def _convert(model: WanTransformer3DModel, dtype: torch.dtype) -> None:
    """Bring every tensor to a data type; diffusers' own `to` leaves some in fp32."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.to(dtype)


def check_frames(latent_frames: int, chunk_frames: int) -> int:
    """Chunks of a clip.

    Raises:
        UserError: if the clip is not whole chunks.
    """
    chunks, rest = divmod(latent_frames, chunk_frames)
    if rest or not chunks:
        raise UserError(
            f"latent_frames: {latent_frames} is not a multiple of chunk_frames: {chunk_frames}.",
            f"Use {max(1, chunks) * chunk_frames} latent frames, for example.",
        )
    return chunks
