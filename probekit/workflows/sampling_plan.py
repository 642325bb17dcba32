"""What sampling a suite will take, worked out from configurations alone."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from probekit.choices import Precision
from probekit.geometry import LatentGeometry
from probekit.models.causal_card import CausalCard, read_causal_card
from probekit.models.flops import RolloutShape, parameter_count, rollout_flops, rollout_memory
from probekit.models.loading import prompt_length
from probekit.models.transformer_folder import refuse_size, transformer_config
from probekit.rollout.fixed_batch import fixed_batch_size
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import card_with, planned_geometry
from probekit.suites.suite import Suite

GIB = 2**30
BYTES: Final[Mapping[Precision, int]] = {"float32": 4, "bfloat16": 2}
"""Bytes of one number."""


def plan_lines(folder: Path, suite: Suite, config: SamplingConfig) -> Iterator[str]:
    """Videos, operations, memory by part and time, in lines for a reader; nothing is loaded.

    Raises:
        UserError: for whatever sampling would refuse.
    """
    card = card_with(read_causal_card(folder), config)
    refuse_size(folder, suite.height, suite.width)
    policy = config.stream_policy
    geometry = planned_geometry(folder, suite, policy)
    size = transformer_config(folder)
    shape = rollout_shape(geometry, card, suite.frames, prompt_length(folder))
    at_once = fixed_batch_size(shape.chunk_tokens)
    operations = rollout_flops(size, policy, shape)
    memory = rollout_memory(size, policy, shape._replace(batch=shape.batch * at_once), BYTES[config.precision])
    videos = len(suite.keys())
    rate = matmul_rate()
    yield f"videos       {videos} of {suite.frames} frames, {shape.chunks} chunks of {shape.chunk_tokens} tokens"
    yield f"batch        {at_once}, filled up where fewer are left"
    yield f"policy       {policy.window_name}, {policy.rotary}"
    yield f"operations   {operations / 1e12:.3f} TFLOP per video, {videos * operations / 1e15:.3f} PFLOP in all"
    yield (
        f"memory       {memory.total / GIB:.3f} GiB: weights {memory.weights / GIB:.3f} "
        f"({parameter_count(size) / 1e6:.1f} M parameters), cache {memory.cache / GIB:.3f}, "
        f"text {memory.text / GIB:.3f}, passes {memory.transient / GIB:.3f}; codec and text encoder not counted"
    )
    seconds = videos * operations / rate
    yield f"time         {_duration(seconds)} at {rate / 1e9:.0f} GFLOP/s, this machine's matrix product in fp32"


def rollout_shape(geometry: LatentGeometry, card: CausalCard, frames: int, text_tokens: int) -> RolloutShape:
    """Sizes of the rollout of one video of a given number of frames."""
    return RolloutShape(
        chunks=geometry.chunks(geometry.latent_frames(frames)),
        chunk_tokens=geometry.tokens(geometry.chunk_frames),
        chunk_frames=geometry.chunk_frames,
        text_tokens=text_tokens,
        denoising_passes=len(card.few_steps) if card.few_steps else card.euler_steps or 1,
        batch=2 if card.guidance > 1 else 1,
    )


def matmul_rate(width: int = 512, repeats: int = 20) -> float:
    """Operations a second of this machine's matrix product in fp32."""
    a = np.ones((width, width), dtype=np.float32)
    a @ a
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    return 2 * width**3 * repeats / (time.perf_counter() - started)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if seconds >= 1 else f"{seconds:.2f} s"
