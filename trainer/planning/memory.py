"""Memory of training by part, before anything is loaded; arithmetic alone.

Bytes per parameter: 4 weight, 4 gradient, 8 AdamW; 4 moving average; 2 frozen in bf16 (4 in fp32). A block's
activations are 16·d + 3·f numbers per token (inputs of its products, norms and gates; feed-forward before and after
GELU). That is 0.5 GB for one chunk of Wan 1.3B.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from probekit.models.flops import parameter_count, width_of

GB: Final = 1e9
USABLE: Final = 0.95
"""Share of a GPU that a plan may fill; the rest is for the allocator and the collectives."""
_TRAINED, _AVERAGE = 16, 4

Config = Mapping[str, Any]


class Part(NamedTuple):
    """Bytes of one thing.

    Attributes:
        sharded: divided by the number of processes.
    """

    name: str
    bytes: float
    sharded: bool


class TrainedModel(NamedTuple):
    """A transformer in training.

    Attributes:
        state: `trained` has gradients and AdamW, `average` is a moving average, `frozen` only reads.
    """

    name: str
    config: Config
    state: Literal["trained", "average", "frozen"]


class Memory(NamedTuple):
    """Parts that are always there, and the largest of the steps' own parts."""

    static: tuple[Part, ...]
    dynamic: tuple[Part, ...]

    def on_each(self, processes: int) -> float:
        """Bytes on each of a number of GPUs."""
        parts = (*self.static, *self.dynamic)
        return sum(part.bytes / processes if part.sharded else part.bytes for part in parts)

    def fits(self, processes: int, gigabytes: float) -> bool:
        """Whether the parts fit into GPUs of this size."""
        return self.on_each(processes) <= USABLE * gigabytes * GB


def static_parts(models: Sequence[TrainedModel], predictor_parameters: int, half: bool) -> tuple[Part, ...]:
    """Weights, gradients, optimizers and averages."""
    parts = []
    for model in models:
        count = parameter_count(model.config)
        if model.state == "trained":
            parts.append(Part(f"{model.name}: weights, gradients, AdamW", _TRAINED * count, True))
        elif model.state == "average":
            parts.append(Part(f"{model.name}: moving average", _AVERAGE * count, True))
        else:
            parts.append(Part(f"{model.name}: frozen weights", (2 if half else 4) * count, True))
    if predictor_parameters:
        parts.append(Part("predictor: weights, gradients, AdamW", _TRAINED * predictor_parameters, True))
    return tuple(parts)


def block_activations(config: Config, tokens: int, half: bool) -> float:
    """Bytes that the backward pass of one block needs."""
    return float(tokens * (16 * width_of(config) + 3 * config["ffn_dim"]) * (2 if half else 4))


def pass_activations(config: Config, tokens: int, passes: int, checkpointing: bool, half: bool) -> float:
    """Bytes saved by `passes` forward passes over `tokens` each, and what one block needs when it is repeated.

    With checkpointing every block keeps its input, d numbers per token.
    """
    layers, one = config["num_layers"], block_activations(config, tokens, half)
    if not checkpointing:
        return float(layers * passes * one)
    return float(layers * passes * tokens * width_of(config) * (2 if half else 4) + one)


def reading_activations(config: Config, tokens: int, half: bool) -> float:
    """Bytes of a pass without gradient: 4·d + 2·f numbers per token, in one block at a time."""
    return float(tokens * (4 * width_of(config) + 2 * config["ffn_dim"]) * (2 if half else 4))


def cache_bytes(config: Config, tokens: int, half: bool) -> float:
    """Keys and values of a whole video."""
    return float(config["num_layers"] * 2 * tokens * width_of(config) * (2 if half else 4))


def gathered_blocks(configs: Sequence[Config], processes: int) -> float:
    """Bytes of the two blocks, in fp32, that a sharded model holds whole at a time."""
    if processes == 1 or not configs:
        return 0.0
    return max(8 * parameter_count(config) / int(config["num_layers"]) for config in configs)


def predictor_activations(width: int, blocks: int, tokens: int, checkpointing: bool, half: bool) -> float:
    """Bytes of the predictor over all chunks: 28·d numbers per token and block (16·d + 3·4d), or d and one block's."""
    numbers = 28 * width * blocks
    if checkpointing and blocks:
        numbers = width * blocks + 28 * width
    return float(numbers * tokens * (2 if half else 4))


def dmd_dynamic(
    generator: Config, real: Config, tokens: int, chunks: int, videos: int, blocks: int, checkpointing: bool, half: bool
) -> tuple[Part, ...]:
    """Parts of the larger of a generator and a critic update.

    Args:
        generator: configuration of the generator and the critic.
        real: configuration of the real score.
        tokens: tokens of a video.
        chunks: chunks of a video.
        videos: videos of a micro-batch.
        blocks: blocks of the predictor; 0 without foresight.
        checkpointing: checkpointing of activations.
        half: whether passes run in bf16.
    """
    predicted = predictor_activations(width_of(generator), blocks, tokens, checkpointing, half)
    exits = pass_activations(generator, tokens // chunks, chunks, checkpointing, half)
    rollout = (
        Part("rollout: saved in the exit passes", videos * exits, False),
        Part("rollout: keys and values", videos * cache_bytes(generator, tokens, half), False),
        Part("real score: guided pass", 2 * videos * reading_activations(real, tokens, half), False),
        *((Part("predictor: all chunks", videos * predicted, False),) if predicted else ()),
    )
    critic = (
        Part("critic: saved in its pass", videos * pass_activations(generator, tokens, 1, checkpointing, half), False),
        Part("rollout: keys and values", videos * cache_bytes(generator, tokens, half), False),
    )
    return max(rollout, critic, key=lambda parts: math.fsum(part.bytes for part in parts))


def forced_dynamic(
    generator: Config, tokens: int, videos: int, halves: int, checkpointing: bool, half: bool
) -> tuple[Part, ...]:
    """Parts of one parallel pass with gradient; `halves` is 2 where the clean past is in the pass too."""
    saved = videos * pass_activations(generator, halves * tokens, 1, checkpointing, half)
    return (Part("saved in the forced pass", saved, False),)
