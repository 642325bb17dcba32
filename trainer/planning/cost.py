"""Arithmetic of one cycle of stage 3 (one generator update and its critic updates), with and without foresight.

Two accountings. `paper` is that of Video-Mirai's appendix B: full bidirectional attention everywhere, a backward pass
costs two forward passes, rollouts without gradient are free, the fake score is asked twice, replay follows each critic
update. `executed` counts what the code runs: block-causal passes, denoising steps without gradient and the committing
pass, recomputation of checkpointed blocks, one fake-score pass, the predictor chunk by chunk, replay in the critic
updates after the first.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from probekit.models.flops import layer_flops, text_layer_flops, width_of

_FFN_RATIO = 4


class CycleShape(NamedTuple):
    """What a cycle works on.

    Attributes:
        tokens: tokens of a video.
        chunks: chunks of a video.
        text_tokens: tokens of a prompt.
        few_steps: denoising steps of the student, each of which is the exit step equally often.
        critic_updates: critic's updates per generator update.
        encoder_layers: blocks of the encoder that run.
        predictor_blocks: DiT blocks of the predictor.
    """

    tokens: int
    chunks: int
    text_tokens: int
    few_steps: int = 4
    critic_updates: int = 5
    encoder_layers: int = 20
    predictor_blocks: int = 3

    @property
    def early_passes(self) -> float:
        """Mean number of passes before the exit pass."""
        return (self.few_steps - 1) / 2


class CycleCost(NamedTuple):
    """Operations of one sample, one multiply-add counted as two.

    Attributes:
        generator: one generator update without foresight.
        critic: one critic update.
        encoder: foresight's pass over the finished rollout.
        predictor: one forward and backward pass of the predictor.
        replays: predictor updates in critic updates.
        critic_updates: updates of a cycle.
    """

    generator: float
    critic: float
    encoder: float
    predictor: float
    replays: int
    critic_updates: int

    @property
    def baseline(self) -> float:
        """A cycle without foresight."""
        return self.generator + self.critic_updates * self.critic

    @property
    def foresight(self) -> float:
        """What foresight adds to a cycle."""
        return self.encoder + (1 + self.replays) * self.predictor

    @property
    def overhead(self) -> float:
        """Foresight's share of the baseline cycle."""
        return self.foresight / self.baseline


def forward_cost(config: Mapping[str, Any], tokens: int, text_tokens: int, layers: int | None = None) -> float:
    """Forward pass of a bidirectional transformer, or of its first layers, text keys and values included."""
    layer = layer_flops(config, tokens, 0, text_tokens) + text_layer_flops(config, text_tokens)
    return float((config["num_layers"] if layers is None else layers) * layer)


def rollout_pass_cost(config: Mapping[str, Any], shape: CycleShape) -> float:
    """One denoising pass over all chunks of a rollout, each of which sees itself and the chunks before it."""
    size = shape.tokens // shape.chunks
    chunks = sum(layer_flops(config, size, size * past, shape.text_tokens) for past in range(shape.chunks))
    return float(config["num_layers"] * (chunks + text_layer_flops(config, shape.text_tokens)))


def predictor_cost(width: int, blocks: int, tokens: int, keys: int) -> float:
    """Forward and backward pass of DiT blocks: 3·(8·L·d² + 4·L·keys·d + 16·L·d²) each."""
    return float(3 * blocks * (8 * tokens * width**2 + 4 * tokens * keys * width + 4 * _FFN_RATIO * tokens * width**2))


def paper_cost(generator: Mapping[str, Any], real: Mapping[str, Any], shape: CycleShape) -> CycleCost:
    """Appendix B's accounting; the critic is of the generator's size."""
    small = forward_cost(generator, shape.tokens, shape.text_tokens)
    large = forward_cost(real, shape.tokens, shape.text_tokens)
    return CycleCost(
        generator=3 * small + 2 * large + 2 * small,
        critic=3 * small,
        encoder=forward_cost(real, shape.tokens, shape.text_tokens, shape.encoder_layers),
        predictor=predictor_cost(width_of(generator), shape.predictor_blocks, shape.tokens, shape.tokens),
        replays=shape.critic_updates,
        critic_updates=shape.critic_updates,
    )


def executed_cost(generator: Mapping[str, Any], real: Mapping[str, Any], shape: CycleShape) -> CycleCost:
    """What runs: checkpointed blocks are recomputed in the backward pass, and early exit runs the named block too."""
    one = rollout_pass_cost(generator, shape)
    small = forward_cost(generator, shape.tokens, shape.text_tokens)
    large = forward_cost(real, shape.tokens, shape.text_tokens)
    size = shape.tokens // shape.chunks
    return CycleCost(
        generator=(shape.early_passes + 4 + 1) * one + 2 * large + small,
        critic=(shape.early_passes + 2) * one + 4 * small,
        encoder=forward_cost(real, shape.tokens, shape.text_tokens, shape.encoder_layers + 1),
        predictor=predictor_cost(width_of(generator), shape.predictor_blocks, shape.tokens, size),
        replays=shape.critic_updates - 1,
        critic_updates=shape.critic_updates,
    )
