"""Our rollout against a plain one and against stock diffusers, interleaved in one run; called by `rollout.py`."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from benchmarks.arithmetic import operations
from benchmarks.plain_causal_wan import PlainCausalWan, plain_rollout
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
from probekit.models.compiled_blocks import compile_blocks
from probekit.models.loading import in_precision
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.streaming_rollout import Rollout

SIZE = {
    "patch_size": (1, 2, 2), "num_attention_heads": 4, "attention_head_dim": 64, "in_channels": 16, "out_channels": 16,
    "text_dim": 256, "freq_dim": 256, "ffn_dim": 1024, "num_layers": 8, "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads", "eps": 1e-6, "rope_max_seq_len": 1024,
}  # fmt: skip
"""Width 256, 8 layers; 16x16 latents are 64 tokens per frame."""
CHUNKS, FRAMES, LATENT, TEXT_TOKENS = 7, 3, 16, 512

Run = Callable[[Callable[[], None]], Tensor]
"""Makes a video (B, C, L, h, w) and calls back after every chunk."""


class Measured(NamedTuple):
    """What one way of rolling out took.

    Attributes:
        warm_up: seconds of the first video, in which a compiled way compiles.
        chunks: fastest seconds of each chunk over the rounds after it.
        video: latents (B, C, L, h, w).
    """

    warm_up: float
    chunks: list[float]
    video: Tensor

    @property
    def seconds(self) -> float:
        """Seconds of a video."""
        return sum(self.chunks)


def shared_weights(
    dtype: torch.dtype = torch.float32, layers: int = SIZE["num_layers"]
) -> tuple[WanTransformer3DModel, CausalWan]:
    """The same random weights as stock diffusers' model and as ours."""
    torch.manual_seed(0)
    size = {**SIZE, "num_layers": layers}
    plain = WanTransformer3DModel(**size).eval().requires_grad_(False)
    ours = CausalWan(**size).eval().requires_grad_(False)
    ours.load_state_dict(plain.state_dict())
    return in_precision(plain, dtype), in_precision(ours, dtype)


def prompt(real_tokens: int) -> Tensor:
    """Embeddings (1, 512, width) of a prompt, zero after its real tokens as Wan's are."""
    text = torch.randn(1, TEXT_TOKENS, SIZE["text_dim"], generator=torch.Generator().manual_seed(1))
    text[:, real_tokens:] = 0
    return text


def chunk_times(run: Run) -> tuple[list[float], Tensor]:
    """Seconds of each chunk and the video."""
    marks = [time.perf_counter()]
    video = run(lambda: marks.append(time.perf_counter()))
    return [after - before for before, after in pairwise(marks)], video


def plain_run(model: WanTransformer3DModel, text: Tensor, noise: SeededNoise, compiled: bool = False) -> Run:
    """The plain streaming rollout; compiled as its user would do it, by one call for the pass of a chunk."""
    plain = PlainCausalWan(model, CHUNKS * FRAMES, (LATENT // 2, LATENT // 2), 1)
    if compiled:
        vars(plain)["flow"] = torch.compile(plain.flow)

    def run(mark: Callable[[], None]) -> Tensor:
        plain.reset()
        return plain_rollout(plain, text, noise, few_step_sigmas(), CHUNKS, mark)

    return run


def our_run(model: CausalWan, text: Tensor, noise: SeededNoise) -> Run:
    """Our rollout."""

    def run(mark: Callable[[], None]) -> Tensor:
        chunks, context = [], TextContext(text.to(model.dtype))
        for result in Rollout(model, context, noise, FewStepDenoiser(few_step_sigmas()), chunks=CHUNKS):
            chunks.append(result.latents)
            mark()
        return torch.cat(chunks, dim=2)

    return run


def stock_chunk(model: WanTransformer3DModel, text: Tensor, noise: SeededNoise) -> Callable[[], Tensor]:
    """Stock diffusers, five passes over one isolated chunk: no context, nothing kept between passes."""

    def run() -> Tensor:
        for sigma in (*few_step_sigmas(), 0.0):
            latents, level = noise(0, 0).to(model.dtype), torch.tensor([1000.0 * sigma])
            out = model(latents, level, text.to(model.dtype), return_dict=False)[0]
        return out

    return run


def ways(dtype: torch.dtype, text: Tensor, layers: int) -> tuple[dict[str, Run], Callable[[], Tensor]]:
    """Every way of rolling out, by name, and stock diffusers' chunk."""
    noise = SeededNoise(("benchmark",), range(1), (16, FRAMES, LATENT, LATENT))
    plain, ours = shared_weights(dtype, layers)
    runs = {"plain eager": plain_run(plain, text, noise), "ours eager": our_run(ours, text, noise)}
    runs["plain compiled"] = plain_run(plain, text, noise, compiled=True)
    _, compiled = shared_weights(dtype, layers)
    if compile_blocks(compiled):
        runs["ours compiled"] = our_run(compiled, text, noise)
    return runs, stock_chunk(plain, text, noise)


@torch.no_grad()
def compare_rollouts(
    rounds: int, real_tokens: int, dtype: torch.dtype = torch.float32, layers: int = SIZE["num_layers"]
) -> tuple[Mapping[str, Measured], float]:
    """Fastest chunk times of each way over interleaved rounds after a first video; and seconds of stock's chunk."""
    runs, stock = ways(dtype, prompt(real_tokens), layers)
    found: dict[str, Measured] = {}
    for name, run in runs.items():
        times, video = chunk_times(run)
        found[name] = Measured(sum(times), [float("inf")] * CHUNKS, video)
    stock_best = float("inf")
    for _ in range(rounds):
        for name, run in runs.items():
            times, video = chunk_times(run)
            best = [min(pair) for pair in zip(times, found[name].chunks, strict=True)]
            found[name] = Measured(found[name].warm_up, best, video)
        started = time.perf_counter()
        stock()
        stock_best = min(stock_best, time.perf_counter() - started)
    return found, stock_best


@torch.no_grad()
def streaming_operations(layers: int = SIZE["num_layers"]) -> dict[str, int]:
    """Operations of a video's products, convolutions and attention, plain and ours: neither can save those of ours."""
    text, noise = prompt(TEXT_TOKENS), SeededNoise(("benchmark",), range(1), (16, FRAMES, LATENT, LATENT))
    plain, ours = shared_weights(layers=layers)
    runs = {"plain": plain_run(plain, text, noise), "ours": our_run(ours, text, noise)}
    return {name: operations(partial(run, lambda: None)) for name, run in runs.items()}
