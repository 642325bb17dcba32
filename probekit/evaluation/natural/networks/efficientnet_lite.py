"""EfficientNet-Lite0 (Liu, 2020; EfficientNet: Tan and Le, ICML 2019, arXiv 1905.11946), ImageNet classes and features.

The lite variant has no squeeze-and-excitation and ReLU6 in place of swish; stem and head keep their width. Convolutions
pad as TensorFlow's "SAME": what is odd goes to the right and the bottom.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE_SIDE: Final = 224
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
_EPSILON: Final = 1e-3


class Stage(NamedTuple):
    """Blocks that share a kernel, an expansion and a width; the first of them has the stride."""

    kernel: int
    stride: int
    expansion: int
    width: int
    blocks: int


LITE0: Final = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)


class _SameConv(nn.Conv2d):
    """A convolution without bias whose output is as large as the input, divided by the stride and rounded up."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in images.shape[-2:]]
        below, right = (size - size // 2 for size in missing)
        padded = functional.pad(images, (missing[1] // 2, right, missing[0] // 2, below))
        return functional.conv2d(padded, self.weight, stride=self.stride, groups=self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class _Block(nn.Module):
    """Widen, filter each channel, narrow; added to the input where shapes agree."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self._widens = stage.expansion != 1
        if self._widens:
            self._expand_conv = _SameConv(inputs, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _SameConv(wide, wide, stage.kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _SameConv(wide, stage.width, 1)
        self._bn2 = _norm(stage.width)
        self._adds = stride == 1 and inputs == stage.width

    def forward(self, images: Tensor) -> Tensor:
        values = functional.relu6(self._bn0(self._expand_conv(images))) if self._widens else images
        values = functional.relu6(self._bn1(self._depthwise_conv(values)))
        values = torch.as_tensor(self._bn2(self._project_conv(values)))
        return values + images if self._adds else values


class EfficientNetLite(nn.Module):
    """The classifier.

    Args:
        stages: stages of blocks.
        stem: channels of the first convolution.
        head: channels of the last convolution, and length of the features.
        classes: number of classes.
    """

    def __init__(self, stages: Sequence[Stage] = LITE0, stem: int = 32, head: int = 1280, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, stem, 3, 2)
        self._bn0 = _norm(stem)
        blocks, width = [], stem
        for stage in stages:
            for place in range(stage.blocks):
                blocks.append(_Block(width, stage, stage.stride if place == 0 else 1))
                width = stage.width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _SameConv(width, head, 1)
        self._bn1 = _norm(head)
        self._fc = nn.Linear(head, classes)

    def features(self, images: Tensor) -> Tensor:
        """Means over places (N, head) of the last map, each at least 0, of normalised images (N, 3, H, W)."""
        values = functional.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            values = block(values)
        return functional.relu6(self._bn1(self._conv_head(values))).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of normalised images (N, 3, H, W)."""
        return torch.as_tensor(self._fc(self.features(images)))
