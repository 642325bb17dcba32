"""`trainer describe`: a recipe in full before it runs, in lines for a reader."""

from collections.abc import Iterator
from typing import Any

from probekit.config import dump_config
from probekit.models.flops import parameter_count, width_of
from trainer.config.causal import CausalOdeConfig, TrajectoryConfig
from trainer.config.foresight import ForesightConfig
from trainer.config.recipe import DmdConfig, StageConfig
from trainer.planning.memory import GB, TrainedModel
from trainer.planning.recipe import (
    check_fit,
    encoder_of,
    memory_of,
    models_of,
    operations_of,
    predictor_parts,
    processes_needed,
    sizes_of,
    target_width,
)
from trainer.planning.refusals import not_there_yet, refuse_unworkable
from trainer.planning.trajectories import solver_lines

_SIZES = (80, 141)


def description(config: StageConfig | TrajectoryConfig, processes: int, gigabytes: float | None) -> Iterator[str]:
    """Everything that can be said from configurations.

    Args:
        config: configuration of the recipe.
        processes: GPUs.
        gigabytes: memory of each; None says how many of 80 GB and 141 GB are needed.

    Raises:
        UserError: if `train` would refuse it, or it cannot fit, with the closest settings that do.
    """
    refuse_unworkable(config, processes)
    absent = not_there_yet(config)
    yield "# configuration"
    yield from dump_config(config).strip().splitlines()
    if absent:
        yield "# not there yet"
        yield from absent
    if isinstance(config, TrajectoryConfig):
        yield from solver_lines(config, gigabytes)
        return
    models = models_of(config)
    yield "# models"
    for model in models:
        yield f"{_title(model):28} {parameter_count(model.config):>14,} parameters, {_shape(model)}"
    if isinstance(config, CausalOdeConfig | DmdConfig) and config.foresight is not None:
        yield from _predictor_lines(config, config.foresight, models)
    sizes = sizes_of(config, dict(models[0].config))
    yield "# tokens"
    yield f"{sizes.geometry.tokens_per_frame} per latent frame, {sizes.chunk} per chunk, {sizes.video} per video"
    yield "# operations of one update of the whole batch, as executed"
    for name, operations in operations_of(config).items():
        yield f"{name:28} {operations / 1e12:>14,.3f} TFLOP"
    yield from _memory_lines(config, processes)
    if gigabytes is not None:
        check_fit(config, processes, gigabytes)
        yield f"fits {processes} x {gigabytes:g} GB"


def _title(model: TrainedModel) -> str:
    return f"{model.name} ({model.state})"


def _shape(model: TrainedModel) -> str:
    config = model.config
    heads = config["num_attention_heads"]
    return f"{config['num_layers']} blocks, width {width_of(config)}, {heads} heads, feed-forward {config['ffn_dim']}"


def _predictor_lines(
    config: CausalOdeConfig | DmdConfig, foresight: ForesightConfig, models: list[TrainedModel]
) -> Iterator[str]:
    generator, encoder = dict(models[0].config), encoder_of(config, models)
    yield from _tap_lines(config, foresight, generator, encoder)
    parts = predictor_parts(foresight, generator, encoder)
    yield f"# predictor ({foresight.predictor}), used in training alone"
    for name, count in parts.items():
        yield f"{name:28} {count:>14,} parameters"
    yield f"{'all':28} {sum(parts.values()):>14,} parameters"
    if foresight.predictor == "dit":
        paper = predictor_parts(foresight.model_copy(update={"dead_modulation": True}), generator, encoder)
        note = "with the modulation matrices that never train, as the paper counts"
        yield f"{'the same, official':28} {sum(paper.values()):>14,} parameters ({note})"


def _tap_lines(
    config: CausalOdeConfig | DmdConfig, foresight: ForesightConfig, generator: dict[str, Any], encoder: dict[str, Any]
) -> Iterator[str]:
    """Where the state and the target of a segment are read."""
    sizes = sizes_of(config, generator)
    yield "# foresight"
    read = f"output of blocks.{foresight.encoder_block(encoder['num_layers'])}"
    for name, place, width in (
        (
            "state: generator",
            f"output of blocks.{foresight.student_block(generator['num_layers'])}",
            width_of(generator),
        ),
        (
            f"target: {foresight.encoder}",
            "state of each field by the tracker" if foresight.encoder == "world" else read,
            target_width(foresight, encoder),
        ),
    ):
        yield f"{name:28} {place}, (videos, {sizes.chunk}, {width}) per segment"
    seen = [offset for offset in foresight.offsets if offset < sizes.chunks]
    yield f"{'segments with a target':28} {sizes.chunks - min(seen, default=sizes.chunks)} of {sizes.chunks}"


def _memory_lines(config: StageConfig, processes: int) -> Iterator[str]:
    memory = memory_of(config, processes)
    yield f"# memory on each of {processes} GPUs"
    for part in (*memory.static, *memory.dynamic):
        share = part.bytes / processes if part.sharded else part.bytes
        yield f"{part.name:44} {share / GB:>10,.2f} GB"
    static = sum(part.bytes / processes if part.sharded else part.bytes for part in memory.static)
    yield f"{'always there':44} {static / GB:>10,.2f} GB"
    yield f"{'peak':44} {memory.on_each(processes) / GB:>10,.2f} GB"
    if config.scale.precompute_text:
        yield "text encoder: embeddings are made once, before training; it is not in memory"
    for size in _SIZES:
        needed = processes_needed(config, size)
        yield f"one video in a micro-batch: {needed or 'no number of'} x {size} GB"
