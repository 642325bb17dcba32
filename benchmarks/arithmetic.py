"""The least time that networks can take: their floating-point operations at the speed of this machine's products."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def _cpu_attention(query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    """Operations of torch's fused attention on a CPU, which its counter does not know."""
    count: int = sdpa_flop_count(query, key, value)
    return count


def operations(run: Callable[[], object]) -> int:
    """Floating-point operations of products, convolutions and attention in a call, a multiply-add as two."""
    own = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        run()
    return int(counter.get_total_flops())


def product_speed(sizes: tuple[int, ...] = (512, 1024, 2048), repeats: int = 5) -> float:
    """Operations per second of the fastest square fp32 product of some sizes, with torch's threads."""
    best = 0.0
    for size in sizes:
        a, b = torch.rand(size, size), torch.rand(size, size)
        a @ b
        for _ in range(repeats):
            started = time.perf_counter()
            a @ b
            best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best
