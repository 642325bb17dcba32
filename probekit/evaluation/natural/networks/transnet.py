"""TransNetV2: where one shot ends and the next begins (Soucek and Lokoc 2020, arXiv 2008.04838).

Three stages of dilated 3-D convolutions see 27 x 48 px frames. Beside them two tables say how like each frame is to its
50 neighbours on either side: by the stages' means, and by colour histograms of 8 x 8 x 8 bins.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

FRAME_SIZE: Final = (27, 48)
"""Height and width of its input, in px."""
DILATIONS: Final = (1, 2, 4, 8)
NEIGHBOURS: Final = 101
WINDOW: Final = 100
"""Frames of a pass; the middle half of its answers is kept."""
_MARGIN: Final = WINDOW // 4
_STEP: Final = WINDOW // 2
_BINS: Final = 512


class _Separable(nn.Module):
    """A convolution over places, then one over time."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        space = nn.Conv3d(inputs, 2 * outputs, (1, 3, 3), padding=(0, 1, 1), bias=False)
        time = nn.Conv3d(
            2 * outputs, outputs, (3, 1, 1), dilation=(dilation, 1, 1), padding=(dilation, 0, 0), bias=False
        )
        self.layers = nn.ModuleList([space, time])

    def forward(self, video: Tensor) -> Tensor:
        return torch.as_tensor(self.layers[1](self.layers[0](video)))


class _Dilated(nn.Module):
    """The same video at four dilations in time, side by side."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            self.add_module(f"Conv3D_{dilation}", _Separable(inputs, filters, dilation))
        self.bn = nn.BatchNorm3d(len(DILATIONS) * filters, eps=1e-3)

    def forward(self, video: Tensor) -> Tensor:
        views = [self.get_submodule(f"Conv3D_{dilation}")(video) for dilation in DILATIONS]
        return torch.as_tensor(self.bn(torch.cat(views, dim=1)))


class _Stage(nn.Module):
    """Two dilated convolutions with a shortcut around the second, then half the height and width."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([_Dilated(inputs, filters), _Dilated(len(DILATIONS) * filters, filters)])

    def forward(self, video: Tensor) -> Tensor:
        first = functional.relu(self.DDCNN[0](video))
        second = functional.relu(self.DDCNN[1](first))
        return functional.avg_pool3d(first + second, (1, 2, 2))


def neighbour_table(vectors: Tensor) -> Tensor:
    """Products of each vector with its neighbours: (T, D) to (T, `NEIGHBOURS`), 0 beyond the ends."""
    reach = NEIGHBOURS // 2
    products = functional.pad(vectors @ vectors.T, (reach, reach))
    columns = torch.arange(len(vectors))[:, None] + torch.arange(NEIGHBOURS)
    return products.gather(1, columns)


def color_histograms(frames: Tensor) -> Tensor:
    """Unit histograms (T, 512) of frames uint8 (T, H, W, 3), 8 bins a channel."""
    red, green, blue = (frames.long() >> 5).flatten(1, 2).unbind(dim=-1)
    bins = red * 64 + green * 8 + blue
    counts = torch.zeros(len(frames), _BINS).scatter_add_(1, bins, torch.ones(bins.shape))
    return functional.normalize(counts, dim=1)


class _FrameSimilarity(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, width)
        self.fc = nn.Linear(NEIGHBOURS, width)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        means = torch.cat([stage.mean(dim=(3, 4)) for stage in stages], dim=1)[0].T
        return functional.relu(self.fc(neighbour_table(functional.normalize(self.projection(means), dim=1))))


class _ColorHistograms(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(NEIGHBOURS, width)

    def forward(self, frames: Tensor) -> Tensor:
        return functional.relu(self.fc(neighbour_table(color_histograms(frames))))


class TransNet(nn.Module):
    """Says of each frame how likely it is the last of its shot.

    Args:
        filters: filters of each dilation of the three stages.
        width: length of either table's summary.
        hidden: units of the last hidden layer.
    """

    def __init__(self, filters: Sequence[int] = (16, 32, 64), width: int = 128, hidden: int = 1024) -> None:
        super().__init__()
        channels = [len(DILATIONS) * count for count in filters]
        stages = [_Stage(inputs, own) for inputs, own in zip((3, *channels[:-1]), filters, strict=True)]
        self.SDDCNN = nn.ModuleList(stages)
        self.frame_sim_layer = _FrameSimilarity(sum(channels), width)
        self.color_hist_layer = _ColorHistograms(width)
        height, breadth = (side // 2 ** len(stages) for side in FRAME_SIZE)
        self.fc1 = nn.Linear(channels[-1] * height * breadth + 2 * width, hidden)
        self.cls_layer1 = nn.Linear(hidden, 1)
        self.cls_layer2 = nn.Linear(hidden, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (T,) of frames uint8 (T, 27, 48, 3), RGB."""
        video = frames.permute(3, 0, 1, 2)[None].float() / 255
        stages = []
        for stage in self.SDDCNN:
            video = stage(video)
            stages.append(video)
        places = video[0].permute(1, 2, 3, 0).flatten(1)
        row = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(stages), places], dim=1)
        return torch.as_tensor(self.cls_layer1(functional.relu(self.fc1(row))))[:, 0]

    def probabilities(self, frames: Tensor) -> Tensor:
        """Probability (T,) that each frame uint8 (T, 27, 48, 3) is the last of its shot.

        Passes of 100 frames move on by 50, and the first and last frame are repeated around the video.
        """
        count = len(frames)
        after = _MARGIN + -count % _STEP
        padded = torch.cat([frames[:1].expand(_MARGIN, -1, -1, -1), frames, frames[-1:].expand(after, -1, -1, -1)])
        starts = range(0, len(padded) - WINDOW + 1, _STEP)
        kept = [self(padded[start : start + WINDOW])[_MARGIN : _MARGIN + _STEP] for start in starts]
        return torch.cat(kept)[:count].sigmoid()
