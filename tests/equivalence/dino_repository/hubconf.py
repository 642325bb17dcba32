"""A stand-in for the repository from which the official subject consistency takes DINO through torch.hub.

Written from the paper's formulas on plain tensors, so that it shares no code with what it is compared with.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F

dependencies = ["torch"]
CHECKPOINT = "dino_vitbase16_pretrain.pth"


class StandIn(torch.nn.Module):
    """The class token of a vision transformer with DINO's rule for other image sizes."""

    def __init__(self, state):
        super().__init__()
        self.state = state
        self.width = state["cls_token"].shape[-1]
        self.depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})

    def linear(self, x, name):
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (self.width,), self.state[f"{name}.weight"], self.state[f"{name}.bias"], 1e-6)

    def positions(self, rows, columns):
        table = self.state["pos_embed"][0]
        side = math.sqrt(len(table) - 1)
        if rows == columns == side:
            return table
        grid = table[1:].T.reshape(1, self.width, int(side), int(side))
        scale = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
        return torch.cat([table[:1], grid.flatten(2)[0].T])

    def attention(self, x, name):
        heads = self.width // 64
        n, length, _ = x.shape
        query, key, value = (
            part.reshape(n, length, heads, 64).transpose(1, 2)
            for part in self.linear(x, f"{name}.qkv").chunk(3, dim=-1)
        )
        weights = torch.softmax(query @ key.transpose(2, 3) / 8.0, dim=-1)
        return self.linear((weights @ value).transpose(1, 2).reshape(n, length, self.width), f"{name}.proj")

    def forward(self, images):
        kernel, bias = self.state["patch_embed.proj.weight"], self.state["patch_embed.proj.bias"]
        patches = F.conv2d(images, kernel, bias, stride=kernel.shape[-1])
        rows, columns = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2)
        x = torch.cat([self.state["cls_token"].expand(len(images), 1, self.width), tokens], dim=1)
        x = x + self.positions(rows, columns)
        for index in range(self.depth):
            block = f"blocks.{index}"
            x = x + self.attention(self.norm(x, f"{block}.norm1"), f"{block}.attn")
            x = x + self.linear(
                F.gelu(self.linear(self.norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2"
            )
        return self.norm(x, "norm")[:, 0]


def dino_vitb16(**kwargs):
    """Entry point, called as the real one is: what it does not know it ignores."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / CHECKPOINT
    return StandIn(torch.load(path, map_location="cpu", weights_only=True)).eval()
