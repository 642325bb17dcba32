"""What a recipe trains with, how many operations that takes, and whether it fits: from configurations alone."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.flops import width_of
from probekit.models.presets import family_of, sprite_transformer_config
from probekit.sprite_world.field_states import FIELD_FEATURES
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig
from trainer.config.foresight import ForesightConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig, StageConfig
from trainer.distributed.world import World
from trainer.planning.architectures import architecture, latent_geometry, text_encoder_parameters
from trainer.planning.cost import CycleShape, executed_cost, forward_cost, rollout_pass_cost
from trainer.planning.memory import (
    GB,
    Memory,
    Part,
    TrainedModel,
    dmd_dynamic,
    forced_dynamic,
    gathered_blocks,
    reading_activations,
    static_parts,
)
from trainer.plugins import predictor_size


class Sizes(NamedTuple):
    """Tokens of what a recipe trains on.

    Attributes:
        geometry: sizes of a latent frame and of a chunk.
        frames: latent frames of a video.
        text: tokens of a prompt.
    """

    geometry: LatentGeometry
    frames: int
    text: int

    @property
    def chunks(self) -> int:
        """Chunks of a video."""
        return self.frames // self.geometry.chunk_frames

    @property
    def video(self) -> int:
        """Tokens of a video."""
        return self.geometry.tokens(self.frames)

    @property
    def chunk(self) -> int:
        """Tokens of a chunk."""
        return self.geometry.tokens(self.geometry.chunk_frames)


def models_of(config: StageConfig) -> list[TrainedModel]:
    """The transformers of a stage.

    Raises:
        UserError: if an architecture is not known here.
    """
    if isinstance(config, BidirectionalConfig):
        size = sprite_transformer_config(**config.model.model_dump())
        return [TrainedModel("model", size, "trained"), TrainedModel("model", size, "average")]
    base = str(config.text_and_codec)
    generator = architecture(config.initial_model, base)
    models = [TrainedModel("generator", generator, "trained"), TrainedModel("generator", generator, "average")]
    match config:
        case DmdConfig():
            models.append(TrainedModel("critic", architecture(config.critic_model, base), "trained"))
            models.append(TrainedModel("real score", architecture(config.real_model, base), "frozen"))
        case ConsistencyConfig():
            models.append(TrainedModel("teacher", architecture(config.teacher, base), "frozen"))
        case _:
            pass
    return models + _stage_2_encoder(config, base)


def _stage_2_encoder(config: StageConfig, base: str) -> list[TrainedModel]:
    if not isinstance(config, CausalOdeConfig | DmdConfig) or config.foresight is None:
        return []
    foresight = config.foresight
    if foresight.encoder == "base":
        own = config.critic_model if isinstance(config, DmdConfig) else None
        named = config.base_model or own
        return [TrainedModel("foresight encoder", architecture(named or base, base), "frozen")]
    if foresight.encoder == "real" and isinstance(config, CausalOdeConfig):
        return [TrainedModel("foresight encoder", architecture(config.real_model or base, base), "frozen")]
    return []


def encoder_of(config: CausalOdeConfig | DmdConfig, models: list[TrainedModel]) -> dict[str, Any]:
    """Configuration of the model that foresight reads with."""
    found = {model.name: dict(model.config) for model in models}
    return found.get("foresight encoder") or found.get("real score") or found["generator"]


def sizes_of(config: StageConfig, generator: dict[str, Any]) -> Sizes:
    """Tokens of a recipe; latent frames are of the model family's size unless the recipe says otherwise."""
    text = family_of(generator).text_tokens
    if isinstance(config, BidirectionalConfig):  # a bidirectional model makes the whole video at once
        frames = max(phase.latent_frames for phase in config.phases)
        return Sizes(latent_geometry(generator, frames), frames, text)
    size = config.latent_size if isinstance(config, DmdConfig) else None
    return Sizes(latent_geometry(generator, config.chunk_frames, size), config.latent_frames, text)


def cycle_shape(config: DmdConfig, generator: dict[str, Any], real: dict[str, Any]) -> CycleShape:
    """Sizes of a recipe's cycle; without a foresight block, what the default one would cost."""
    sizes, foresight = sizes_of(config, generator), config.foresight or ForesightConfig()
    return CycleShape(
        tokens=sizes.video,
        chunks=sizes.chunks,
        text_tokens=sizes.text,
        few_steps=len(config.few_steps),
        critic_updates=config.critic_updates,
        encoder_layers=foresight.encoder_block(real["num_layers"]),
        predictor_blocks=foresight.predictor_blocks,
    )


def predictor_parts(config: ForesightConfig, generator: dict[str, Any], encoder: dict[str, Any]) -> dict[str, int]:
    """Parameters of the predictor's parts. Raises UserError as `plugins.predictor_size`."""
    return predictor_size(config, width_of(generator), target_width(config, encoder))


def target_width(config: ForesightConfig, encoder: Mapping[str, Any]) -> int:
    """Numbers of a target's token: the width of the encoder's configuration, or what the world's state has."""
    return FIELD_FEATURES if config.encoder == "world" else width_of(encoder)


def memory_of(config: StageConfig, processes: int) -> Memory:
    """Memory of a recipe on a number of processes.

    Raises:
        UserError: if the batch cannot be shared out, or an architecture is not known.
    """
    models, scale = models_of(config), config.scale
    half, checkpointing = scale.precision == "bf16", scale.activation_checkpointing
    generator = dict(models[0].config)
    sizes = sizes_of(config, generator)
    foresight = config.foresight if isinstance(config, CausalOdeConfig | DmdConfig) else None
    predictor = 0
    if foresight is not None and isinstance(config, CausalOdeConfig | DmdConfig):
        predictor = sum(predictor_parts(foresight, generator, encoder_of(config, models)).values())
    static = static_parts(models, predictor, half)
    gathered = gathered_blocks([model.config for model in models], processes)
    static += (Part("blocks that are whole at a time", gathered, False),) if gathered else ()
    if not scale.precompute_text:
        static += (Part("text encoder", 4 * text_encoder_parameters(str(config.text_and_codec)), False),)
    videos = len(World(0, processes).micro_batches(batch_of(config), scale.gradient_accumulation)[0])
    if isinstance(config, DmdConfig):
        real = next(dict(model.config) for model in models if model.name == "real score")
        blocks = 0 if foresight is None else foresight.predictor_blocks
        dynamic = dmd_dynamic(generator, real, sizes.video, sizes.chunks, videos, blocks, checkpointing, half)
    else:
        halves = 2 if _sees_clean_past(config) else 1
        dynamic = forced_dynamic(generator, sizes.video, videos, halves, checkpointing, half)
        readers = [dict(model.config) for model in models if model.state == "frozen"]
        dynamic += tuple(
            Part("teacher or encoder: a pass", videos * halves * reading_activations(reader, sizes.video, half), False)
            for reader in readers
        )
    return Memory(static, dynamic)


def batch_of(config: StageConfig) -> int:
    """Videos of an update; of the largest phase."""
    if isinstance(config, BidirectionalConfig):
        return max(config.phases, key=lambda phase: phase.batch_size * phase.latent_frames).batch_size
    return config.batch_size


def _sees_clean_past(config: StageConfig) -> bool:
    match config:
        case AutoregressiveConfig():
            return config.forcing == "teacher"
        case CausalOdeConfig():
            return config.clean_context
        case _:
            return isinstance(config, ConsistencyConfig)


def operations_of(config: StageConfig) -> dict[str, float]:
    """Operations of one update of the whole batch, by part, as executed with recomputed blocks."""
    models = models_of(config)
    generator = dict(models[0].config)
    sizes, batch = sizes_of(config, generator), batch_of(config)
    if isinstance(config, BidirectionalConfig):
        return {"update": 3 * batch * forward_cost(generator, sizes.video, sizes.text)}
    if not isinstance(config, DmdConfig):
        shape = CycleShape(tokens=sizes.video, chunks=sizes.chunks, text_tokens=sizes.text)
        halves = 2 if _sees_clean_past(config) else 1
        repeats = 4 if config.scale.activation_checkpointing else 3
        return {"update": repeats * halves * batch * rollout_pass_cost(generator, shape)}
    real = next(dict(model.config) for model in models if model.name == "real score")
    cost = executed_cost(generator, real, cycle_shape(config, generator, real))
    parts = {"generator update": batch * cost.generator, "critic update": batch * cost.critic}
    if config.foresight is not None:
        if config.foresight.encoder == "world":  # the tracker multiplies no matrices
            cost = cost._replace(encoder=0.0)
        parts |= {"foresight encoder": batch * cost.encoder, "foresight predictor": batch * cost.predictor}
    parts["cycle"] = batch * (cost.baseline + (cost.foresight if config.foresight else 0.0))
    return parts


def closest_that_fits(config: StageConfig, processes: int, gigabytes: float) -> str | None:
    """The first of a few changes, each on top of those before, with which a recipe fits; None if none does."""
    changes: list[str] = []
    for name, changed in _changes(config, processes):
        config, changes = changed, [*changes, name]
        if memory_of(config, processes).fits(processes, gigabytes):
            return " --set ".join(["", *changes]).strip()
    return None


def _changes(config: StageConfig, processes: int) -> Iterator[tuple[str, StageConfig]]:
    scale = config.scale
    for key, value in (
        ("gradient_accumulation", batch_of(config) // processes),
        ("precompute_text", True),
        ("activation_checkpointing", True),
        ("precision", "bf16"),
    ):
        if dict(scale)[key] != value:
            scale = scale.model_copy(update={key: value})
            shown = str(value).lower() if isinstance(value, bool) else value
            yield f"scale.{key}={shown}", config.model_copy(update={"scale": scale})
    if isinstance(config, DmdConfig) and config.real_model != config.critic_model:
        smaller = {"scale": scale, "real_model": config.critic_model}
        yield f"real_model={config.critic_model}", config.model_copy(update=smaller)


def processes_needed(config: StageConfig, gigabytes: float) -> int | None:
    """The least number of GPUs, a power of two, that fits with one video in a micro-batch; None if none does."""
    count, batch = 1, batch_of(config)
    while batch % count == 0:
        scale = config.scale.model_copy(update={"gradient_accumulation": batch // count})
        if memory_of(config.model_copy(update={"scale": scale}), count).fits(count, gigabytes):
            return count
        count *= 2
    return None


def check_fit(config: StageConfig, processes: int, gigabytes: float) -> None:
    """Refuse a recipe that cannot fit.

    Raises:
        UserError: with the closest settings that do.
    """
    memory = memory_of(config, processes)
    if memory.fits(processes, gigabytes):
        return
    changed, more = closest_that_fits(config, processes, gigabytes), processes_needed(config, gigabytes)
    ways = [changed] if changed else []
    if more and more > processes:
        ways.append(f"{more} GPUs of this size, --set scale.gradient_accumulation={batch_of(config) // more}")
    raise UserError(
        f"{config.name} needs {memory.on_each(processes) / GB:.1f} GB on each of {processes} GPUs of {gigabytes:g} GB.",
        f"These fit: {'; or '.join(ways)}." if ways else "Use larger GPUs.",
    )
