"""Keys and values of the committed past of a stream, one entry per layer."""

from typing import NamedTuple

import torch
from torch import Tensor

from probekit.models.context_policy import ContextPolicy, Positions
from probekit.models.rotary import RotaryTable, rotate

# Shape suffixes: B batch, S tokens, H heads, D head width.


class KeyValues(NamedTuple):
    """Keys and values (B, S, H, D) of one layer."""

    keys: Tensor
    values: Tensor


class CacheSnapshot(NamedTuple):
    """The committed past at one moment. Tensors are shared, not copied: the past of a cache is never written to."""

    past: tuple[KeyValues | None, ...]
    frames: tuple[int, ...]
    next_frame: int


class KVCache:
    """Committed keys and values, detached.

    Life of a chunk: `open_chunk` drops what the policy drops; any number of passes call `attended`, which puts the
    chunk's own keys and values behind the past; one pass calls `commit` in every layer; `close_chunk` makes the chunk
    part of the past. Past and chunk lie in one buffer per layer, so passes copy the chunk alone, and closing copies
    nothing. Where positions change as frames leave, unrotated keys are kept beside the rotated ones.

    Args:
        layers: layers of the model.
        policy: which frames stay and at which positions.
        tokens_per_frame: tokens of one latent frame.
    """

    def __init__(self, layers: int, policy: ContextPolicy, tokens_per_frame: int) -> None:
        self.policy = policy
        self.frames: tuple[int, ...] = ()
        self.next_frame = 0
        self._tokens = tokens_per_frame
        self._moves = policy.rotary != "absolute"
        self._past: list[KeyValues | None] = [None] * layers
        self._work: list[KeyValues | None] = [None] * layers
        self._written: list[Tensor | None] = [None] * layers
        self._table: RotaryTable | None = None

    def open_chunk(self, incoming: int) -> Positions:
        """Drop what no longer fits beside a chunk of `incoming` frames; returns all rotary positions."""
        kept = self.policy.kept_slots(len(self.frames), incoming)
        if len(kept) < len(self.frames):
            slots = torch.tensor(kept, dtype=torch.long)  # also where nothing stays
            self._past = [past and self._select(past, slots) for past in self._past]
            self.frames = tuple(self.frames[slot] for slot in kept)
        self._drop_chunk()
        return self.policy.positions(self.frames, self.next_frame, incoming)

    def use_table(self, context: RotaryTable) -> None:
        """Set the rotary table of the cached frames, for the open chunk."""
        self._table = context

    def attended(self, layer: int, own: KeyValues, seen: tuple[int, ...]) -> KeyValues:
        """Rotated keys and the values of the past and of a chunk.

        Args:
            layer: layer of the model.
            own: rotated keys and values of the chunk.
            seen: the cached frames when the chunk was opened. A pass that activation checkpointing repeats comes when
                later chunks have been committed too; they stand behind these frames and are left out.

        Raises:
            RuntimeError: if a repeated pass asks for frames that have left the cache or moved.
        """
        if torch.is_grad_enabled():
            past = self._seen_past(layer, own, seen)
            return KeyValues(torch.cat([past.keys, own.keys], 1), torch.cat([past.values, own.values], 1))
        work = self._working(layer, own.keys)
        for buffer, new in zip(work, own, strict=True):
            buffer[:, -own.keys.shape[1] :] = new
        return work

    def _seen_past(self, layer: int, own: KeyValues, seen: tuple[int, ...]) -> KeyValues:
        if self.frames[: len(seen)] != seen or (self._moves and self.frames != seen):
            raise RuntimeError("activation checkpointing needs a policy that keeps every frame at its position")
        work = self._work[layer]
        if work is None:
            work = self._working(layer, own.keys)
        length = len(seen) * self._tokens
        return KeyValues(work.keys[:, :length], work.values[:, :length])

    def commit(self, layer: int, keys: Tensor) -> None:
        """Keep the clean chunk that the pass has just put behind the past; `keys` are its unrotated keys.

        Raises:
            RuntimeError: in a pass with gradient, whose keys and values never enter the cache.
        """
        if torch.is_grad_enabled():
            raise RuntimeError("a chunk is committed without gradient")
        self._written[layer] = keys

    def close_chunk(self, incoming: int) -> None:
        """Append the committed chunk to the past.

        Raises:
            RuntimeError: if a layer was not committed.
        """
        for layer, (work, written) in enumerate(zip(self._work, self._written, strict=True)):
            if work is None or written is None:
                raise RuntimeError(f"layer {layer} was not committed")
            past = self._past[layer]
            if not self._moves:
                self._past[layer] = work
            elif past is None:
                self._past[layer] = KeyValues(written, work.values)
            else:
                self._past[layer] = KeyValues(torch.cat([past.keys, written], dim=1), work.values)
        self.frames = (*self.frames, *range(self.next_frame, self.next_frame + incoming))
        self.next_frame += incoming
        self._drop_chunk()

    def snapshot(self) -> CacheSnapshot:
        """The committed past; between two chunks."""
        return CacheSnapshot(tuple(self._past), self.frames, self.next_frame)

    def restore(self, snapshot: CacheSnapshot) -> None:
        """Go back to a snapshot, dropping whatever chunk is open."""
        self._past = list(snapshot.past)
        self.frames = snapshot.frames
        self.next_frame = snapshot.next_frame
        self._drop_chunk()

    def twin(self) -> "KVCache":
        """An empty cache of the same shape and policy."""
        return KVCache(len(self._past), self.policy, self._tokens)

    def _drop_chunk(self) -> None:
        self._work = [None] * len(self._past)
        self._written = [None] * len(self._past)

    def _working(self, layer: int, like: Tensor) -> KeyValues:
        """Buffers (B, past + chunk, H, D) of the open chunk, with the past in place; made once per chunk."""
        found = self._work[layer]
        if found is None:
            past = self._past[layer]
            found = self._new_working(past, like.detach())
            self._work[layer] = found
            if past is not None:  # the copy in the buffer replaces the past, so that it lives once
                length = past.values.shape[1]
                keys = past.keys if self._moves else found.keys[:, :length]
                self._past[layer] = KeyValues(keys, found.values[:, :length])
        return found

    @torch.no_grad()
    def _new_working(self, past: KeyValues | None, like: Tensor) -> KeyValues:
        length = 0 if past is None else past.values.shape[1]
        shape = (like.shape[0], length + like.shape[1], *like.shape[2:])
        work = KeyValues(like.new_empty(shape), like.new_empty(shape))
        if past is not None and self._table is not None:
            work.keys[:, :length] = rotate(past.keys, self._table) if self._moves else past.keys
            work.values[:, :length] = past.values
        return work

    def _select(self, past: KeyValues, slots: Tensor) -> KeyValues:
        return KeyValues(*(_take_frames(tensor, slots, self._tokens) for tensor in past))


def _take_frames(x_BSHD: Tensor, slots: Tensor, tokens: int) -> Tensor:
    frames: Tensor = x_BSHD.unflatten(1, (-1, tokens))
    return frames.index_select(1, slots.to(x_BSHD.device)).flatten(1, 2)
