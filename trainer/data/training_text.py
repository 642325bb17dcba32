"""Prompts as the stages read them: from the encoder, or from embeddings that were made once."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import model_folder
from probekit.models.prompt_cache import CachedPrompts, default_cache
from probekit.models.text_encoding import TextEncoder
from trainer.distributed.world import World


class TrainingText:
    """Embeds prompts onto the device of this process.

    Args:
        folder: model folder, or Hub id, with tokenizer and text encoder.
        world: processes of the run.
        precompute: whether to keep embeddings on disk, and the encoder in memory only while some are missing.
    """

    def __init__(self, folder: Path, world: World, precompute: bool) -> None:
        self._world = world
        self._source: TextEncoder | CachedPrompts
        if precompute:
            self._source = CachedPrompts(model_folder(str(folder)), default_cache())
        else:
            self._source = load_text_encoder(model_folder(str(folder))).to(world.device)

    def prepare(self, prompts: Sequence[str]) -> None:
        """Embed prompts that will be asked for, each process its share; without precomputing nothing is done."""
        if isinstance(self._source, CachedPrompts):
            own = sorted(set(prompts))[self._world.rank :: self._world.size]
            self._source.prepare(own)
            self._world.wait()

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """(B, tokens, text width) on the device, rows of padding zero."""
        return self._source.encode(prompts).to(self._world.device)
