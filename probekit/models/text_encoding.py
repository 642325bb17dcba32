"""Prompts to the embeddings that Wan's cross-attention reads."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

LOGGER = logging.getLogger("probekit")


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

    def to(self, device: torch.device) -> "TextEncoder":
        """Move the encoder; embeddings then come from that device."""
        self._encoder.to(device)
        return self

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts: (B, max_tokens, width), rows of padding tokens zero and not masked, as Wan does.

        A prompt that is too long is cut, and the log says what was lost.
        """
        for prompt in prompts:
            self._warn_of_cut(prompt)
        encoded = self._tokenizer(
            list(prompts), padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        )
        ids = encoded.input_ids.to(self._encoder.device)
        mask = encoded.attention_mask.to(self._encoder.device)
        states: Tensor = self._encoder(ids, attention_mask=mask).last_hidden_state
        masked: Tensor = states * mask[..., None]
        return masked

    def _warn_of_cut(self, prompt: str) -> None:
        if len(prompt) < self.max_tokens:  # no token is shorter than a character
            return
        tokens = self._tokenizer(prompt).input_ids
        if len(tokens) > self.max_tokens:
            lost = self._tokenizer.decode(tokens[self.max_tokens - 1 :], skip_special_tokens=True)
            LOGGER.warning(
                "A prompt of %d tokens was cut to %d; lost: %r (prompt: %.60s…)",
                len(tokens),
                self.max_tokens,
                lost,
                prompt,
            )
