"""The teacher-forced pass by chunks against one masked attention over both halves; called by `rollout.py`."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.live_memory import LiveTensors
from probekit.models.causal_attention import teacher_forcing
from probekit.models.causal_wan import CausalWan
from probekit.models.rotary import rotary_table, rotate
from probekit.models.text_context import TextContext

CHUNKS, FRAMES = 7, 3


class MaskedAttention:
    """Every query against every key of [clean | noisy], with a dense mask: what a mask-based implementation does."""

    def __init__(self, model: CausalWan, latents: Tensor) -> None:
        rows, columns = model.token_grid(latents)
        frames = CHUNKS * FRAMES
        self._table = rotary_table(model.rope, [*range(frames), *range(frames)], rows, columns)
        size = FRAMES * rows * columns
        mask = torch.zeros(2 * CHUNKS, 2 * CHUNKS, dtype=torch.bool)
        for chunk, seen in enumerate(teacher_forcing(CHUNKS)):
            mask[chunk, seen] = True
        self._mask = mask.repeat_interleave(size, 0).repeat_interleave(size, 1)

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Masked attention over the whole sequence."""
        parts = (rotate(queries, self._table), rotate(keys, self._table), values)
        out = scaled_dot_product_attention(*(part.transpose(1, 2) for part in parts), attn_mask=self._mask)
        return out.transpose(1, 2)


def training_pass(model: CausalWan, latent: int, masked: bool, text_tokens: int) -> Callable[[], float]:
    """One forward and backward pass of both halves; returns the loss."""
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(1, 16, 2 * CHUNKS * FRAMES, latent, latent, generator=generator)
    levels = torch.cat([torch.zeros(1, CHUNKS), torch.full((1, CHUNKS), 700.0)], dim=1)
    text = torch.randn(1, text_tokens, model.config.text_dim, generator=generator)
    frames = [*range(CHUNKS * FRAMES)]

    def run() -> float:
        model.zero_grad()
        by_chunks = model.parallel(both, [*frames, *frames], teacher_forcing(CHUNKS))
        rule = MaskedAttention(model, both) if masked else by_chunks
        loss = model(both, levels, TextContext(text), rule)[:, :, CHUNKS * FRAMES :].square().mean()
        loss.backward()
        return float(loss.detach())

    return run


def compare_training(config: dict[str, Any], latent: int, rounds: int, text_tokens: int = 64) -> dict[str, float]:
    """Fastest time, peak memory beyond weights, and loss of both ways; interleaved."""
    torch.manual_seed(0)
    model = CausalWan(**config)
    runs = {name: training_pass(model, latent, name == "masked", text_tokens) for name in ("masked", "chunks")}
    found: dict[str, float] = {}
    for name, run in runs.items():
        found[f"{name} loss"] = run()
        with LiveTensors() as live:
            run()
        found[f"{name} peak MB"] = live.peak / 1e6
        found[f"{name} seconds"] = float("inf")
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            found[f"{name} seconds"] = min(found[f"{name} seconds"], time.perf_counter() - started)
    return found
