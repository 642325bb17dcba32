"""ST-LPIPS: a perceptual distance that small shifts do not change (Ghildyal and Liu, ECCV 2022, arXiv 2207.13686).

The form is that of LPIPS (arXiv 1801.03924). The trunk differs: every reduction is a pooling of stride 1 and a blur of
stride 2, and the first convolution has stride 1. One file holds trunk and heads. It is not LPIPS, and its values must
not be compared with LPIPS's.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

BLUR: Final = 0
_EPSILON: Final = 1e-10


class Trunk(NamedTuple):
    """Layers of a trunk.

    Attributes:
        slices: layers of each of the five stages by their number in the file's keys; a kernel size, or `BLUR`.
        widths: channels of each stage.
        pool: side of the maximum before a blur that begins a stage.
        smallest_side: side of the smallest frame, in px, that reaches the last stage.
    """

    slices: tuple[dict[int, int], ...]
    widths: tuple[int, ...]
    pool: int
    smallest_side: int


ALEX: Final = Trunk(
    ({0: 11, 1: BLUR}, {4: BLUR, 5: 5}, {8: BLUR, 9: 3}, {11: 3}, {13: 3}), (64, 192, 384, 256, 256), 3, 32
)
VGG: Final = Trunk(
    (
        {0: 3, 2: 3},
        {5: BLUR, 6: 3, 8: 3},
        {11: BLUR, 12: 3, 14: 3, 16: 3},
        {19: BLUR, 20: 3, 22: 3, 24: 3},
        {27: BLUR, 28: 3, 30: 3, 32: 3},
    ),
    (64, 128, 256, 512, 512),
    2,
    32,
)


class _Scaling(nn.Module):
    """LPIPS's own normalisation of colours, as buffers of the file."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.shift) / self.scale


class _Blur(nn.Module):
    """Each channel convolved with the file's 3 x 3 filter, stride 2, after 2 px of reflection on every side."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.full((channels, 1, 3, 3), 1 / 9))

    def forward(self, images: Tensor) -> Tensor:
        padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
        return functional.conv2d(padded, self.filt, stride=2, groups=images.shape[1])


def _stage(layers: dict[int, int], inputs: int, outputs: int, pool: int) -> nn.Sequential:
    """One stage; layers without weights get names that the file's keys do not use."""
    stage, width = nn.Sequential(), inputs
    for place, (number, kernel) in enumerate(layers.items()):
        if kernel == BLUR:
            if place == 0:
                stage.add_module("pool", nn.MaxPool2d(pool, stride=1))
            stage.add_module(str(number), _Blur(width))
        else:
            stage.add_module(str(number), nn.Conv2d(width, outputs, kernel, padding=1 if kernel == 3 else 2))
            width = outputs
        rectified = place > 0 or len(layers) == 1 or list(layers.values())[1] != BLUR
        if rectified and (kernel != BLUR or place > 0):
            stage.add_module(f"relu{number}", nn.ReLU())
    return stage


class StLpips(nn.Module):
    """The distance of two images.

    Args:
        trunk: layers; `ALEX` and `VGG` are those of the published files.
        widths: channels of each stage, for small tests; by default the trunk's.
    """

    def __init__(self, trunk: Trunk = ALEX, widths: Sequence[int] | None = None) -> None:
        super().__init__()
        channels = tuple(widths or trunk.widths)
        self.smallest_side = trunk.smallest_side
        self.scaling_layer = _Scaling()
        inputs = (3, *channels[:-1])
        stages = [_stage(*each, trunk.pool) for each in zip(trunk.slices, inputs, channels, strict=True)]
        self.net = nn.ModuleDict({f"slice{number}": stage for number, stage in enumerate(stages, start=1)})
        for number, width in enumerate(channels):
            head = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{number}", nn.ModuleDict({"model": head}))

    def features(self, images: Tensor) -> list[Tensor]:
        """Unit vectors over channels of each stage, of images (N, 3, H, W) in -1..1."""
        found, values = [], self.scaling_layer(images)
        for stage in self.net.values():
            values = stage(values)
            found.append(values / (values.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON))
        return found

    def distance(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """Distances (N,) of what `features` gave; a batch of one stands against all of the other."""
        total = torch.zeros(())
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            head = self.get_submodule(f"lin{number}.model.1")
            total = total + head((one - other).square()).mean(dim=(1, 2, 3))
        return total

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) of images (N, 3, H, W) in -1..1."""
        return self.distance(self.features(a), self.features(b))
