"""Prompt embeddings on disk, so that a text encoder of 11 GB is loaded once per prompt list and then leaves memory."""

import gc
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.library_errors import said
from probekit.models.loading import load_text_encoder, prompt_length
from probekit.provenance import sha256_text

_log = logging.getLogger("probekit")

_HEAD_BYTES: Final = 1 << 20


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/probekit/prompts`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "probekit" / "prompts"


class CachedPrompts:
    """Implements `PromptEncoder` from files; the encoder is opened only for prompts that no file holds.

    A file holds the rows of a prompt's own tokens; the zero rows after them are put back.

    Args:
        folder: model folder.
        cache: folder of the embeddings; one folder in it for each encoder.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._length = prompt_length(folder)
        self._store = cache / encoder_fingerprint(folder)

    def prepare(self, prompts: Sequence[str]) -> int:
        """Embed the prompts that are not stored yet, then let go of the encoder; returns how many there were."""
        missing = [prompt for prompt in dict.fromkeys(prompts) if self._read(prompt) is None]
        if not missing:
            return 0
        encoder = load_text_encoder(self._folder)
        for prompt in missing:
            self._write(prompt, encoder.encode([prompt])[0])
        del encoder
        gc.collect()
        return len(missing)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """(B, tokens, width), equal to what the encoder gives."""
        self.prepare(prompts)
        found = [(prompt, self._read(prompt)) for prompt in prompts]
        rows = [row for _, row in found if row is not None]
        if len(rows) < len(found):  # another process removed them just now
            lost = next(prompt for prompt, row in found if row is None)
            raise UserError(f"{self._path(lost)} was lost while it was read.", "Run the command again.")
        return torch.stack([functional.pad(row, (0, 0, 0, self._length - len(row))) for row in rows])

    def _path(self, prompt: str) -> Path:
        return self._store / f"{sha256_text(prompt)}.safetensors"

    def _read(self, prompt: str) -> Tensor | None:
        """The embedding of a prompt; None where there is no file, or a damaged one."""
        path = self._path(prompt)
        try:
            return load_file(path)["embedding"]
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError) as error:
            _log.warning("%s is damaged and made again: %s", path, said(error))
            return None

    def _write(self, prompt: str, embedding: Tensor) -> None:
        own = embedding.ne(0).any(dim=-1).nonzero()
        length = int(own.max()) + 1 if len(own) else 0
        self._store.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._path(prompt)) as temporary:
            save_file({"embedding": embedding[:length].contiguous()}, temporary)


def encoder_fingerprint(folder: Path) -> str:
    """Sixteen digits that name a text encoder and tokenizer: small files whole, the head and size of weight files.

    A weight file of 11 GB would take longer to hash than to use.
    """
    digest = hashlib.sha256()
    for part in ("text_encoder", "tokenizer"):
        for path in sorted(file for file in (folder / part).glob("*") if file.is_file()):
            with path.open("rb") as file:
                digest.update(f"{path.name} {path.stat().st_size}".encode() + file.read(_HEAD_BYTES))
    return digest.hexdigest()[:16]
