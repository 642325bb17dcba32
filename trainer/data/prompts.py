"""Training prompts, of the sprite world or from people's files; functions of names, so resuming needs no state."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import ArrowException

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.episodes import Split, draw_split_scene

LOGGER = logging.getLogger("trainer")

_COLUMNS = ("prompt", "caption", "text")


def sprite_prompts(split: Split, count: int, *names: str | int) -> list[str]:
    """Captions of a split of the sprite world; a function of the names alone."""
    rng = generator("prompts", *names)
    return [write_caption(facts_of(draw_split_scene(split, rng))) for _ in range(count)]


def read_prompts(path: Path, skip_corrupt: bool = False) -> list[str]:
    """Prompts of a file or of a folder of such files, by name; duplicates are kept once, in order.

    Args:
        path: a `.csv` or `.parquet` with a column prompt, caption or text; any other text file with a prompt a line; or
            a folder of them.
        skip_corrupt: leave out files of a folder that cannot be read, with a warning that names them.

    Raises:
        UserError: if a file is missing, empty, cannot be read, or has no such column.
    """
    shards = sorted(file for file in path.iterdir() if file.is_file() and file.name[0] != ".") if path.is_dir() else []
    texts: list[str | None] = []
    for shard in shards or [path]:
        try:
            texts += _texts(shard)
        except UserError as error:
            if not (shards and skip_corrupt):
                raise
            LOGGER.warning("skipped: %s", error.problem)
    prompts = list(dict.fromkeys(text.strip() for text in texts if text and text.strip()))
    if not prompts:
        raise UserError(f"{path} holds no prompts.", "Write one prompt a line.")
    return prompts


def _texts(path: Path) -> list[str | None]:
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}.", "Give a .txt, .csv or .parquet file, or a folder of them.")
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found: list[str | None] = table.column(_column(path, table.column_names)).to_pylist()
            return found
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                column = _column(path, list(reader.fieldnames or ()))
                return [row[column] for row in reader]
        return list(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"The prompts of {path} cannot be read: {error}.", "Copy the file again.") from error


def _column(path: Path, names: Sequence[str]) -> str:
    for name in _COLUMNS:
        if name in names:
            return name
    raise UserError(f"{path} has none of the columns {', '.join(_COLUMNS)}.", "Name the column of prompts `prompt`.")


class PromptFile:
    """Batches from a prompt file: each epoch is a permutation, and a batch is a function of its place alone.

    Args:
        path: of the file, or of a folder of files.
        seed: of the permutations.
        skip_corrupt: leave out files of a folder that cannot be read.
    """

    def __init__(self, path: Path, seed: int, skip_corrupt: bool = False) -> None:
        self.prompts, self._seed = read_prompts(path, skip_corrupt), seed
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
