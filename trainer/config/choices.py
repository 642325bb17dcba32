"""Words that recipes, the command line and the engine share, and sizes of the shared parts, each once. Torch-free."""

from typing import Final, Literal

PassPrecision = Literal["fp32", "bf16"]
"""Number format of the passes of a training; weights stay in fp32."""
ServiceName = Literal["wandb", "trackio"]
"""Tracking services, each the name of its package."""
CLIP_SHARDS: Final = 72
"""Shards of 250 training clips that the shipped models were trained on."""
CODEC_EPISODES: Final = 400
"""Training episodes that the sprite world's codec is fitted to."""
TEXT_STEPS: Final = 2500
"""Optimizer steps of its text encoder, after which every fact is read from its states."""
