"""Arithmetic and memory of a streaming rollout before it runs; torch-free. One multiply-add is two operations.

A pass over one chunk costs, in each layer of width d, with L tokens of the chunk, c of the past, T of text and a
feed-forward width f: 8·L·d² (q, k, v, o) + 4·L·(L + c)·d (self-attention) + 4·L·d² + 4·L·T·d (cross-attention) +
4·L·d·f; text keys and values cost 4·T·d² once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from probekit.models.context_policy import ContextPolicy


class RolloutShape(NamedTuple):
    """What is rolled out.

    Attributes:
        chunks: chunks of the video.
        chunk_tokens: tokens of one chunk.
        chunk_frames: latent frames of one chunk.
        text_tokens: tokens of text that attention reads.
        denoising_passes: passes before a chunk is committed.
        batch: videos, twice as many under guidance.
    """

    chunks: int
    chunk_tokens: int
    chunk_frames: int
    text_tokens: int
    denoising_passes: int
    batch: int = 1


def width_of(config: Mapping[str, Any]) -> int:
    """Width of a Wan transformer."""
    return int(config["num_attention_heads"] * config["attention_head_dim"])


def layer_flops(config: Mapping[str, Any], tokens: int, context: int, text_tokens: int) -> int:
    """Operations of one layer in one pass, without the text's keys and values."""
    d, f = width_of(config), int(config["ffn_dim"])
    projections = 12 * tokens * d * d
    attention = 4 * tokens * d * (tokens + context + text_tokens)
    return projections + attention + 4 * tokens * d * f


def pass_flops(config: Mapping[str, Any], tokens: int, context: int, text_tokens: int) -> int:
    """Operations of one pass of one video: layers, patches in and out, time embedding."""
    d = width_of(config)
    _, rows, columns = config["patch_size"]
    patches = 2 * tokens * d * rows * columns * (config["in_channels"] + config["out_channels"])
    time = 2 * d * (config["freq_dim"] + d + 6 * d)
    return int(config["num_layers"] * layer_flops(config, tokens, context, text_tokens) + patches + time)


def text_layer_flops(config: Mapping[str, Any], text_tokens: int) -> int:
    """Operations of one layer for a prompt's keys and values, once."""
    return 4 * text_tokens * width_of(config) ** 2


def text_flops(config: Mapping[str, Any], text_tokens: int) -> int:
    """Operations that a prompt costs once: its projection, and keys and values of every layer."""
    d = width_of(config)
    projection = 2 * text_tokens * d * (config["text_dim"] + d)
    return int(projection + config["num_layers"] * text_layer_flops(config, text_tokens))


def commit_flops(config: Mapping[str, Any], tokens: int, context: int, text_tokens: int) -> int:
    """Operations of a committing pass, whose last layer stops at its keys and values and which has no output."""
    d = width_of(config)
    _, rows, columns = config["patch_size"]
    whole = pass_flops(config, tokens, context, text_tokens)
    saved = layer_flops(config, tokens, context, text_tokens) - 4 * tokens * d * d
    return int(whole - saved - 2 * tokens * d * rows * columns * config["out_channels"])


def context_tokens(policy: ContextPolicy, shape: RolloutShape) -> list[int]:
    """Tokens of the past that each chunk sees."""
    frame_tokens = shape.chunk_tokens // shape.chunk_frames
    cached, seen = 0, []
    for _ in range(shape.chunks):
        cached = len(policy.kept_slots(cached, shape.chunk_frames))
        seen.append(cached * frame_tokens)
        cached += shape.chunk_frames
    return seen


def rollout_flops(config: Mapping[str, Any], policy: ContextPolicy, shape: RolloutShape) -> int:
    """Operations of a whole rollout; the last chunk is not committed."""
    tokens, text = shape.chunk_tokens, shape.text_tokens
    contexts = context_tokens(policy, shape)
    denoising = sum(shape.denoising_passes * pass_flops(config, tokens, context, text) for context in contexts)
    commits = sum(commit_flops(config, tokens, context, text) for context in contexts[:-1])
    return shape.batch * (denoising + commits + text_flops(config, text))


def parameter_count(config: Mapping[str, Any]) -> int:
    """Parameters of `WanTransformer3DModel` (text to video)."""
    d, f = width_of(config), int(config["ffn_dim"])
    attention = 4 * (d * d + d) + 2 * d
    norm = 2 * d if config["cross_attn_norm"] else 0
    layer = 2 * attention + norm + 2 * d * f + f + d + 6 * d
    _, rows, columns = config["patch_size"]
    patch = d * config["in_channels"] * rows * columns + d
    head = (d + 1) * config["out_channels"] * rows * columns + 2 * d
    time = (config["freq_dim"] + 1) * d + (d + 1) * d + (d + 1) * 6 * d
    text = (config["text_dim"] + 1) * d + (d + 1) * d
    return int(config["num_layers"] * layer + patch + head + time + text)


class MemoryEstimate(NamedTuple):
    """Bytes at the peak of a rollout."""

    weights: int
    cache: int
    text: int
    transient: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return sum(self)


def rollout_memory(
    config: Mapping[str, Any], policy: ContextPolicy, shape: RolloutShape, bytes_each: int = 4
) -> MemoryEstimate:
    """Bytes of a rollout at its peak: weights, keys and values, text, and one layer's intermediate results.

    Past and chunk share one buffer of keys and one of values per layer. Where positions move, unrotated keys are
    kept too. While a layer's buffers grow, its old ones still live.
    """
    d, f, layers = width_of(config), int(config["ffn_dim"]), int(config["num_layers"])
    past = max(context_tokens(policy, shape))
    seen = past + shape.chunk_tokens
    kept = 2 * seen + (seen if policy.rotary != "absolute" else 0)
    token = d * bytes_each * shape.batch
    wide = shape.chunk_tokens * shape.batch * bytes_each
    return MemoryEstimate(
        weights=parameter_count(config) * bytes_each,
        cache=layers * kept * token + 2 * past * token,
        text=(2 * layers + 2) * shape.text_tokens * token,
        transient=wide * (4 * d + 2 * f),
    )
