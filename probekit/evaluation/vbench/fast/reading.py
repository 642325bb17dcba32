"""What the networks say about a video, each thing found once however many dimensions use it."""

from functools import cached_property

from torch import Tensor

from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast.dimensions import FAST, Reader
from probekit.evaluation.vbench.fast.frame_pass import FrameReader, as_tensor, read_frames
from probekit.evaluation.vbench.fast.guard import BrokenNetworkError, check_features
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.sampling import UMT_FRAMES, VICLIP_FRAMES, middle_indices
from probekit.evaluation.vbench.fast.transforms import action_input, viclip_input


class VideoReading:
    """One video through the networks.

    Args:
        video: what is read.
        networks: networks that read it.
        dimensions: those that will be asked for; only their readers of single frames run.
    """

    def __init__(self, video: ScoringInput, networks: NetworkSet, dimensions: frozenset[str]) -> None:
        self._video = video
        self._networks = networks
        self._dimensions = dimensions

    def of_frames(self, dimension: str) -> Tensor:
        """Features of every frame (T, C), or (T,), by the reader of a dimension. Raises what kept it from reading."""
        reader = FAST[dimension].reader
        assert reader is not None
        features = self._features[reader]
        if isinstance(features, UserError):
            raise features
        return features

    @cached_property
    def _features(self) -> dict[Reader, Tensor | UserError]:
        """Features by reader; where a network cannot be loaded, the reason, so that the others still read."""
        settings = self._networks.settings
        found: dict[Reader, Tensor | UserError] = {}
        readers: dict[Reader, FrameReader] = {}
        for reader in dict.fromkeys(row.reader for name, row in FAST.items() if name in self._dimensions):
            if reader is None:
                continue
            try:
                readers[reader] = reader(self._networks)
            except UserError as error:
                found[reader] = error
        with self._networks.inference():
            device, batch = self._networks.device, settings.batch_frames
            read = read_frames(self._video.frames, list(readers.values()), settings.compatibility, device, batch)
        return found | {reader: _checked(read[made.name], made.name) for reader, made in readers.items()}

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


def _checked(features: Tensor, name: str) -> Tensor | UserError:
    try:
        return check_features(features, name)
    except BrokenNetworkError as error:
        return error
