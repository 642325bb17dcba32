"""XFeat: keypoints and descriptors (Potje et al., CVPR 2024, arXiv 2404.19174), in place of a flow network."""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL: Final = 8
"""Side in px of the square that has one descriptor."""
STRIDE: Final = 32
"""Frames are as high and wide as multiples of this many px."""
UNUSED: Final = "fine_matcher."
"""Keys of the file's refinement of matches, which nothing here reads."""


def _layer(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.ModuleDict:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.ModuleDict({"layer": nn.Sequential(convolution, nn.BatchNorm2d(outputs, affine=False), nn.ReLU())})


def _run(layers: nn.ModuleList, values: Tensor) -> Tensor:
    """Apply layers in order; a `_layer` is applied through what it holds."""
    for layer in layers:
        values = layer["layer"](values) if isinstance(layer, nn.ModuleDict) else layer(values)
    return values


class Keypoints(NamedTuple):
    """The K points of an image that can be found again best.

    Attributes:
        places: (K, 2) x and y in px.
        descriptors: (K, 64) unit vectors.
    """

    places: Tensor
    descriptors: Tensor


class XFeat(nn.Module):
    """Descriptors, reliabilities and keypoint logits, one for each cell of 8 x 8 px."""

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.ModuleList([nn.AvgPool2d(4), nn.Conv2d(1, 24, 1)])
        self.block1 = nn.ModuleList([_layer(1, 4), _layer(4, 8, stride=2), _layer(8, 8), _layer(8, 24, stride=2)])
        self.block2 = nn.ModuleList([_layer(24, 24), _layer(24, 24)])
        self.block3 = nn.ModuleList([_layer(24, 64, stride=2), _layer(64, 64), _layer(64, 64, 1)])
        self.block4 = nn.ModuleList([_layer(64, 64, stride=2), _layer(64, 64), _layer(64, 64)])
        self.block5 = nn.ModuleList([_layer(64, 128, stride=2), _layer(128, 128), _layer(128, 128), _layer(128, 64, 1)])
        self.block_fusion = nn.ModuleList([_layer(64, 64), _layer(64, 64), nn.Conv2d(64, 64, 1)])
        self.heatmap_head = nn.ModuleList([_layer(64, 64, 1), _layer(64, 64, 1), nn.Conv2d(64, 1, 1)])
        self.keypoint_head = nn.ModuleList([*(_layer(64, 64, 1) for _ in range(3)), nn.Conv2d(64, CELL**2 + 1, 1)])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of images (N, 3, H, W) whose sides are multiples of 32 px.

        Returns:
            Descriptors (N, 64, H/8, W/8), logits (N, 65, H/8, W/8) of the 64 px of a cell and of none of them, and
            reliabilities (N, 1, H/8, W/8) in 0..1.
        """
        grey = functional.instance_norm(images.mean(dim=1, keepdim=True))
        quarter = _run(self.block2, _run(self.block1, grey) + _run(self.skip1, grey))
        eighth = _run(self.block3, quarter)
        sixteenth = _run(self.block4, eighth)
        coarser = (sixteenth, _run(self.block5, sixteenth))
        widened = [functional.interpolate(each, eighth.shape[-2:], mode="bilinear") for each in coarser]
        descriptors = _run(self.block_fusion, eighth + widened[0] + widened[1])
        logits = _run(self.keypoint_head, functional.pixel_unshuffle(grey, CELL))
        return descriptors, logits, _run(self.heatmap_head, descriptors).sigmoid()

    def keypoints(self, images: Tensor, most: int) -> list[Keypoints]:
        """The best pixel of each cell, of the `most` cells with the highest chance times reliability."""
        descriptors, logits, reliability = self(images)
        return [_best(*maps, most) for maps in zip(descriptors, logits, reliability, strict=True)]


def _best(descriptors: Tensor, logits: Tensor, reliability: Tensor, most: int) -> Keypoints:
    """Keypoints of one image from its maps (C, h, w)."""
    chance, pixel = logits.softmax(dim=0)[:-1].max(dim=0)
    scores = (chance * reliability[0]).flatten()
    # A stable order keeps the same cells on every machine where scores are equal.
    chosen = scores.argsort(descending=True, stable=True)[:most]
    rows, columns = chosen // chance.shape[1], chosen % chance.shape[1]
    within = pixel.flatten()[chosen]
    places = torch.stack([columns * CELL + within % CELL, rows * CELL + within // CELL], dim=1)
    vectors = functional.normalize(descriptors, dim=0).flatten(1)[:, chosen].T
    return Keypoints(places.double(), vectors)
