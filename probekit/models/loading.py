"""Opening model folders in diffusers layout: `transformer/`, `vae/`, `text_encoder/`, `tokenizer/`, `scheduler/`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
)
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from probekit.choices import Precision
from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.library_errors import reading
from probekit.models.component_configs import (
    COPY_AGAIN,
    FlowSchedulerConfig,
    LinearCodecConfig,
    WanVaeConfig,
    checked,
    class_named,
    codec_facts,
    read_component_config,
    text_sizes,
)
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.model_geometry import transformer_geometry
from probekit.models.presets import WAN_FAMILY
from probekit.models.text_encoding import TextEncoder
from probekit.models.transformer_folder import transformer_config
from probekit.models.transformer_source import TransformerSource, open_place
from probekit.models.video_codec import VideoCodec
from probekit.models.wan_codec import WanVideoCodec
from probekit.models.weight_faults import shown
from probekit.models.weight_files import read_set
from probekit.models.weight_sets import chosen_set, hash_set
from probekit.tensor_files import format_of
from probekit.user_files.json_files import read_json_object

LOGGER = logging.getLogger("probekit")

_SCHEDULERS: Final[dict[str, type[SchedulerMixin]]] = {
    "UniPCMultistepScheduler": UniPCMultistepScheduler,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEulerDiscreteScheduler,
}
_AGAIN: Final = "Copy or download the model again."


def load_text_encoder(folder: Path) -> TextEncoder:
    """Open the text side; prompts are padded to 512 tokens unless the tokenizer states less.

    Raises:
        UserError: if the folder has none, its sizes are out of bounds, or its weights are not exactly the encoder's.
    """
    part = folder / "text_encoder"
    text_sizes(folder)
    for file in chosen_set(part, stem="model").files:
        format_of(file)
    tokenizer = _tokenizer(folder)
    with reading(f"The text encoder in {part} cannot be opened", COPY_AGAIN):
        encoder, found = UMT5EncoderModel.from_pretrained(
            part, dtype=torch.float32, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    wrong = sorted({*found["missing_keys"], *found["unexpected_keys"]} - _TIED)
    if wrong:
        raise UserError(f"The weights in {part} are not those of its configuration: {shown(wrong)}.", COPY_AGAIN)
    return TextEncoder(tokenizer, encoder, _padded_length(tokenizer, folder))


_TIED: Final = {"encoder.embed_tokens.weight", "shared.weight"}
"""Two names of one table, of which files hold either."""


def prompt_length(folder: Path) -> int:
    """Tokens to which every prompt is padded, without opening the encoder."""
    return _padded_length(_tokenizer(folder), folder)


def _padded_length(tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    stated: object = tokenizer.model_max_length
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not stated >= 1:
        raise UserError(
            f"{folder / 'tokenizer' / 'tokenizer_config.json'}: model_max_length = {stated!r} is no number of tokens.",
            COPY_AGAIN,
        )
    return int(min(WAN_FAMILY.text_tokens, stated))


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    read_component_config(folder, "tokenizer", "tokenizer_config.json")
    with reading(f"The tokenizer in {folder / 'tokenizer'} cannot be opened", COPY_AGAIN):
        return AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True, trust_remote_code=False)


def load_codec(folder: Path) -> VideoCodec:
    """Open the video codec, whichever class the folder names.

    Raises:
        UserError: if the class is another, its sizes are out of bounds, or its weights are not exactly the codec's.
    """
    config, source = read_component_config(folder, "vae"), folder / "vae" / "config.json"
    name = class_named(config, source)
    if name == "LinearVideoCodec":
        codec: LinearVideoCodec = LinearVideoCodec(**checked(LinearCodecConfig, config, source).model_dump()).eval()
        _fill(codec, folder / "vae")
        return codec
    if name == "AutoencoderKLWan":
        sizes = checked(WanVaeConfig, config, source).model_dump(exclude_none=True)
        with reading(f"No codec can be built from {source}", COPY_AGAIN):
            vae = AutoencoderKLWan(**sizes)
        _fill(vae, folder / "vae")
        return WanVideoCodec(vae)
    raise UserError(f"{folder / 'vae'} holds a {name}.", "Use LinearVideoCodec or AutoencoderKLWan.")


def _fill(module: nn.Module, folder: Path) -> None:
    """Fill a module with the weights of its folder, which must be exactly its own."""
    chosen = chosen_set(folder)
    state = read_set(chosen)
    with reading(f"The weights in {folder / chosen.name} do not fit its configuration", COPY_AGAIN):
        module.load_state_dict(dict(state))


def load_transformer(folder: Path, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """Open the denoiser for inference, from the file that diffusers would open.

    Raises:
        UserError: if the folder holds no text-to-video Wan, or its weights do not fit it.
    """
    read_component_config(folder, "transformer")
    return transformer_from(open_place(folder), dtype)


def transformer_from(source: TransformerSource, dtype: torch.dtype = torch.float32) -> WanTransformer3DModel:
    """A transformer with the weights of an opened source, for inference; what diffusers keeps in fp32 is in fp32."""
    for line in source.file.left_out:
        LOGGER.warning("%s: read %s", source.path, line)
    with init_empty_weights(include_buffers=False):
        model = WanTransformer3DModel(**source.config)
    model.load_state_dict(_in_precision(model, source.file.weights, dtype), assign=True)
    return model.eval().requires_grad_(False)


def _in_precision(model: WanTransformer3DModel, weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    whole = set(model._keep_in_fp32_modules)
    kept = {name: torch.float32 if set(name.split(".")) & whole else dtype for name in weights}
    return {name: tensor.to(kept[name]) for name, tensor in weights.items()}


def load_scheduler(folder: Path) -> SchedulerMixin:
    """Open the scheduler that the folder names.

    Raises:
        UserError: if it is not a flow-matching scheduler, or its settings are out of bounds.
    """
    config = read_component_config(folder, "scheduler", "scheduler_config.json")
    path = folder / "scheduler" / "scheduler_config.json"
    name = class_named(config, path)
    if name not in _SCHEDULERS:
        raise UserError(f"{path} names {name}.", f"Use {' or '.join(_SCHEDULERS)}.")
    checked(FlowSchedulerConfig, config, path)
    with reading(f"No scheduler can be built from {path}", COPY_AGAIN):
        return _SCHEDULERS[name].from_config(config)


def hash_checkpoint(folder: Path) -> str:
    """SHA-256 over the transformer's weight files that are read, in the order of their names."""
    return hash_set(chosen_set(folder / "transformer"))


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
        return transformer_geometry(self.transformer.config, self.codec.spatial_stride, height, width)


def in_precision(model: WanTransformer3DModel, dtype: torch.dtype) -> WanTransformer3DModel:
    """Change a transformer's numbers in place, but for the modules that diffusers keeps in fp32."""
    for name, parameter in model.named_parameters():
        if not set(name.split(".")) & set(model._keep_in_fp32_modules):
            parameter.data = parameter.data.to(dtype)
    return model


def data_type(precision: Precision) -> torch.dtype:
    """The number format of a name."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def model_name(folder: Path) -> str:
    """The folder's name; a training run's, if the folder is its `export`; the model's own, if it is a Hub snapshot."""
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots" and resolved.parents[1].name.startswith("models--"):
        return resolved.parents[1].name.rpartition("--")[2]
    return resolved.parent.name if resolved.name == "export" else resolved.name


def load_model(folder: Path, text: PromptEncoder | None = None) -> ModelParts:
    """Open all parts of a model folder for sampling in fp32, once their configurations fit one another.

    Args:
        folder: model folder.
        text: embeds prompts in place of the folder's own encoder, which is then not opened.

    Raises:
        UserError: naming the part that is missing or of an unknown class.
    """
    transformer_config(folder)
    card = folder / "model_card.json"
    facts = read_json_object(card, fix=COPY_AGAIN) if card.is_file() else {}
    return ModelParts(
        name=model_name(folder),
        transformer=load_transformer(folder),
        codec=load_codec(folder),
        text=text or load_text_encoder(folder),
        scheduler=load_scheduler(folder),
        codec_name=codec_facts(folder).name,
        checkpoint_hash=hash_checkpoint(folder),
        ema=facts["ema"] if isinstance(facts.get("ema"), bool) else None,
    )
