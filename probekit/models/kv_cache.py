"""Keys and values of the committed past of a stream, one entry a layer."""

from typing import NamedTuple

import torch
from torch import Tensor

from probekit.context_policy import ContextPolicy, Positions
from probekit.models.rotary import RotaryTable, rotate

# Shape suffixes: B batch, S tokens, H heads, D head width.


class KeyValues(NamedTuple):
    """Keys and values (B, S, H, D) of one layer."""

    keys: Tensor
    values: Tensor


class CacheSnapshot(NamedTuple):
    """The committed past at one moment. Tensors are shared, not copied: a cache never writes into one."""

    past: tuple[KeyValues | None, ...]
    frames: tuple[int, ...]
    next_frame: int


class KVCache:
    """Committed keys and values, detached; keys are kept unrotated, so that positions may change as frames leave.

    Life of a chunk: `open_chunk` drops what the policy drops, any number of passes read `context`, one pass writes
    with `commit` in every layer, `close_chunk` makes the chunk part of the past.

    Args:
        layers: of the model.
        policy: which frames stay and at which positions.
        tokens_per_frame: tokens of one latent frame.
    """

    def __init__(self, layers: int, policy: ContextPolicy, tokens_per_frame: int) -> None:
        self.policy = policy
        self.frames: tuple[int, ...] = ()
        self.next_frame = 0
        self._tokens = tokens_per_frame
        self._past: list[KeyValues | None] = [None] * layers
        self._rotated: list[KeyValues | None] = [None] * layers
        self._written: list[KeyValues | None] = [None] * layers
        self._table: RotaryTable | None = None

    def open_chunk(self, incoming: int) -> Positions:
        """Drop what no longer fits beside a chunk of `incoming` frames; returns all rotary positions."""
        kept = self.policy.kept_slots(len(self.frames), incoming)
        if len(kept) < len(self.frames):
            slots = torch.tensor(kept)
            self._past = [past and self._select(past, slots) for past in self._past]
            self.frames = tuple(self.frames[slot] for slot in kept)
        self._rotated = [None] * len(self._past)
        return self.policy.positions(self.frames, self.next_frame, incoming)

    def use_table(self, table: RotaryTable) -> None:
        """Set the rotary table of the cached frames for the chunk in work."""
        self._table = table

    def context(self, layer: int) -> KeyValues | None:
        """Rotated keys and the values of the past; None before the first commit."""
        past = self._past[layer]
        if past is None or self._table is None:
            return None
        rotated = self._rotated[layer]
        if rotated is None:
            rotated = KeyValues(rotate(past.keys, self._table), past.values)
            self._rotated[layer] = rotated
        return rotated

    def commit(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Write the clean, unrotated keys and the values of the chunk in work; no gradient passes through them."""
        self._written[layer] = KeyValues(keys.detach(), values.detach())

    def close_chunk(self, incoming: int) -> None:
        """Append the committed chunk to the past.

        Raises:
            RuntimeError: if a layer was not committed.
        """
        for layer, written in enumerate(self._written):
            if written is None:
                raise RuntimeError(f"layer {layer} was not committed")
            past = self._past[layer]
            self._past[layer] = written if past is None else KeyValues(*map(_append, past, written))
        self.frames = (*self.frames, *range(self.next_frame, self.next_frame + incoming))
        self.next_frame += incoming
        self._written = [None] * len(self._past)

    def snapshot(self) -> CacheSnapshot:
        """The committed past; between two chunks."""
        return CacheSnapshot(tuple(self._past), self.frames, self.next_frame)

    def restore(self, snapshot: CacheSnapshot) -> None:
        """Go back to a snapshot, dropping whatever chunk is open."""
        self._past, self.frames, self.next_frame = list(snapshot.past), snapshot.frames, snapshot.next_frame
        self._rotated = [None] * len(self._past)
        self._written = [None] * len(self._past)

    def twin(self) -> "KVCache":
        """An empty cache of the same shape and policy."""
        return KVCache(len(self._past), self.policy, self._tokens)

    def _select(self, past: KeyValues, slots: Tensor) -> KeyValues:
        return KeyValues(*(_take_frames(tensor, slots, self._tokens) for tensor in past))


def _append(past_BSHD: Tensor, new_BSHD: Tensor) -> Tensor:
    return torch.cat([past_BSHD, new_BSHD], dim=1)


def _take_frames(x_BSHD: Tensor, slots: Tensor, tokens: int) -> Tensor:
    frames: Tensor = x_BSHD.unflatten(1, (-1, tokens))
    return frames.index_select(1, slots.to(x_BSHD.device)).flatten(1, 2)
