"""Prompts to the embeddings that Wan's cross-attention reads."""

import functools
import logging
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

LOGGER = logging.getLogger("probekit")

_REMEMBERED_BYTES: Final = 64 << 20
_BYTES_PER_NUMBER: Final = 4


class TextEncoder:
    """A tokenizer and a UMT5 encoder.

    Prompts are embedded one at a time, so that an embedding does not depend on the prompts beside it. The last ones, in
    64 MiB, are remembered.

    Args:
        tokenizer: right-padding tokenizer with an end token.
        encoder: frozen encoder.
        max_tokens: length to which every prompt is padded or cut; 512 for Wan2.1.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, encoder: UMT5EncoderModel, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder.eval().requires_grad_(False)
        self.max_tokens = max_tokens
        row_bytes = max_tokens * encoder.config.d_model * _BYTES_PER_NUMBER
        self._remembered = functools.lru_cache(maxsize=max(1, _REMEMBERED_BYTES // row_bytes))(self._embedding)

    def to(self, device: torch.device) -> "TextEncoder":
        """Move the encoder; embeddings then come from that device."""
        self._encoder.to(device)
        self._remembered.cache_clear()
        return self

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts: (B, max_tokens, width), rows of padding tokens zero and not masked, as Wan does.

        A prompt that is too long is cut, and the log says what was lost.
        """
        return torch.stack([self._remembered(prompt) for prompt in prompts])

    @torch.no_grad()
    def _embedding(self, prompt: str) -> Tensor:
        """(max_tokens, width) of one prompt."""
        self._warn_of_cut(prompt)
        encoded = self._tokenizer(
            [prompt], padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        )
        ids = encoded.input_ids.to(self._encoder.device)
        mask = encoded.attention_mask.to(self._encoder.device)
        with torch.autocast(ids.device.type, enabled=False):  # else what is remembered depends on who asked first
            states: Tensor = self._encoder(ids, attention_mask=mask).last_hidden_state
        embedding: Tensor = (states * mask[..., None])[0]
        return embedding

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
