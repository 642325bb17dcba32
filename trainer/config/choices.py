"""Words that recipes, the command line and the engine share, each list once. Torch-free."""

from typing import Literal

PassPrecision = Literal["fp32", "bf16"]
"""Number format of the passes of a training; weights stay in fp32."""
ServiceName = Literal["wandb", "trackio"]
"""Tracking services, each the name of its package."""
