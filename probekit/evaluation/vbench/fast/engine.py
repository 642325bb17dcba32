"""The networks of a set of scorers, and what they have read. Torch-free until something is read."""

import weakref
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast.settings import FastSettings

if TYPE_CHECKING:
    from torch import Tensor

    from probekit.evaluation.vbench.fast.network_set import NetworkSet
    from probekit.evaluation.vbench.fast.reading import VideoReading


class FastEngine:
    """The networks, the readings of the last video, and the texts that have been read.

    Args:
        dimensions: dimensions of the scorer set.
        settings: see `FastSettings`.
    """

    def __init__(self, dimensions: frozenset[str], settings: FastSettings) -> None:
        self.settings = settings
        self._dimensions = dimensions
        self._texts: dict[tuple[str, str], Tensor] = {}
        self._last: tuple[weakref.ref[ScoringInput], VideoReading] | None = None

    @cached_property
    def networks(self) -> "NetworkSet":
        """Loaded when first used, so that making scorers is cheap."""
        from probekit.evaluation.vbench.fast.network_set import NetworkSet

        return NetworkSet(self.settings)

    def reading(self, video: ScoringInput) -> "VideoReading":
        """The reading of a video; kept until another video is asked for."""
        from probekit.evaluation.vbench.fast.reading import VideoReading

        if self._last is None or self._last[0]() is not video:
            asked = self._dimensions if video.dimensions is None else self._dimensions & video.dimensions
            self._last = weakref.ref(video), VideoReading(video, self.networks, asked)
        return self._last[1]

    def clip_text(self, text: str) -> "Tensor":
        """CLIP ViT-B/32's features (C,) of a text."""
        return self._text("clip", text, lambda: self._clip_text(text))

    def viclip_text(self, text: str) -> "Tensor":
        """ViCLIP's features (C,) of a text."""
        return self._text("viclip", text, lambda: self.networks.viclip.encode_text(text))

    def _clip_text(self, text: str) -> "Tensor":
        from probekit.evaluation.vbench.fast.networks.clip_image import tokens_of

        return self.networks.clip_b32.encode_text(tokens_of(text).to(self.networks.device))

    def _text(self, network: str, text: str, encode: "Callable[[], Tensor]") -> "Tensor":
        from probekit.evaluation.vbench.fast.guard import check_features

        if (network, text) not in self._texts:
            with self.networks.inference():
                features = encode().float().cpu()
            self._texts[network, text] = check_features(features[None], f"the text encoder of {network}")[0]
        return self._texts[network, text]
