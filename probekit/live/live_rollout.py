"""A rollout that is watched: chunk by chunk, with what a readout head sees coming, changed and forked on the way."""

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.models.video_codec import StreamingDecoder
from probekit.probing.readout_heads import ReadoutHead
from probekit.probing.reductions import Reduction
from probekit.probing.targets import pixels_of
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.sample_key import SampleKey

Picture = NDArray[np.uint8]
KEY: Final = SampleKey("live", "watched", 0)
"""Every watched rollout has the noise of this key under its seed, so that a seed is all that repeats it."""


class LiveChunk(NamedTuple):
    """A chunk that has arrived.

    Attributes:
        chunk: zero-based.
        prompt: prompt that it read.
        seed: run seed of its noise.
        frames: (T, H, W, 3) uint8; the first chunk of a video has fewer.
        readouts: what is seen coming, (H, W, 3) uint8 by chunks ahead; empty without a head.
        errors: mean squared error in [0, 1] of what was seen coming when this chunk was 1, 2, … chunks away.
        copies: the same error of a copy of what was the present then.
        seconds: time that it took.
    """

    chunk: int
    prompt: str
    seed: int
    frames: Picture
    readouts: Mapping[int, Picture]
    errors: Mapping[int, float]
    copies: Mapping[int, float]
    seconds: float


class _Foreseen(NamedTuple):
    """What was read of a chunk before it came, and what was the present then; (H, W, 3) uint8."""

    read: Picture
    present: Picture


class _StateOfChunk:
    """Observer that keeps the newest state which a head reads."""

    def __init__(self, head: ReadoutHead, chunk_frames: int) -> None:
        self.layers: Sequence[int] = (head.site.block,)
        self.state: Tensor | None = None
        self._head = head
        self._frames = chunk_frames

    def on_pass(self, record: PassRecord) -> None:
        """Keep the state of the head's pass."""
        site = self._head.site
        if record.chunk >= 0 and record.step == site.step:
            rows = record.hidden[site.block][: len(record.latents)]
            self.state = Reduction().apply(rows, self._frames).to("cpu", torch.float16)


def squared_error(one: Picture, other: Picture) -> float:
    """Mean squared error of two pictures in [0, 1]."""
    return float(np.square(one / 255.0 - other / 255.0).mean())


def check_head(head: ReadoutHead) -> None:
    """Refuse a head that reads inside a block.

    Raises:
        UserError: its site is no output of a block.
    """
    if head.site.stream:
        raise UserError(
            f"The readout head reads {head.site.name}, which is inside a block.",
            "Probe outputs of blocks, such as blocks.4@step3.",
        )


class LiveRollout:
    """One rollout that is watched.

    Args:
        sampler: streaming generator; its suite says how long a rollout can become.
        prompt: first prompt.
        seed: run seed of the noise.
        head: what reads the future; None reads nothing.

    Raises:
        UserError: the head reads inside a block.
    """

    def __init__(self, sampler: StreamingSampler, prompt: str, seed: int, head: ReadoutHead | None = None) -> None:
        if head is not None:
            check_head(head)
        self.prompt = prompt
        self.seed = seed
        self._sampler = sampler
        self._head = head
        self._observers = self._new_observers()
        self._rollout: Rollout = sampler.start([Request(KEY, prompt)], self._observers, self._noise(seed))
        self._decoder: StreamingDecoder = sampler.parts.codec.streaming_decoder()
        self._snapshot = self._rollout.snapshot()
        self._expected: dict[int, dict[int, _Foreseen]] = {}

    @property
    def next_chunk(self) -> int:
        """The chunk that comes next."""
        return self._snapshot.next_chunk

    @property
    def ended(self) -> bool:
        """Whether the rollout is as long as it can be."""
        return self.next_chunk >= self._sampler.chunks

    @torch.no_grad()
    def advance(self) -> LiveChunk:
        """Generate the next chunk, and write it to the cache.

        Raises:
            UserError: the rollout is as long as it can be.
        """
        if self.ended:
            raise UserError(f"The rollout has all its {self._sampler.chunks} chunks.", "Start another one.")
        started, chunk = time.perf_counter(), self.next_chunk
        result = next(self._rollout)
        self._snapshot = self._rollout.snapshot()
        frames = self._sampler.decoded(self._decoder.push, result.latents)[0]
        foreseen = self._expected.pop(chunk, {})
        errors = {horizon: squared_error(seen.read, frames[-1]) for horizon, seen in foreseen.items()}
        copies = {horizon: squared_error(seen.present, frames[-1]) for horizon, seen in foreseen.items()}
        readouts = self._read(chunk, frames[-1])
        return LiveChunk(chunk, self.prompt, self.seed, frames, readouts, errors, copies, time.perf_counter() - started)

    def change(self, *, prompt: str | None = None, seed: int | None = None) -> None:
        """Go on with another prompt or other noise from the next chunk on."""
        text = None if prompt is None else self._sampler.text([prompt])
        self.prompt = self.prompt if prompt is None else prompt
        self.seed = self.seed if seed is None else seed
        self._rollout = self._rollout.fork(self._snapshot, self._noise(self.seed), text=text, observers=self._observers)

    def fork(self, seed: int) -> "LiveRollout":
        """Another rollout that goes on from here under another seed; the past is shared, and this one is untouched."""
        branch = copy.copy(self)
        branch.seed = seed
        branch._observers = self._new_observers()
        branch._rollout = self._rollout.fork(self._snapshot, self._noise(seed), observers=branch._observers)
        branch._decoder = self._decoder.twin()
        branch._expected = {chunk: dict(seen) for chunk, seen in self._expected.items()}
        return branch

    def _new_observers(self) -> tuple[_StateOfChunk, ...]:
        return () if self._head is None else (_StateOfChunk(self._head, self._sampler.causal.chunk_frames),)

    def _noise(self, seed: int) -> KeyedNoise:
        return KeyedNoise([KEY], self._sampler.chunk_shape(), seed)

    def _read(self, chunk: int, present: Picture) -> dict[int, Picture]:
        """What the head sees coming; kept until it arrives."""
        if self._head is None:
            return {}
        (observer,) = self._observers
        assert observer.state is not None
        read = self._head.read(observer.state[None].numpy())
        pictures = {horizon: pixels_of(values, *present.shape[:2])[0] for horizon, values in read.items()}
        for horizon, picture in pictures.items():
            if horizon > 0:
                self._expected.setdefault(chunk + horizon, {})[horizon] = _Foreseen(picture, present)
        return pictures
