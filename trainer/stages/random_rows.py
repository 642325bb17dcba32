"""Random choices of a batch, drawn for all of it and cut to the rows of a micro-batch, wherever it is computed."""

from collections.abc import Sequence

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.seeding import counter_seed


def draw_rows(count: int, rows: range, *names: str | int, columns: int | None = None) -> Tensor:
    """Uniform draws in [0, 1) for rows of a batch of `count`: (rows,), or (rows, columns)."""
    rng = torch.Generator().manual_seed(counter_seed(*names) % 2**63)
    size = (count,) if columns is None else (count, columns)
    return torch.rand(size, generator=rng)[rows.start : rows.stop]


def drop_captions(
    captions: Sequence[str], rows: range, count: int, probability: float, seed: int, step: int
) -> list[str]:
    """Captions of rows of a batch of `count`, some replaced by the empty prompt (for classifier-free guidance)."""
    dropped = draw_rows(count, rows, "caption-dropout", seed, step) < probability
    return ["" if drop else caption for drop, caption in zip(dropped.tolist(), captions, strict=True)]


def token_count(model: WanTransformer3DModel, shape: Sequence[int]) -> int:
    """Tokens of latents (B, C, L, h, w)."""
    batch, _, frames, height, width = shape
    patch_frames, rows, columns = model.config.patch_size
    return int(batch * (frames // patch_frames) * (height // rows) * (width // columns))
