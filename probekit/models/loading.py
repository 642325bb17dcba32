"""Opening model folders in diffusers layout: `transformer/`, `vae/`, `text_encoder/`, `tokenizer/`, `scheduler/`."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
)
from torch import Tensor
from transformers import AutoTokenizer, UMT5EncoderModel

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.model_folder import read_component_config
from probekit.models.text_encoding import TextEncoder
from probekit.models.video_codec import VideoCodec
from probekit.models.wan_codec import WanVideoCodec

WAN_TEXT_TOKENS: Final = 512
_SCHEDULERS: Final[dict[str, type[SchedulerMixin]]] = {
    "UniPCMultistepScheduler": UniPCMultistepScheduler,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEulerDiscreteScheduler,
}


def load_text_encoder(folder: Path) -> TextEncoder:
    """Open the text side; prompts are padded to 512 tokens unless the tokenizer states less."""
    read_component_config(folder, "text_encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    return TextEncoder(tokenizer, encoder, min(WAN_TEXT_TOKENS, tokenizer.model_max_length))


def prompt_length(folder: Path) -> int:
    """Tokens to which every prompt is padded, without opening the encoder."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    return int(min(WAN_TEXT_TOKENS, tokenizer.model_max_length))


def load_codec(folder: Path) -> VideoCodec:
    """Open the video codec, whichever class the folder names."""
    name = read_component_config(folder, "vae")["_class_name"]
    if name == "LinearVideoCodec":
        codec: VideoCodec = LinearVideoCodec.from_pretrained(folder / "vae").eval()
        return codec
    if name == "AutoencoderKLWan":
        return WanVideoCodec(AutoencoderKLWan.from_pretrained(folder / "vae"))
    raise UserError(f"{folder / 'vae'} holds a {name}.", "Use LinearVideoCodec or AutoencoderKLWan.")


def load_transformer(folder: Path, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """Open the denoiser for inference.

    Raises:
        UserError: if the folder holds no Wan transformer, or its weights do not fit it.
    """
    name = read_component_config(folder, "transformer")["_class_name"]
    if name != "WanTransformer3DModel":
        raise UserError(f"{folder / 'transformer'} holds a {name}.", "Use a WanTransformer3DModel.")
    try:
        model = WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=dtype)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The weights in {folder / 'transformer'} cannot be opened: {error}", "Copy them again."
        ) from error
    return model.eval().requires_grad_(False)


def load_scheduler(folder: Path) -> SchedulerMixin:
    """Open the scheduler that the folder names.

    Raises:
        UserError: if it is not a flow-matching scheduler.
    """
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        raise UserError(f"{folder} has no scheduler/scheduler_config.json.", "Give a folder in diffusers layout.")
    name = json.loads(path.read_text(encoding="utf-8"))["_class_name"]
    if name not in _SCHEDULERS:
        raise UserError(f"{path} names {name}.", f"Use {' or '.join(_SCHEDULERS)}.")
    return _SCHEDULERS[name].from_pretrained(folder / "scheduler")


def hash_checkpoint(folder: Path) -> str:
    """SHA-256 over the transformer's weight files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted((folder / "transformer").glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class PromptEncoder(Protocol):
    """What turns prompts into embeddings."""

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """(B, tokens, width), zero after each prompt's own tokens."""
        ...


class ModelParts(NamedTuple):
    """An opened model folder.

    Attributes:
        ema: whether the weights are an exponential moving average; None where the folder does not say.
    """

    name: str
    transformer: WanTransformer3DModel
    codec: VideoCodec
    text: PromptEncoder
    scheduler: SchedulerMixin
    codec_name: str
    checkpoint_hash: str
    ema: bool | None

    def to(self, device: torch.device | str) -> "ModelParts":
        """Move the transformer and the codec; and the text encoder, if it is the folder's own."""
        text = self.text.to(torch.device(device)) if isinstance(self.text, TextEncoder) else self.text
        return self._replace(transformer=self.transformer.to(device), codec=self.codec.to(device), text=text)

    def geometry(self, height: int, width: int) -> LatentGeometry:
        """Latent sizes of videos of height x width pixels.

        Raises:
            UserError: if the size is not a multiple of the codec's stride times the patch.
        """
        _, rows, columns = self.transformer.config.patch_size
        stride = self.codec.spatial_stride
        if height % (stride * rows) or width % (stride * columns):
            raise UserError(
                f"{self.name} cannot make frames of {height}x{width}.",
                f"Use multiples of {stride * rows} x {stride * columns} pixels.",
            )
        return LatentGeometry(
            latent_channels=self.transformer.config.in_channels,
            latent_height=height // stride,
            latent_width=width // stride,
            patch=tuple(self.transformer.config.patch_size),
            spatial_stride=stride,
        )


def in_precision(model: WanTransformer3DModel, dtype: torch.dtype) -> WanTransformer3DModel:
    """Change a transformer's numbers in place, but for the modules that diffusers keeps in fp32."""
    for name, parameter in model.named_parameters():
        if not set(name.split(".")) & set(model._keep_in_fp32_modules):
            parameter.data = parameter.data.to(dtype)
    return model


def precision_name(dtype: torch.dtype) -> str | None:
    """A number format as protocol cards state it; None for float32, the usual one."""
    return None if dtype == torch.float32 else str(dtype).removeprefix("torch.")


def model_name(folder: Path) -> str:
    """The folder's name; a training run's, if the folder is its `export`; the model's own, if it is a Hub snapshot."""
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots" and resolved.parents[1].name.startswith("models--"):
        return resolved.parents[1].name.rpartition("--")[2]
    return resolved.parent.name if resolved.name == "export" else resolved.name


def load_model(folder: Path, text: PromptEncoder | None = None) -> ModelParts:
    """Open all parts of a model folder for sampling in fp32.

    Args:
        folder: model folder.
        text: embeds prompts in place of the folder's own encoder, which is then not opened.

    Raises:
        UserError: naming the part that is missing or of an unknown class.
    """
    card = folder / "model_card.json"
    facts = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    return ModelParts(
        name=model_name(folder),
        transformer=load_transformer(folder),
        codec=load_codec(folder),
        text=text or load_text_encoder(folder),
        scheduler=load_scheduler(folder),
        codec_name=read_component_config(folder, "vae")["_class_name"],
        checkpoint_hash=hash_checkpoint(folder),
        ema=facts.get("ema"),
    )
