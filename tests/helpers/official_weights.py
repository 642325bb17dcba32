"""Seeded tiny networks at the places where the official modules look for their weights, for tests."""

from pathlib import Path

import numpy as np
import torch

from probekit.evaluation.vbench.official.repairs import official_module
from probekit.evaluation.vbench.weights import AESTHETIC_HEAD, CLIP_B32, CLIP_L14, DINO, WeightFile, weights_folder
from probekit.media.video_files import write_video

HUBCONF = '''"""A tiny stand-in for DINO's repository, with its way of loading."""
import torch

dependencies = ["torch"]


def dino_vitb16(pretrained=True, **_):
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 16))
    if pretrained:
        url = "https://nowhere.invalid/dino_vitbase16_pretrain.pth"
        model.load_state_dict(torch.hub.load_state_dict_from_url(url, map_location="cpu"))
    return model
'''


def write_clip(file: WeightFile = CLIP_B32, patch: int = 32, width: int = 512) -> None:
    """A one-layer CLIP as the TorchScript archive that openai-clip loads; it reads all sizes from the weights."""
    model_class = official_module("background_consistency").clip.model.CLIP
    torch.manual_seed(0)
    model = model_class(
        embed_dim=width, image_resolution=224, vision_layers=1, vision_width=64, vision_patch_size=patch,
        context_length=77, vocab_size=49408, transformer_width=64, transformer_heads=1, transformer_layers=1,
    ).eval()  # fmt: skip
    example = (torch.zeros(1, 3, 224, 224), torch.zeros(1, 77, dtype=torch.long))
    file.path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.save(torch.jit.trace(model, example, check_trace=False), str(file.path))


def write_aesthetic() -> None:
    """A tiny CLIP with ViT-L/14's output size, and the linear predictor on it."""
    write_clip(CLIP_L14, patch=56, width=768)
    torch.manual_seed(1)
    AESTHETIC_HEAD.path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.nn.Linear(768, 1).state_dict(), AESTHETIC_HEAD.path)


def write_dino() -> None:
    """The stand-in network's code and weights."""
    folder = weights_folder() / "dino_model" / "facebookresearch_dino_main"
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    torch.manual_seed(2)
    layers = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity(), torch.nn.Linear(48, 16))
    DINO.path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(layers.state_dict(), DINO.path)


def write_clip_video(path: Path, n_frames: int = 5, *, fps: float = 8.0, height: int = 48, width: int = 64) -> Path:
    """A small video of coloured noise that drifts."""
    canvas = np.random.default_rng(0).integers(0, 256, (height, width + 4 * n_frames, 3), dtype=np.uint8)
    frames = np.stack([canvas[:, 4 * i : 4 * i + width] for i in range(n_frames)])
    write_video(path, frames, fps)
    return path
