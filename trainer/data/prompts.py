"""Training prompts, of the sprite world or from people's files; functions of names, so resuming needs no state."""

import logging
from pathlib import Path

from probekit.choices import Split
from probekit.errors import UserError
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.placement import draw_split_scene
from probekit.user_files.prompts import PromptEntry, listed, prompt_folder, read_prompt_entries, repeated_texts

LOGGER = logging.getLogger("trainer")


def sprite_prompts(split: Split, count: int, *names: str | int) -> list[str]:
    """Captions of a split of the sprite world; a function of the names alone."""
    rng = generator("prompts", *names)
    return [write_caption(facts_of(draw_split_scene(split, rng))) for _ in range(count)]


def read_prompts(path: Path, skip_corrupt: bool = False) -> list[str]:
    """Prompts of a file or of a folder of such files, by name; each text once, in order.

    What is left out is logged: repeated texts, empty entries, and files of a folder that are no prompt files.

    Args:
        path: prompt file, as `read_prompt_entries` reads it, or a folder of them.
        skip_corrupt: leave out files of a folder that cannot be read, with a warning that names them.

    Raises:
        UserError: if a file is missing, empty, cannot be read, or has no column of prompts.
    """
    entries: list[PromptEntry] = []
    for shard in _shards(path):
        try:
            entries += read_prompt_entries(shard, identify=False)
        except UserError as error:
            if not (path.is_dir() and skip_corrupt):
                raise
            LOGGER.warning("skipped: %s", error.problem)
    filled = [entry for entry in entries if entry.text]
    if not filled:
        raise UserError(f"{path} holds no prompts.", "Write one prompt per line.")
    _tell(path, "entries are empty", len(entries) - len(filled))
    repeated = repeated_texts(filled)
    _tell(path, "prompts stand there more than once and are kept once", len(repeated))
    again = {id(entry) for entry, _ in repeated}
    return [entry.text for entry in filled if id(entry) not in again]


def _shards(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = prompt_folder(path)
    if found.left_out:
        LOGGER.warning("%s: left out, because they are no prompt files: %s", path, listed(found.left_out))
    return found.files


def _tell(path: Path, what: str, count: int) -> None:
    if count:
        LOGGER.warning("%s: %d %s", path, count, what)


class PromptFile:
    """Batches from a prompt file: each epoch is a permutation, and a batch is a function of its place alone.

    Args:
        path: path of the file, or of a folder of files.
        seed: seed of the permutations.
        skip_corrupt: leave out files of a folder that cannot be read.
    """

    def __init__(self, path: Path, seed: int, skip_corrupt: bool = False) -> None:
        self.prompts = read_prompts(path, skip_corrupt)
        self._seed = seed
        self._shuffled: tuple[int, list[int]] | None = None

    def __len__(self) -> int:
        return len(self.prompts)

    def batch(self, number: int, size: int) -> list[str]:
        """The batch of this number, counted from 0 over the whole run; epochs follow one another without a gap."""
        chosen = []
        for place in range(number * size, (number + 1) * size):
            epoch, index = divmod(place, len(self.prompts))
            chosen.append(self.prompts[self._order(epoch)[index]])
        return chosen

    def _order(self, epoch: int) -> list[int]:
        """The epoch's permutation; the last one is kept, because a batch lies in one or two epochs."""
        if self._shuffled is None or self._shuffled[0] != epoch:
            order = generator("prompt-file", self._seed, epoch).permutation(len(self.prompts))
            self._shuffled = (epoch, order.tolist())
        return self._shuffled[1]
