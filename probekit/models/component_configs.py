"""Configurations in model folders, checked before anything is built from them. Torch-free."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from probekit.config_errors import validated
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.errors import UserError
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.user_files.json_files import read_json_object

M = TypeVar("M", bound=BaseModel)

Width = Annotated[int, Field(gt=0, le=2**17)]
Count = Annotated[int, Field(gt=0, le=1024)]
"""Layers, heads: the largest published models have about a hundred."""
_MOST_PARAMETERS: Final = 10**12
COPY_AGAIN: Final = "Copy or download the model again."
_CODE: Final = "auto_map"
"""Where transformers and diffusers look for classes that a folder brings along."""
_KERNEL: Final = "attn_implementation"
_QUANTISED: Final = "quantization_config"


class _Sizes(BaseModel):
    """The keys of a configuration that something is built from; others are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class WanTransformerConfig(_Sizes):
    """Constructor arguments of diffusers' `WanTransformer3DModel`, with its defaults."""

    patch_size: tuple[Literal[1], Annotated[int, Field(gt=0, le=16)], Annotated[int, Field(gt=0, le=16)]] = (1, 2, 2)
    num_attention_heads: Count = 40
    attention_head_dim: Annotated[int, Field(ge=6, le=1024, multiple_of=2)] = 128
    in_channels: Count = 16
    out_channels: Count | None = 16
    text_dim: Width = 4096
    freq_dim: Annotated[int, Field(gt=0, le=2**16, multiple_of=2)] = 256
    ffn_dim: Annotated[int, Field(gt=0, le=2**20)] = 13824
    num_layers: Count = 40
    cross_attn_norm: bool = True
    qk_norm: Literal["rms_norm_across_heads"] | None = "rms_norm_across_heads"
    eps: Annotated[float, Field(ge=0, lt=1)] = 1e-6
    image_dim: Width | None = None
    added_kv_proj_dim: Width | None = None
    rope_max_seq_len: Annotated[int, Field(gt=0, le=2**16)] = 1024
    pos_embed_seq_len: Width | None = None

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        width = self.num_attention_heads * self.attention_head_dim
        if self.num_layers * width * (8 * width + 2 * self.ffn_dim) > _MOST_PARAMETERS:
            raise ValueError("such a model would have over 10^12 parameters")
        return self


class WanVaeConfig(_Sizes):
    """Constructor arguments of diffusers' `AutoencoderKLWan` but for the defaults of its latent statistics."""

    base_dim: Annotated[int, Field(gt=0, le=4096)] = 96
    decoder_base_dim: Annotated[int, Field(gt=0, le=4096)] | None = None
    z_dim: Count = 16
    dim_mult: Annotated[list[Annotated[int, Field(gt=0, le=64)]], Field(min_length=1, max_length=8)] = [1, 2, 4, 4]
    num_res_blocks: Annotated[int, Field(gt=0, le=32)] = 2
    attn_scales: Annotated[list[float], Field(max_length=8)] = []
    temperal_downsample: Annotated[list[bool], Field(max_length=8)] = [False, True, True]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    latents_mean: list[float] | None = None
    latents_std: list[Annotated[float, Field(gt=0)]] | None = None
    is_residual: bool = False
    in_channels: Annotated[int, Field(gt=0, le=1024)] = 3
    out_channels: Annotated[int, Field(gt=0, le=1024)] = 3
    patch_size: Annotated[int, Field(gt=0, le=16)] | None = None
    scale_factor_temporal: Literal[4] = 4
    scale_factor_spatial: Annotated[int, Field(gt=0, le=256)] = 8

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, values in (("latents_mean", self.latents_mean), ("latents_std", self.latents_std)):
            if len(values or [0.0] * 16) != self.z_dim:
                raise ValueError(f"{name} must have one number for each of the {self.z_dim} channels (z_dim)")
        side = 2 ** (len(self.dim_mult) - 1) * (self.patch_size or 1)
        if len(self.temperal_downsample) != len(self.dim_mult) - 1 or sum(self.temperal_downsample) != 2:
            raise ValueError("temperal_downsample must halve the frame rate in two of the steps between dim_mult")
        if self.scale_factor_spatial != side:
            raise ValueError(f"scale_factor_spatial is {self.scale_factor_spatial}, but the network's is {side}")
        if {self.in_channels, self.out_channels} != {3 * (self.patch_size or 1) ** 2}:
            raise ValueError("in_channels and out_channels must be 3 colours times the pixels of a patch")
        return self


class LinearCodecConfig(_Sizes):
    """Constructor arguments of `LinearVideoCodec`."""

    latent_channels: Annotated[int, Field(gt=0, le=48)] = 16


class Umt5Config(_Sizes):
    """Sizes of transformers' `UMT5EncoderModel`."""

    vocab_size: Annotated[int, Field(gt=0, le=2**24)]
    d_model: Width
    d_kv: Annotated[int, Field(gt=0, le=2**12)]
    num_heads: Count
    d_ff: Annotated[int, Field(gt=0, le=2**20)]
    num_layers: Count
    relative_attention_num_buckets: Annotated[int, Field(gt=0, le=2**16)] = 32
    relative_attention_max_distance: Annotated[int, Field(gt=0, le=2**24)] = 128


class FlowSchedulerConfig(_Sizes):
    """What a flow-matching scheduler is built from, as far as sampling depends on it."""

    num_train_timesteps: Annotated[int, Field(gt=0, le=100_000)] = TIMESTEPS
    flow_shift: Annotated[float, Field(gt=0)] | None = None
    shift: Annotated[float, Field(gt=0)] | None = None
    solver_order: Annotated[int, Field(gt=0, le=3)] = 2
    use_flow_sigmas: bool = False
    prediction_type: str | None = None


def read_component_config(folder: Path, component: str, name: str = "config.json") -> dict[str, Any]:
    """Read `component/config.json`, or another configuration, of a model folder.

    Raises:
        UserError: if the folder is not a model folder, the file is damaged, or it asks for code of the folder's own.
    """
    path = folder / component / name
    if not path.is_file():
        raise UserError(
            f"{folder} is not a model folder: it has no {component}/{name}.",
            "Give a folder in diffusers layout, or one of the shipped models: sprite-base, sprite-large.",
        )
    config = read_json_object(path, fix=COPY_AGAIN)
    refuse_code(path, config)
    if config.get(_QUANTISED):
        raise UserError(
            f"{path} describes quantised weights ({_QUANTISED}: {str(config[_QUANTISED])[:80]}).",
            "Give the model as it was before it was quantised.",
        )
    return config


def refuse_code(path: Path, config: dict[str, Any]) -> None:
    """Refuse a configuration that names code: classes in files of its folder or of a repository, kernels of the Hub.

    Raises:
        UserError: naming the file and the code.
    """
    found = _code_named(config)
    if found is not None:
        raise UserError(
            f"{path} asks to run code that comes with the model ({found}).",
            "Give a model of classes that diffusers and transformers have; remove the entry if its classes are theirs.",
        )


def _code_named(config: Any) -> str | None:
    """The first entry that names code, at any depth."""
    if isinstance(config, list):
        return next((found for value in config if (found := _code_named(value))), None)
    if not isinstance(config, dict):
        return None
    for key, value in config.items():
        kernel = str(key).endswith(_KERNEL) and "/" in str(value)
        if (key == _CODE and value) or kernel:
            return f"{key}: {str(value)[:80]}"
    return next((found for value in config.values() if (found := _code_named(value))), None)


def checked(model: type[M], config: dict[str, Any], source: Path) -> M:
    """A configuration whose values are in bounds.

    Raises:
        UserError: naming the file and the key.
    """
    return validated(model, config, str(source))


def class_named(config: dict[str, Any], source: Path) -> str:
    """The class that a configuration of diffusers names.

    Raises:
        UserError: if it names none.
    """
    name = config.get("_class_name")
    if not isinstance(name, str):
        raise UserError(f"{source} names no class (_class_name).", COPY_AGAIN)
    return name


class CodecFacts(NamedTuple):
    """What sampling needs to know of a codec before it is opened.

    Attributes:
        name: class of the codec.
        channels: channels of its latents.
        stride: pixels along a side of one latent position.
    """

    name: str
    channels: int
    stride: int


def codec_facts(folder: Path) -> CodecFacts:
    """Sizes of the codec in a model folder's `vae/`.

    Raises:
        UserError: if there is none, its class is another, or its sizes are out of bounds.
    """
    config, source = read_component_config(folder, "vae"), folder / "vae" / "config.json"
    name = class_named(config, source)
    if name == "LinearVideoCodec":
        return CodecFacts(
            name, checked(LinearCodecConfig, config, source).latent_channels, SPRITE_GEOMETRY.spatial_stride
        )
    if name == "AutoencoderKLWan":
        vae = checked(WanVaeConfig, config, source)
        return CodecFacts(name, vae.z_dim, vae.scale_factor_spatial)
    raise UserError(f"{source.parent} holds a {name}.", "Use LinearVideoCodec or AutoencoderKLWan.")


def text_sizes(folder: Path) -> Umt5Config:
    """Sizes of the text encoder in a model folder's `text_encoder/`.

    Raises:
        UserError: if there is none, or its sizes are out of bounds.
    """
    source = folder / "text_encoder" / "config.json"
    return checked(Umt5Config, read_component_config(folder, "text_encoder"), source)


def wan_arguments(config: dict[str, Any], source: Path) -> dict[str, Any]:
    """Constructor arguments of a Wan transformer that makes videos from text alone.

    Raises:
        UserError: if it is another model, an image-to-video one, or its sizes are out of bounds.
    """
    name = class_named(config, source)
    if name != "WanTransformer3DModel":
        raise UserError(f"{source.parent} holds a {name}.", "Give a WanTransformer3DModel.")
    arguments = checked(WanTransformerConfig, config, source).model_dump()
    arguments["out_channels"] = arguments["out_channels"] or arguments["in_channels"]
    refuse_image_inputs(arguments, str(source))
    return arguments


def refuse_image_inputs(arguments: dict[str, Any], source: str) -> None:
    """Refuse a Wan transformer that reads more than text and noise.

    Raises:
        UserError: naming the inputs.
    """
    given, made = arguments["in_channels"], arguments["out_channels"]
    found = [f"{key} {arguments[key]}" for key in ("image_dim", "added_kv_proj_dim", "pos_embed_seq_len")
             if arguments.get(key) is not None]  # fmt: skip
    if given != made:
        found.insert(0, f"{given} input channels for {made} output channels")
    if found:
        raise UserError(
            f"{source} is an image-to-video or control model, not text to video: it has {', '.join(found)}.",
            "Give a T2V Wan.",
        )
