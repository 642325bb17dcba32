"""The cache against plain bookkeeping: all keys and values are kept, and what a policy keeps is picked out of them."""

from typing import Literal

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor

from probekit.models.context_policy import ContextPolicy, Positions
from probekit.models.kv_cache import KeyValues, KVCache
from probekit.models.rotary import rotary_table, rotate

WIDTH, ROWS, COLUMNS, HEADS, LAYERS, CHUNK = 12, 1, 2, 2, 2, 2
TOKENS = ROWS * COLUMNS
ROPE = WanRotaryPosEmbed(WIDTH, (1, 2, 2), 1024)
FULL = ContextPolicy()
POLICIES = [
    FULL,
    *(
        ContextPolicy(window_frames=6, sink_frames=2, rotary=rotary)
        for rotary in ("absolute", "re-indexed", "sink-beside-window")
    ),
]


class Stream:
    """A cache and, beside it, the raw keys and values of every frame."""

    def __init__(self, policy: ContextPolicy) -> None:
        self.cache = KVCache(LAYERS, policy, TOKENS)
        self.raw: list[list[KeyValues]] = [[] for _ in range(LAYERS)]
        self.chunks = 0

    def open(self) -> Positions:
        positions = self.cache.open_chunk(CHUNK)
        self.cache.use_table(rotary_table(ROPE, positions.context, ROWS, COLUMNS))
        return positions

    def chunk(self, layer: int, noise: float = 0.0) -> KeyValues:
        """Unrotated keys and values of the chunk in work."""
        rng = torch.Generator().manual_seed(100 * self.chunks + layer)
        keys, values = torch.randn(2, 3, CHUNK * TOKENS, HEADS, WIDTH, generator=rng)
        return KeyValues(keys + noise, values + noise)

    def attend(self, layer: int, positions: Positions, noise: float = 0.0) -> KeyValues:
        raw = self.chunk(layer, noise)
        table = rotary_table(ROPE, positions.chunk, ROWS, COLUMNS)
        found = self.cache.attended(layer, KeyValues(rotate(raw.keys, table), raw.values), self.cache.frames)
        return KeyValues(found.keys.clone(), found.values.clone())  # the buffer is used again by the next pass

    def write(self) -> None:
        """A noisy pass, a clean one that is committed, and the end of the chunk."""
        positions = self.open()
        with torch.no_grad():
            for layer in range(LAYERS):
                self.attend(layer, positions, noise=1.0)
            for layer in range(LAYERS):
                self.attend(layer, positions)
                self.cache.commit(layer, self.chunk(layer).keys)
                self.raw[layer].append(self.chunk(layer))
        self.cache.close_chunk(CHUNK)
        self.chunks += 1

    def expected(self, layer: int, frames: tuple[int, ...], positions: Positions) -> KeyValues:
        """Keys and values of chosen frames and of the chunk in work, turned at once."""
        keys = [self._frame(layer, frame).keys for frame in frames]
        values = [self._frame(layer, frame).values for frame in frames]
        own = self.chunk(layer)
        table = rotary_table(ROPE, (*positions.context, *positions.chunk), ROWS, COLUMNS)
        return KeyValues(rotate(torch.cat([*keys, own.keys], 1), table), torch.cat([*values, own.values], 1))

    def _frame(self, layer: int, frame: int) -> KeyValues:
        raw = self.raw[layer][frame // CHUNK]
        part = slice(frame % CHUNK * TOKENS, (frame % CHUNK + 1) * TOKENS)
        return KeyValues(raw.keys[:, part], raw.values[:, part])


def same(found: KeyValues, expected: KeyValues) -> None:
    torch.testing.assert_close(found.keys, expected.keys)
    torch.testing.assert_close(found.values, expected.values)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: f"{policy.window_name}, {policy.rotary}")
def test_a_chunk_attends_to_the_clean_frames_that_the_policy_keeps_at_its_positions(policy: ContextPolicy) -> None:
    stream = Stream(policy)
    for chunk in range(5):
        positions = stream.open()
        past = tuple(range(CHUNK * chunk))
        frames = past if policy.window_frames is None or chunk < 3 else (0, 1, *past[-2:])
        assert stream.cache.frames == frames
        assert stream.cache.next_frame == CHUNK * chunk
        assert positions == policy.positions(frames, CHUNK * chunk, CHUNK)
        for layer in range(LAYERS):
            expected = stream.expected(layer, frames, positions)
            with torch.no_grad():
                same(stream.attend(layer, positions), expected)
            same(stream.attend(layer, positions), expected)
        stream.write()


@pytest.mark.parametrize("first_with_gradient", [True, False])
def test_passes_with_and_without_gradient_see_the_same(first_with_gradient: bool) -> None:
    stream = Stream(FULL)
    stream.write()
    positions = stream.open()
    found = []
    for gradient in (first_with_gradient, not first_with_gradient):
        with torch.set_grad_enabled(gradient):
            found.append(stream.attend(0, positions))
    same(found[0], found[1])


def test_a_gradient_reaches_the_chunk_and_not_the_past() -> None:
    stream = Stream(FULL)
    stream.write()
    stream.open()
    own = KeyValues(*(part.clone().requires_grad_() for part in stream.chunk(0)))
    found = stream.cache.attended(0, own, stream.cache.frames)
    (found.keys.sum() + found.values.sum()).backward()
    assert all(part.grad is not None and bool((part.grad == 1).all()) for part in own)
    assert not any(part.requires_grad for past in stream.cache.snapshot().past if past for part in past)


def test_a_pass_with_gradient_is_never_committed() -> None:
    stream = Stream(FULL)
    stream.open()
    with pytest.raises(RuntimeError, match="a chunk is committed without gradient"):
        stream.cache.commit(0, stream.chunk(0).keys)


def test_a_chunk_ends_once_every_layer_is_committed() -> None:
    stream = Stream(FULL)
    positions = stream.open()
    with pytest.raises(RuntimeError, match="layer 0 was not committed"), torch.no_grad():
        stream.cache.close_chunk(CHUNK)
    with torch.no_grad():
        for layer in range(LAYERS):
            stream.attend(layer, positions)
        stream.cache.commit(0, stream.chunk(0).keys)
        with pytest.raises(RuntimeError, match="layer 1 was not committed"):
            stream.cache.close_chunk(CHUNK)


def test_a_repeated_pass_sees_the_frames_that_it_saw_first() -> None:
    """Activation checkpointing repeats the pass of the second chunk after the third has been committed."""
    stream = Stream(FULL)
    stream.write()
    positions, seen, own = stream.open(), stream.cache.frames, stream.chunk(0)
    first = stream.cache.attended(0, own, seen)
    stream.write()
    stream.open()
    same(stream.cache.attended(0, own, seen), first)
    assert positions.context == (0, 1)


@pytest.mark.parametrize("rotary", ["re-indexed", "sink-beside-window"])
def test_a_repeated_pass_is_refused_where_frames_have_moved(
    rotary: Literal["re-indexed", "sink-beside-window"],
) -> None:
    stream = Stream(ContextPolicy(window_frames=9, sink_frames=1, rotary=rotary))
    stream.write()
    stream.open()
    own, seen = stream.chunk(0), stream.cache.frames
    stream.cache.attended(0, own, seen)
    stream.write()
    stream.open()
    with pytest.raises(RuntimeError, match="keeps every frame at its position"):
        stream.cache.attended(0, own, seen)


def test_a_repeated_pass_is_refused_where_frames_have_left() -> None:
    stream = Stream(ContextPolicy(window_frames=4))
    stream.write()
    stream.open()
    own, seen = stream.chunk(0), stream.cache.frames
    stream.cache.attended(0, own, seen)
    stream.write()
    stream.open()
    with pytest.raises(RuntimeError, match="keeps every frame at its position"):
        stream.cache.attended(0, own, seen)


@pytest.mark.parametrize("policy", [FULL, POLICIES[2]], ids=["absolute", "re-indexed"])
def test_after_a_fork_the_past_is_what_it_was(policy: ContextPolicy) -> None:
    stream = Stream(policy)
    stream.write()
    stream.write()
    before = stream.cache.snapshot()
    stream.write()
    stream.write()
    other = stream.cache.twin()
    assert other.frames == ()
    assert other.policy == policy
    for cache in (stream.cache, other):
        cache.restore(before)
        assert (cache.frames, cache.next_frame) == ((0, 1, 2, 3), 4)
        stream.cache, stream.chunks = cache, 2
        positions = stream.open()
        with torch.no_grad():
            same(stream.attend(1, positions), stream.expected(1, (0, 1, 2, 3), positions))


def test_an_opened_chunk_is_dropped_when_another_is_opened_or_restored() -> None:
    stream = Stream(FULL)
    stream.write()
    before = stream.cache.snapshot()
    for drop in (stream.open, lambda: stream.cache.restore(before)):
        positions = stream.open()
        with torch.no_grad():
            for layer in range(LAYERS):
                stream.attend(layer, positions)
                stream.cache.commit(layer, stream.chunk(layer).keys)
        drop()
        with pytest.raises(RuntimeError, match="layer 0 was not committed"):
            stream.cache.close_chunk(CHUNK)


def test_the_past_lives_once() -> None:
    """Keys and values that do not move lie in the buffer of the chunk that was closed, and nowhere else."""
    stream = Stream(FULL)
    stream.write()
    stream.write()
    past = stream.cache.snapshot().past[0]
    positions = stream.open()
    with torch.no_grad():
        raw = stream.chunk(0)
        work = stream.cache.attended(0, raw, stream.cache.frames)
    kept = stream.cache.snapshot().past[0]
    assert past is not None
    assert kept is not None
    assert _storage(kept.keys) == _storage(work.keys) != _storage(past.keys)
    assert _storage(kept.values) == _storage(work.values)
    torch.testing.assert_close(kept.keys, past.keys)
    assert positions.context == (0, 1, 2, 3)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
