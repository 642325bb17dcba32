"""Seeded random weights in the official files' places and layouts, of small networks where the classes allow."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from probekit.evaluation.vbench import weights as files
from probekit.evaluation.vbench.fast.networks.amt import Amt
from probekit.evaluation.vbench.fast.networks.clip_image import clip_package
from probekit.evaluation.vbench.fast.networks.dino import Dino
from probekit.evaluation.vbench.fast.networks.musiq import Musiq
from probekit.evaluation.vbench.fast.networks.raft import Raft
from probekit.evaluation.vbench.fast.networks.umt import Umt
from probekit.evaluation.vbench.fast.networks.viclip import use_clip_tokenizer

CLIP_TEXT = {"context_length": 77, "vocab_size": 49408, "transformer_heads": 1, "transformer_layers": 1}


class Sizes(NamedTuple):
    """Width and depth of the transformers; widths are multiples of 64."""

    dino: tuple[int, int] = (128, 2)
    clip_b32: tuple[int, int] = (128, 2)
    clip_l14: tuple[int, int] = (128, 2)
    musiq_layers: int = 2
    viclip: tuple[int, int] = (128, 1)
    umt: tuple[int, int] = (128, 1)


SMALL = Sizes()
PUBLISHED = Sizes((768, 12), (768, 12), (1024, 24), 14, (1024, 24), (1024, 24))


def write_weights(sizes: Sizes = SMALL, *, only: frozenset[str] | None = None) -> None:
    """Write the weight files of the fast backend's dimensions, or of some, where the fast backend looks for them."""
    writers = {
        files.DINO: partial(_save, lambda: Dino(*sizes.dino, positions=197, patch=16).vit),
        files.CLIP_B32: partial(_save_clip, *sizes.clip_b32, patch=32, out=512),
        files.CLIP_L14: partial(_save_clip, *sizes.clip_l14, patch=14, out=768),
        files.AESTHETIC_HEAD: partial(_save, lambda: nn.Linear(768, 1)),
        files.MUSIQ: partial(_save, lambda: Musiq(sizes.musiq_layers, 1152).network, inside="params"),
        files.AMT_S: partial(_save, lambda: Amt().network, inside="state_dict"),
        files.RAFT_THINGS: partial(_save, lambda: Raft().network, prefix="module."),
        files.VICLIP: partial(_save, lambda: small_viclip(*sizes.viclip), inside="model"),
        files.UMT: partial(_save, lambda: Umt(*sizes.umt, actions=400).network),
    }
    for file, write in writers.items():
        if only is None or any(file in files.WEIGHTS[dimension] for dimension in only):
            file.path.parent.mkdir(parents=True, exist_ok=True)
            torch.manual_seed(len(file.name))
            write(file.path)


def small_viclip(width: int, depth: int) -> nn.Module:
    """The official ViCLIP, narrower and shallower than its constructor makes it."""
    use_clip_tokenizer()
    from vbench.third_party.ViCLIP.viclip import ViCLIP
    from vbench.third_party.ViCLIP.viclip_text import clip_text_l14
    from vbench.third_party.ViCLIP.viclip_vision import VisionTransformer

    class Small(ViCLIP):
        def build_vision_encoder(self) -> nn.Module:
            encoder = VisionTransformer(224, 14, width, depth, width // 64, output_dim=128, checkpoint_num=24)
            return encoder.eval()

        def build_text_encoder(self) -> nn.Module:
            return clip_text_l14(
                embed_dim=128, context_length=32, transformer_width=64, transformer_heads=1,
                transformer_layers=1, pretrained=False,
            )  # fmt: skip

    return Small(pretrain=None)


def _save(make: Callable[[], nn.Module], path: Path, *, inside: str | None = None, prefix: str = "") -> None:
    network = make()
    state = {f"{prefix}{key}": value for key, value in _random(network.state_dict()).items()}
    torch.save({inside: state} if inside else state, path)


def _random(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fill what a constructor leaves empty or zero, so that every weight plays a part."""
    return {key: _filled(key, value) for key, value in state.items()}


def _filled(key: str, value: Tensor) -> Tensor:
    learnt = value.is_floating_point() and "running" not in key
    unset = learnt and (
        not torch.isfinite(value).all() or (value.numel() > 1 and value.std() < 1e-6 and value.ndim > 1)
    )
    embedding = learnt and ("embed" in key or "proj" in key.rpartition(".")[2] or "cls" in key) and value.ndim > 0
    return torch.randn_like(value) * 0.05 if unset or embedding else value


def _save_clip(width: int, depth: int, path: Path, *, patch: int, out: int) -> None:
    network = clip_package().model.CLIP(
        embed_dim=out, image_resolution=224, vision_layers=depth, vision_width=width, vision_patch_size=patch,
        transformer_width=64, **CLIP_TEXT,
    ).eval()  # fmt: skip
    example = torch.zeros(1, 3, 224, 224), torch.zeros(1, 77, dtype=torch.int32)
    torch.jit.save(torch.jit.trace(network, example), str(path))
