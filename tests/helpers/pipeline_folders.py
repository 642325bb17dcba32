"""Tiny pipelines of diffusers with seeded random weights, saved as their own save_pretrained does."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    SkyReelsV2DiffusionForcingPipeline,
    SkyReelsV2Pipeline,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from probekit.models.sprite_text import build_text_encoder, build_tokenizer
from tests.helpers.model_folders import tiny_vae

PIPELINES = ("WanPipeline", "LTXPipeline", "SkyReelsV2Pipeline")
FORCING = "SkyReelsV2DiffusionForcingPipeline"
WIDTH = 64


def write_pipeline(folder: Path, name: str, seed: int = 0) -> Path:
    """Write one of `PIPELINES`, or `FORCING`, to a folder and return it."""
    makers = {"WanPipeline": _wan, "LTXPipeline": _ltx, "SkyReelsV2Pipeline": _skyreels, FORCING: _forcing}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        makers[name]().save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = build_tokenizer()
    tokenizer.model_max_length = 512  # as the real ones
    return tokenizer


def _scheduler() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def _wan() -> WanPipeline:
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=WIDTH, freq_dim=32, ffn_dim=32, num_layers=2, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=64,
    )  # fmt: skip
    return WanPipeline(_tokenizer(), build_text_encoder(0), tiny_vae(), _scheduler(), transformer)


def _skyreels() -> SkyReelsV2Pipeline:
    transformer = SkyReelsV2Transformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=WIDTH, freq_dim=32, ffn_dim=32, num_layers=2, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=64,
    )  # fmt: skip
    return SkyReelsV2Pipeline(_tokenizer(), build_text_encoder(0), transformer, tiny_vae(), _scheduler())


def _forcing() -> SkyReelsV2DiffusionForcingPipeline:
    parts = _skyreels()
    return SkyReelsV2DiffusionForcingPipeline(
        parts.tokenizer, parts.text_encoder, parts.transformer, parts.vae, parts.scheduler
    )


def _ltx() -> LTXPipeline:
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=32,
        num_layers=1, caption_channels=WIDTH,
    )  # fmt: skip
    vae = AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1, 1),
    )  # fmt: skip
    tokenizer = _tokenizer()
    config = T5Config(vocab_size=len(tokenizer), d_model=WIDTH, d_kv=16, d_ff=64, num_layers=1, num_heads=4)
    return LTXPipeline(FlowMatchEulerDiscreteScheduler(), vae, T5EncoderModel(config), tokenizer, transformer)
