"""The networks of one process: loaded when a dimension first needs them, then shared by all that do."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from probekit.devices import chosen_device
from probekit.evaluation.vbench.fast.networks.amt import Amt, load_amt
from probekit.evaluation.vbench.fast.networks.clip_image import Clip, load_aesthetic_head, load_clip
from probekit.evaluation.vbench.fast.networks.dino import Dino, load_dino
from probekit.evaluation.vbench.fast.networks.musiq import Musiq, load_musiq
from probekit.evaluation.vbench.fast.networks.raft import Raft, load_raft
from probekit.evaluation.vbench.fast.networks.umt import Umt, load_umt
from probekit.evaluation.vbench.fast.networks.viclip import Viclip, load_viclip
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.weights import (
    AESTHETIC_HEAD,
    AMT_S,
    CLIP_B32,
    CLIP_L14,
    DINO,
    MUSIQ,
    RAFT_THINGS,
    UMT,
    VICLIP,
    WeightFile,
    weight_path,
)

N = TypeVar("N", bound=nn.Module)


class NetworkSet:
    """Networks on one device. Each attribute raises UserError where its weights are missing, damaged or others."""

    def __init__(self, settings: FastSettings) -> None:
        self.settings = settings
        self.device = chosen_device(settings.device)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Without gradients, in the asked precision."""
        lower = self.settings.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=lower):
            yield

    @cached_property
    def dino(self) -> Dino:
        """DINO ViT-B/16."""
        return self._placed(load_dino(self._path(DINO)))

    @cached_property
    def clip_b32(self) -> Clip:
        """CLIP ViT-B/32."""
        return self._clip(CLIP_B32)

    @cached_property
    def clip_l14(self) -> Clip:
        """CLIP ViT-L/14."""
        return self._clip(CLIP_L14)

    @cached_property
    def aesthetic_head(self) -> nn.Linear:
        """The LAION predictor."""
        return self._placed(load_aesthetic_head(self._path(AESTHETIC_HEAD)))

    @cached_property
    def musiq(self) -> Musiq:
        """MUSIQ trained on SPAQ."""
        return self._placed(load_musiq(self._path(MUSIQ)))

    @cached_property
    def amt(self) -> Amt:
        """AMT-S."""
        return self._placed(load_amt(self._path(AMT_S)))

    @cached_property
    def raft(self) -> Raft:
        """RAFT trained on FlyingThings."""
        return self._placed(load_raft(self._path(RAFT_THINGS)))

    @cached_property
    def viclip(self) -> Viclip:
        """ViCLIP-L/14."""
        return self._placed(load_viclip(self._path(VICLIP)))

    @cached_property
    def umt(self) -> Umt:
        """UMT-L/16."""
        return self._placed(load_umt(self._path(UMT)))

    def _clip(self, file: WeightFile) -> Clip:
        half = self.settings.compatibility.clip_half_on_gpu and self.settings.precision == "float32"
        network = self._placed(load_clip(self._path(file)))
        return network if half and self.device.type == "cuda" else network.float()

    def _path(self, file: WeightFile) -> Path:
        return weight_path(file, unverified=self.settings.unverified_weights or None)

    def _placed(self, network: N) -> N:
        return network.to(self.device)
