"""Sizes of the GPU benchmarks: those of Wan on a GPU, and tiny ones that test the same code on a CPU."""

from typing import Any, Final, NamedTuple

import torch

from probekit.models.presets import WAN_1_3B, WAN_14B

ConfigDict = dict[str, Any]


class Sizes(NamedTuple):
    """What is measured.

    Attributes:
        device: device that everything runs on.
        dtype: precision of weights and latents.
        student: configuration of the causal generator.
        teacher: configuration of the real score and foresight encoder.
        codec: arguments of `AutoencoderKLWan`.
        latent: rows and columns of a latent frame.
        chunks: chunks of a video, of 3 latent frames each.
        text_tokens: tokens of a prompt.
        depths: two numbers of layers at which costs that are linear in depth are measured.
        matrix: side of the square matrices of the speed test.
        repeats: timed repetitions.
        frames: frames of a scored video, and its height and width.
    """

    device: str
    dtype: torch.dtype
    student: ConfigDict
    teacher: ConfigDict
    codec: ConfigDict
    latent: tuple[int, int]
    chunks: int
    text_tokens: int
    depths: tuple[int, int]
    matrix: int
    repeats: int
    frames: tuple[int, int, int]


_TINY: Final[ConfigDict] = {"attention_head_dim": 12, "ffn_dim": 32, "text_dim": 64, "freq_dim": 32}

FULL: Final = Sizes(
    device="cuda", dtype=torch.bfloat16, student=WAN_1_3B, teacher=WAN_14B, codec={}, latent=(60, 104), chunks=7,
    text_tokens=512, depths=(2, 4), matrix=8192, repeats=5, frames=(81, 480, 832),
)  # fmt: skip
TINY: Final = Sizes(
    device="cpu", dtype=torch.float32,
    student={**WAN_1_3B, **_TINY, "num_attention_heads": 2, "num_layers": 2},
    teacher={**WAN_14B, **_TINY, "num_attention_heads": 4, "num_layers": 2},
    codec={"base_dim": 8, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    latent=(4, 6), chunks=3, text_tokens=8, depths=(1, 2), matrix=128, repeats=2, frames=(9, 128, 160),
)  # fmt: skip
