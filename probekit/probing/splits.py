"""Which prompts a probe is fitted on, chosen by, and judged on; which chunks have a future. Torch-free."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.seeding import generator

_TRAINING: Final = 0.5
_VALIDATION: Final = 0.1
Ints = NDArray[np.int64]


class PromptSplit(NamedTuple):
    """Prompts that probes are fitted on, those that end their fit, and those that they are judged on."""

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


class Side(NamedTuple):
    """The chunks of one side of a split.

    Attributes:
        videos: (R,) indices of the videos in the store.
        chunks: (R,) their chunks.
    """

    videos: Ints
    chunks: Ints


def split_prompts(prompt_ids: Sequence[str], seed: int = 0) -> PromptSplit:
    """A seeded split of the prompts, half, a tenth and the rest, so that no prompt is on two sides.

    Raises:
        UserError: with fewer than five prompts.
    """
    prompts = sorted(set(prompt_ids))
    count, extra = round(_TRAINING * len(prompts)), max(1, round(_VALIDATION * len(prompts)))
    if count < 2 or len(prompts) - count - extra < 2:
        raise UserError(f"{len(prompts)} prompts cannot be split for probing.", "Use at least 5 prompts.")
    order = generator("probe-split", seed).permutation(len(prompts))
    named = [prompts[index] for index in order]
    sides = named[:count], named[count : count + extra], named[count + extra :]
    return PromptSplit(*map(frozenset, sides))


def side_of(prompt_ids: Sequence[str], chosen: frozenset[str], chunks: int) -> Side:
    """Every chunk of every video of some prompts, video by video."""
    videos = np.flatnonzero([prompt in chosen for prompt in prompt_ids])
    return Side(np.repeat(videos, chunks), np.tile(np.arange(chunks), len(videos)))


def ahead(values: NDArray[np.float32], side: Side, horizon: int) -> NDArray[np.float32]:
    """Values (R, P) of the chunk `horizon` ahead of each of a side's; NaN where the video has ended.

    Args:
        values: (V, N, P) of every chunk of every video of the store.
        side: chunks that are read.
        horizon: chunks ahead, 0 is the present.
    """
    chunks = side.chunks + horizon
    inside = chunks < values.shape[1]
    found = np.full((len(chunks), values.shape[2]), np.nan, np.float32)
    found[inside] = values[side.videos[inside], chunks[inside]]
    return found


def shuffled_videos(prompt_ids: Sequence[str], seed: int = 0) -> Ints:
    """For each video another one, of another prompt, whose future it is given as its own.

    Prompts change places in a seeded circle, so that no prompt keeps its own; the videos of a prompt keep their order.
    """
    prompts = sorted(set(prompt_ids))
    order = generator("probe-shuffle", seed).permutation(len(prompts))
    following = {prompts[order[i]]: prompts[order[(i + 1) % len(order)]] for i in range(len(order))}
    videos = {prompt: [index for index, one in enumerate(prompt_ids) if one == prompt] for prompt in prompts}
    places = {index: place for indices in videos.values() for place, index in enumerate(indices)}
    taken = [videos[following[prompt]] for prompt in prompt_ids]
    return np.array([other[places[index] % len(other)] for index, other in enumerate(taken)], np.int64)
