"""Our rollout against a plain one and against stock diffusers, interleaved in one run; called by `rollout.py`."""

import time
from collections.abc import Callable
from itertools import pairwise

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from benchmarks.plain_causal_wan import PlainCausalWan, plain_rollout
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
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


def shared_weights() -> tuple[WanTransformer3DModel, CausalWan]:
    """The same random weights as stock diffusers' model and as ours."""
    torch.manual_seed(0)
    plain = WanTransformer3DModel(**SIZE).eval().requires_grad_(False)
    ours = CausalWan(**SIZE).eval().requires_grad_(False)
    ours.load_state_dict(plain.state_dict())
    return plain, ours


def prompt(real_tokens: int) -> Tensor:
    """Embeddings (1, 512, width) of a prompt, zero after its real tokens as Wan's are."""
    text = torch.randn(1, TEXT_TOKENS, SIZE["text_dim"], generator=torch.Generator().manual_seed(1))
    text[:, real_tokens:] = 0
    return text


def chunk_times(run: Callable[[Callable[[], None]], Tensor]) -> tuple[list[float], Tensor]:
    """Seconds of each chunk and the video."""
    marks = [time.perf_counter()]
    video = run(lambda: marks.append(time.perf_counter()))
    return [after - before for before, after in pairwise(marks)], video


def plain_run(model: WanTransformer3DModel, text: Tensor, noise: SeededNoise) -> Callable[..., Tensor]:
    """The plain streaming rollout as a function of its chunk callback."""

    def run(mark: Callable[[], None]) -> Tensor:
        plain = PlainCausalWan(model, CHUNKS * FRAMES, (LATENT // 2, LATENT // 2), 1)
        return plain_rollout(plain, text, noise, few_step_sigmas(), CHUNKS, mark)

    return run


def our_run(model: CausalWan, text: Tensor, noise: SeededNoise) -> Callable[..., Tensor]:
    """Our rollout as a function of its chunk callback."""

    def run(mark: Callable[[], None]) -> Tensor:
        chunks = []
        for result in Rollout(model, TextContext(text), noise, FewStepDenoiser(few_step_sigmas()), chunks=CHUNKS):
            chunks.append(result.latents)
            mark()
        return torch.cat(chunks, dim=2)

    return run


def stock_chunk(model: WanTransformer3DModel, text: Tensor, noise: SeededNoise) -> Callable[[], Tensor]:
    """Stock diffusers, five passes over one isolated chunk: no context, nothing kept between passes."""

    def run() -> Tensor:
        for sigma in (*few_step_sigmas(), 0.0):
            out = model(noise(0, 0), torch.tensor([1000.0 * sigma]), text, return_dict=False)[0]
        return out

    return run


@torch.no_grad()
def compare_rollouts(rounds: int, real_tokens: int) -> dict[str, object]:
    """Fastest chunk times of each implementation over interleaved rounds, and how far outputs differ."""
    plain, ours = shared_weights()
    text = prompt(real_tokens)
    noise = SeededNoise(("benchmark",), range(1), (16, FRAMES, LATENT, LATENT))
    runs = {"plain": plain_run(plain, text, noise), "ours": our_run(ours, text, noise)}
    stock = stock_chunk(plain, text, noise)
    best: dict[str, list[float]] = {}
    videos: dict[str, Tensor] = {}
    stock_best = float("inf")
    for _ in range(rounds):
        for name, run in runs.items():
            times, videos[name] = chunk_times(run)
            best[name] = [min(pair) for pair in zip(times, best.get(name, times), strict=True)]
        started = time.perf_counter()
        stock()
        stock_best = min(stock_best, time.perf_counter() - started)
    difference = float((videos["plain"] - videos["ours"]).abs().max())
    return {"chunks": best, "stock": stock_best, "difference": difference}
