"""Step 1: card, driver, torch, and the measured speed of products and copies."""

import subprocess
from pathlib import Path

import torch

from benchmarks.gpu.measuring import markdown_table, seconds_of
from benchmarks.gpu.sizes import Sizes
from probekit.provenance import hardware


def driver() -> str:
    """What `nvidia-smi` says of card and driver; "none" without it."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "none"


def product_speed(sizes: Sizes, dtype: torch.dtype, tf32: bool = False) -> float:
    """TFLOP/s of a square matrix product."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    a, b = (torch.randn(sizes.matrix, sizes.matrix, device=sizes.device, dtype=dtype) for _ in range(2))
    fastest = min(seconds_of(lambda: a @ b, sizes.device, 4 * sizes.repeats, warm_up=3))
    torch.backends.cuda.matmul.allow_tf32 = False
    return 2 * sizes.matrix**3 / fastest / 1e12


def copy_speed(sizes: Sizes) -> float:
    """TB/s of a copy within the device's memory, reading and writing counted."""
    source = torch.empty(16 * sizes.matrix**2, dtype=torch.uint8, device=sizes.device)
    target = torch.empty_like(source)
    fastest = min(seconds_of(lambda: target.copy_(source), sizes.device, 4 * sizes.repeats, warm_up=3))
    return 2 * source.numel() / fastest / 1e12


def run(sizes: Sizes, out: Path, seconds: float) -> str:
    """Measure and return the table."""
    rows = [
        ["card, driver, memory", driver()],
        ["processor", str(hardware()["processor"])],
        ["torch", f"{torch.__version__}, CUDA {torch.version.cuda}"],
        ["bf16 product", f"{product_speed(sizes, torch.bfloat16):.2f} TFLOP/s"],
        ["fp32 product", f"{product_speed(sizes, torch.float32):.2f} TFLOP/s"],
        ["TF32 product", f"{product_speed(sizes, torch.float32, tf32=True):.2f} TFLOP/s"],
        ["copy", f"{copy_speed(sizes):.3f} TB/s"],
    ]
    return markdown_table(["fact", "measured"], rows)
