"""CLIP (Radford et al., ICML 2021) from the openai-clip package, and the LAION predictor on top of it."""

import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from probekit.errors import UserError
from probekit.evaluation.vbench.fast.guard import check_weights
from probekit.evaluation.vbench.fast.networks.weight_reading import filled, read_state, require

NAME: Final = "CLIP"


def clip_package() -> Any:
    """The module `clip`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import clip
    return clip


class Clip(nn.Module):
    """Images and texts in one space."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 224, 224) to features (N, C).

        As the network's own `encode_image`, except that its last block computes the class token alone: nothing else of
        that block is read.
        """
        visual = self.network.visual
        images = images.type(self.network.dtype)
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        start = visual.class_embedding.to(patches.dtype).expand(len(images), 1, -1)
        tokens = torch.cat([start, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
        tokens = visual.ln_pre(tokens).transpose(0, 1)
        *blocks, last = visual.transformer.resblocks
        for block in blocks:
            tokens = block(tokens)
        normed = last.ln_1(tokens)
        token = tokens[:1] + last.attn(normed[:1], normed, normed, need_weights=False)[0]
        token = token + last.mlp(last.ln_2(token))
        features: Tensor = visual.ln_post(token[0]) @ visual.proj
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Tokens (1, 77) of a text to features (C,)."""
        features: Tensor = self.network.encode_text(tokens)
        return features[0]

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with."""
        return float(self.network.logit_scale.exp())


def load_clip(path: Path) -> Clip:
    """CLIP from its published TorchScript archive, its matrices in half precision as there and in `clip.load`.

    Raises:
        UserError: if the file is no such archive.
        BrokenNetworkError: if weights are zero or not finite.
    """
    try:
        state = torch.jit.load(str(path), map_location="cpu").state_dict()
    except (RuntimeError, OSError) as error:
        raise UserError(f"{path} is not a TorchScript archive of CLIP.", "Fetch the file again.") from error
    check_weights(state, f"CLIP ({path.name})")
    require(state, "visual.proj", NAME)
    return Clip(clip_package().model.build_model(state)).eval().requires_grad_(False)


def tokens_of(text: str) -> Tensor:
    """CLIP's tokens (1, 77) of a text. Raises UserError where it is too long."""
    try:
        tokens: Tensor = clip_package().tokenize([text])
    except RuntimeError as error:
        raise UserError(f"{text!r} is too long for CLIP.", "Shorten it to 75 tokens.") from error
    return tokens


def load_aesthetic_head(path: Path) -> nn.Linear:
    """The LAION aesthetic predictor: one linear layer from CLIP's features to a score in about 0..10."""
    name = "the LAION aesthetic predictor"
    state = read_state(path, name)
    head = nn.Linear(require(state, "weight", name).shape[1], 1)
    filled(head, state, name)
    return head
