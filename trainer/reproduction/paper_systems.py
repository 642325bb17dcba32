"""Base systems as the paper's tables name them."""

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, str]] = {
    "self-forcing": "Self-Forcing (chunk-wise)", "framewise": "Causal-Forcing (frame-wise)",
    "chunkwise": "Causal-Forcing (chunk-wise)",
}  # fmt: skip
WITH: Final = " + Video-Mirai"
"""What follows a system's name in its row with foresight."""
