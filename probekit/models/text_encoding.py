"""Prompts to the embeddings that Wan's cross-attention reads."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel


class TextEncoder:
    """A tokenizer and a UMT5 encoder.

    Args:
        tokenizer: right-padding tokenizer with an end token.
        encoder: frozen encoder.
        max_tokens: length to which every prompt is padded or cut; 512 for Wan2.1.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, encoder: UMT5EncoderModel, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder.eval().requires_grad_(False)
        self.max_tokens = max_tokens

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts: (B, max_tokens, width), rows of padding tokens zero and not masked, as Wan does."""
        encoded = self._tokenizer(
            list(prompts), padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        )
        ids = encoded.input_ids.to(self._encoder.device)
        mask = encoded.attention_mask.to(self._encoder.device)
        states: Tensor = self._encoder(ids, attention_mask=mask).last_hidden_state
        masked: Tensor = states * mask[..., None]
        return masked
