"""What the networks say about a video, each thing found once however many dimensions use it."""

import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

from torch import Tensor

from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast.frame_pass import FrameReader, as_tensor, read_frames
from probekit.evaluation.vbench.fast.guard import check_features
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.networks.clip_image import tokens_of
from probekit.evaluation.vbench.fast.sampling import UMT_FRAMES, VICLIP_FRAMES, middle_indices
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.fast.transforms import (
    action_input,
    clip_input,
    dino_input,
    musiq_input,
    style_input,
    viclip_input,
)

READER_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "subject_consistency": "dino",
        "background_consistency": "clip_b32",
        "aesthetic_quality": "clip_l14",
        "imaging_quality": "musiq",
        "appearance_style": "style",
    }
)
"""Which reader of single frames a dimension uses."""


class VideoReading:
    """One video through the networks.

    Args:
        video: what is read.
        networks: that read it.
        dimensions: those that will be asked for; only their readers of single frames run.
    """

    def __init__(self, video: ScoringInput, networks: NetworkSet, dimensions: frozenset[str]) -> None:
        self._video = video
        self._networks = networks
        self._dimensions = dimensions

    def of_frames(self, dimension: str) -> Tensor:
        """Features of every frame (T, C), or (T,), for a dimension of `READER_OF`. Raises what kept it from reading."""
        name = READER_OF[dimension]
        features = self._features[name]
        if isinstance(features, UserError):
            raise features
        return check_features(features, name)

    @cached_property
    def _features(self) -> dict[str, Tensor | UserError]:
        """Features by reader; where a network cannot be loaded, the reason, so that the others still read."""
        settings = self._networks.settings
        found: dict[str, Tensor | UserError] = {}
        readers: list[FrameReader] = []
        for name in dict.fromkeys(READER_OF[dimension] for dimension in READER_OF if dimension in self._dimensions):
            try:
                readers.append(self._reader(name))
            except UserError as error:
                found[name] = error
        with self._networks.inference():
            device, batch = self._networks.device, settings.batch_frames
            return found | read_frames(self._video.frames, readers, settings.compatibility, device, batch)

    def _reader(self, name: str) -> FrameReader:
        networks = self._networks
        readers: dict[str, Callable[[], FrameReader]] = {
            "dino": lambda: FrameReader(name, dino_input, networks.dino),
            "clip_b32": lambda: FrameReader(name, clip_input, networks.clip_b32),
            "clip_l14": lambda: FrameReader(name, clip_input, networks.clip_l14),
            "musiq": lambda: FrameReader(name, musiq_input, networks.musiq),
            "style": lambda: FrameReader(name, style_input, networks.clip_b32),
        }
        return readers[name]()

    @cached_property
    def viclip(self) -> Tensor:
        """ViCLIP's features (C,)."""
        networks = self._networks
        frames = self._video.frames_at(middle_indices(self._video.length, VICLIP_FRAMES))
        with networks.inference():
            images = viclip_input(as_tensor(frames, networks.device), networks.settings.compatibility)
            features = networks.viclip.encode_video(images).float().cpu()
        return check_features(features[None], "ViCLIP")[0]

    @cached_property
    def action_logits(self) -> Tensor:
        """UMT's logits (400,)."""
        networks = self._networks
        frames = self._video.frames_at(middle_indices(self._video.length, UMT_FRAMES))
        with networks.inference():
            images = action_input(as_tensor(frames, networks.device), networks.settings.compatibility)
            logits = networks.umt(images).float().cpu()
        return check_features(logits[None], "UMT")[0]


class FastEngine:
    """The networks, the readings of the video at hand, and the texts that have been read.

    Args:
        dimensions: those of the scorer set.
        settings: see `FastSettings`.
    """

    def __init__(self, dimensions: frozenset[str], settings: FastSettings) -> None:
        self.settings = settings
        self._dimensions = dimensions
        self._texts: dict[tuple[str, str], Tensor] = {}
        self._last: tuple[weakref.ref[ScoringInput], VideoReading] | None = None

    @cached_property
    def networks(self) -> NetworkSet:
        """Loaded when first used, so that making scorers is cheap."""
        return NetworkSet(self.settings)

    def reading(self, video: ScoringInput) -> VideoReading:
        """The reading of a video; kept until another video is asked for."""
        if self._last is None or self._last[0]() is not video:
            asked = self._dimensions if video.dimensions is None else self._dimensions & video.dimensions
            self._last = weakref.ref(video), VideoReading(video, self.networks, asked)
        return self._last[1]

    def clip_text(self, text: str) -> Tensor:
        """CLIP ViT-B/32's features (C,) of a text."""
        return self._text("clip", text, lambda: self._clip_text(text))

    def viclip_text(self, text: str) -> Tensor:
        """ViCLIP's features (C,) of a text."""
        return self._text("viclip", text, lambda: self.networks.viclip.encode_text(text))

    def _clip_text(self, text: str) -> Tensor:
        return self.networks.clip_b32.encode_text(tokens_of(text).to(self.networks.device))

    def _text(self, network: str, text: str, encode: Callable[[], Tensor]) -> Tensor:
        if (network, text) not in self._texts:
            with self.networks.inference():
                features = encode().float().cpu()
            self._texts[network, text] = check_features(features[None], f"the text encoder of {network}")[0]
        return self._texts[network, text]
