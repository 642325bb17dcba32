"""Step 3: frames per second and latency of a streaming rollout of Wan's shape with random weights.

Published on an H100: 17.0 frames per second and 0.69 s to the first chunk (Video-Mirai, with VAE); 344 ms for a
chunk of 12 frames with a tiny decoder and without the cache write (NVIDIA FlashDreams, 34.9 frames per second).
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from benchmarks.gpu.measuring import markdown_table, quantile, reason_of, synchronize
from benchmarks.gpu.sizes import Sizes
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
from probekit.models.compiled_blocks import compile_blocks
from probekit.models.text_context import TextContext
from probekit.models.wan_codec import WanVideoCodec
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.records import ChunkResult
from probekit.rollout.streaming_rollout import Rollout

FRAMES: Final = 3
"""Latent frames per chunk; each gives four frames of video, the first of all gives one."""


class ChunkTimes(NamedTuple):
    """Seconds of each chunk of one video.

    Attributes:
        denoise: time of the chunk's denoising passes.
        write: time of its cache write; that of the last chunk is measured though no video needs it.
        decode: time of the VAE; 0 without one.
    """

    denoise: list[float]
    write: list[float]
    decode: list[float]

    def totals(self, counted: bool) -> list[float]:
        """Seconds per chunk, with or without the cache write."""
        parts = zip(self.denoise, self.write, self.decode, strict=True)
        return [denoise + decode + (write if counted else 0.0) for denoise, write, decode in parts]


class StoredNoise:
    """Noise that lies on the device beforehand, as a captured graph needs it."""

    def __init__(self, sizes: Sizes) -> None:
        shape = (1, 16, FRAMES, *sizes.latent)
        self._noise = {
            (chunk, step): torch.randn(shape, device=sizes.device, dtype=sizes.dtype)
            for chunk in range(sizes.chunks)
            for step in range(len(few_step_sigmas()))
        }

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (1, C, n, h, w)."""
        return self._noise[chunk, step]


def random_student(sizes: Sizes) -> CausalWan:
    """A causal generator with seeded random weights, made on the device."""
    torch.manual_seed(0)
    with torch.device(sizes.device):
        model: CausalWan = CausalWan(**sizes.student)
    return model.to(sizes.dtype).eval().requires_grad_(False)


def random_codec(sizes: Sizes) -> WanVideoCodec:
    """A VAE of Wan's shape with random weights."""
    with torch.device(sizes.device):
        vae = AutoencoderKLWan(**sizes.codec)
    return WanVideoCodec(vae.to(sizes.dtype))


def new_rollout(model: CausalWan, text: Tensor, noise: StoredNoise, sizes: Sizes) -> Rollout:
    """A fresh rollout of one video."""
    return Rollout(model, TextContext(text), noise, FewStepDenoiser(few_step_sigmas()), chunks=sizes.chunks)


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds of one call, with what the device still had to do."""
    synchronize(device)
    started = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - started


@torch.no_grad()
def eager_times(rollout: Rollout, codec: WanVideoCodec | None, sizes: Sizes) -> ChunkTimes:
    """Times of one video; each part waits for the one before it."""
    found, decoder = ChunkTimes([], [], []), codec.streaming_decoder() if codec else None
    for _ in range(sizes.chunks):
        results: list[ChunkResult] = []
        found.denoise.append(timed(functools.partial(_advance, rollout, results), sizes.device))
        found.write.append(timed(rollout.commit, sizes.device))
        decode = functools.partial(decoder.push, results[0].latents) if decoder else None
        found.decode.append(timed(decode, sizes.device) if decode else 0.0)
    return found


def _advance(rollout: Rollout, results: list[ChunkResult]) -> None:
    results.append(next(rollout))


@torch.no_grad()
def graph_times(model: CausalWan, text: Tensor, noise: StoredNoise, sizes: Sizes) -> ChunkTimes:
    """Times of a video whose chunks and cache writes were captured as CUDA graphs, one each, and are replayed."""
    for _ in range(2):
        list(new_rollout(model, text, noise, sizes))
    rollout, graphs, pool = new_rollout(model, text, noise, sizes), [], torch.cuda.graph_pool_handle()
    for _ in range(sizes.chunks):
        for part in (lambda: next(rollout), rollout.commit):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool):
                part()
            graphs.append(graph)
    for graph in graphs:
        graph.replay()
    seconds = [timed(graph.replay, sizes.device) for graph in graphs]
    return ChunkTimes(seconds[::2], seconds[1::2], [0.0] * sizes.chunks)


def overlapped_seconds(rollout: Rollout, codec: WanVideoCodec, sizes: Sizes) -> float:
    """Seconds of a video whose chunks are decoded on a second stream while the next one is generated."""
    decoder, side = codec.streaming_decoder(), torch.cuda.Stream()

    @torch.no_grad()
    def run() -> None:
        for result in rollout:
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                decoder.push(result.latents)
        torch.cuda.current_stream().wait_stream(side)

    return timed(run, sizes.device)


def row(name: str, times: ChunkTimes, counted: bool) -> list[str]:
    """A line of the table."""
    totals = times.totals(counted)
    frames = 4 * FRAMES * len(totals) - 3
    rate = frames / sum(totals)
    steady = 4 * FRAMES / totals[-1]
    cells = [totals[0], quantile(totals, 0.5), quantile(totals, 0.95)]
    write, decode = quantile(times.write, 0.5), quantile(times.decode, 0.5)
    return [
        name, "yes" if counted else "no", f"{rate:.1f}", f"{steady:.1f}", *(f"{1000 * cell:.0f}" for cell in cells),
        f"{1000 * write:.0f}", f"{1000 * decode:.0f}",
    ]  # fmt: skip


def variants(sizes: Sizes) -> Iterator[tuple[str, Callable[[], ChunkTimes]]]:
    """Ways to run the rollout, from the plainest."""
    model, noise = random_student(sizes), StoredNoise(sizes)
    text = torch.randn(1, sizes.text_tokens, sizes.student["text_dim"], device=sizes.device, dtype=sizes.dtype)

    def eager(codec: WanVideoCodec | None = None) -> ChunkTimes:
        eager_times(new_rollout(model, text, noise, sizes), codec, sizes)
        return eager_times(new_rollout(model, text, noise, sizes), codec, sizes)

    yield "eager, without VAE", eager
    yield "eager, with VAE", lambda: eager(random_codec(sizes))
    if sizes.device.startswith("cuda"):
        yield "CUDA graphs, without VAE", lambda: graph_times(model, text, noise, sizes)
    if not compile_blocks(model, "max-autotune-no-cudagraphs" if sizes.device.startswith("cuda") else None):
        return
    yield "compiled, without VAE", eager
    if sizes.device.startswith("cuda"):
        yield "compiled, CUDA graphs, without VAE", lambda: graph_times(model, text, noise, sizes)


def overlap_row(sizes: Sizes) -> Sequence[str]:
    """The whole video with the VAE beside the next chunk."""
    model, noise, codec = random_student(sizes), StoredNoise(sizes), random_codec(sizes)
    text = torch.randn(1, sizes.text_tokens, sizes.student["text_dim"], device=sizes.device, dtype=sizes.dtype)
    overlapped_seconds(new_rollout(model, text, noise, sizes), codec, sizes)
    seconds = overlapped_seconds(new_rollout(model, text, noise, sizes), codec, sizes)
    rate = (4 * FRAMES * sizes.chunks - 3) / seconds
    return ["eager, VAE overlapped", "yes", f"{rate:.1f}", *["-"] * 6]


HEADER: Final = ("way", "cache write counted", "frames/s", "frames/s, last chunk", "first chunk ms", "p50 ms", "p95 ms",
                 "cache write ms", "VAE ms")  # fmt: skip


def run(sizes: Sizes, out: Path, seconds: float) -> str:
    """Measure every way; one that fails says why in its line."""
    rows: list[Sequence[str]] = []
    for name, measure in variants(sizes):
        try:
            times = measure()
        except (RuntimeError, NotImplementedError) as error:
            rows.append([name, reason_of(error), *["-"] * 7])
            continue
        rows += [row(name, times, counted) for counted in (True, False)]
    if sizes.device.startswith("cuda"):
        rows.append(overlap_row(sizes))
    about = f"{sizes.chunks} chunks of {FRAMES} latent frames, latents {sizes.latent}, 4 steps, {sizes.dtype}\n\n"
    return about + markdown_table(HEADER, rows)
