"""ViCLIP-L/14 (Wang et al., ICLR 2024) from the vbench package: videos and texts in one space."""

import sys
import warnings
from math import isqrt
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from probekit.evaluation.vbench.fast.networks.clip_image import clip_package
from probekit.evaluation.vbench.fast.networks.weight_reading import State, count_blocks, filled, read_state, require
from probekit.evaluation.vbench.fast.sampling import VICLIP_FRAMES

NAME: Final = "ViCLIP"
_HEAD_WIDTH: Final = 64
_TOKENIZER: Final = "vbench.third_party.ViCLIP.simple_tokenizer"


class Viclip(nn.Module):
    """Video and text features. Its two halves keep the names that they have in the weight file."""

    def __init__(self, vision_encoder: Any, text_encoder: Any, context_length: int) -> None:
        super().__init__()
        self.vision_encoder = vision_encoder
        self.text_encoder = text_encoder
        self.temp = nn.Parameter(torch.ones([]))
        self._context_length = context_length

    def encode_video(self, frames: Tensor) -> Tensor:
        """Frames (8, 3, 224, 224) of one video to features (C,)."""
        features: Tensor = self.vision_encoder(frames.transpose(0, 1).unsqueeze(0))
        return features[0]

    def encode_text(self, text: str) -> Tensor:
        """Features (C,) of a text, cut to the context length."""
        tokens = self.text_encoder.tokenize(text, context_length=self._context_length)
        features: Tensor = self.text_encoder(tokens.to(self.temp.device))
        return features[0]


def load_viclip(path: Path) -> Viclip:
    """ViCLIP of the size that the file has. Raises UserError as `read_state` and `filled`."""
    state = read_state(path, NAME, inside=("model",))
    text, length = _text_encoder(state)
    network = Viclip(_vision_encoder(state), text, length)
    filled(network, state, NAME)
    return network


def _vision_encoder(state: State) -> nn.Module:
    use_clip_tokenizer()
    from vbench.third_party.ViCLIP.viclip_vision import VisionTransformer

    kernel = require(state, "vision_encoder.conv1.weight", NAME)
    positions = require(state, "vision_encoder.positional_embedding", NAME)
    encoder: nn.Module = VisionTransformer(
        input_resolution=kernel.shape[-1] * isqrt(positions.shape[0] - 1),
        patch_size=kernel.shape[-1],
        width=kernel.shape[0],
        layers=count_blocks(state, "vision_encoder.transformer.resblocks."),
        heads=kernel.shape[0] // _HEAD_WIDTH,
        output_dim=require(state, "vision_encoder.proj", NAME).shape[1],
        num_frames=VICLIP_FRAMES,
    )
    return encoder


def _text_encoder(state: State) -> tuple[nn.Module, int]:
    use_clip_tokenizer()
    from vbench.third_party.ViCLIP.viclip_text import CLIP_TEXT

    words = require(state, "text_encoder.token_embedding.weight", NAME)
    length = require(state, "text_encoder.positional_embedding", NAME).shape[0]
    encoder: nn.Module = CLIP_TEXT(
        embed_dim=require(state, "text_encoder.text_projection", NAME).shape[1],
        context_length=length,
        vocab_size=words.shape[0],
        transformer_width=words.shape[1],
        transformer_heads=words.shape[1] // _HEAD_WIDTH,
        transformer_layers=count_blocks(state, "text_encoder.transformer.resblocks."),
        checkpoint_num=0,
    )
    return encoder, length


def use_clip_tokenizer() -> None:
    """Let ViCLIP take CLIP's tokenizer, which is the same.

    Its own copy downloads the vocabulary with wget when it is imported; CLIP's brings the file in its package.
    """
    sys.modules.setdefault(_TOKENIZER, clip_package().simple_tokenizer)
    warnings.filterwarnings("ignore", category=FutureWarning, module="timm")
