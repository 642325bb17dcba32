"""One watcher's rollouts: one or two models in step on the same noise, forked and changed at any chunk to come."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.errors import UserError
from probekit.live.live_rollout import LiveChunk, LiveRollout
from probekit.live.script import Change, Script
from probekit.probing.readout_heads import ReadoutHead
from probekit.rollout.streaming_sampler import StreamingSampler


class Source(NamedTuple):
    """A model that is watched.

    Attributes:
        name: name of the model.
        sampler: streaming generator.
        head: what reads its future; None reads nothing.
    """

    name: str
    sampler: StreamingSampler
    head: ReadoutHead | None = None


class Lane(NamedTuple):
    """One rollout among those in step.

    Attributes:
        model: place of its model among the sources.
        forked: whether it goes on from another one's past.
        rollout: what is advanced.
    """

    model: int
    forked: bool
    rollout: LiveRollout

    def twin(self) -> "Lane":
        """The same rollout once more; advancing one of both leaves the other where it is."""
        return self._replace(rollout=self.rollout.fork(self.rollout.seed))


class LaneChunk(NamedTuple):
    """A chunk of one lane; fields as in `Lane` and `LiveChunk`."""

    model: int
    forked: bool
    live: LiveChunk


Step = tuple[LaneChunk, ...]
"""One chunk of every lane: per model the first rollout, then its forks."""


class LiveSession:
    """Rollouts that follow a script, which may change from any chunk on that nobody has seen yet.

    A change of a chunk that has been generated already takes the session back to the state before it. Nothing of a
    change that is refused has happened.

    Args:
        sources: models in step.
        script: what is watched.

    Raises:
        UserError: as `LiveRollout`.
    """

    def __init__(self, sources: Sequence[Source], script: Script) -> None:
        self.sources = tuple(sources)
        self.script = script
        self.steps: list[Step] = []
        self._lanes = tuple(
            Lane(index, False, LiveRollout(source.sampler, script.prompt, script.seed, source.head))
            for index, source in enumerate(sources)
        )
        self._before: dict[int, tuple[Lane, ...]] = {0: self._lanes}

    @property
    def chunks(self) -> int:
        """Chunks of the whole rollout."""
        return min(source.sampler.chunks for source in self.sources)

    @property
    def next_chunk(self) -> int:
        """The chunk that comes next."""
        return len(self.steps)

    @property
    def ended(self) -> bool:
        """Whether the rollout is as long as it can be."""
        return self.next_chunk >= self.chunks

    def advance(self) -> Step:
        """Generate the next chunk of every lane.

        Raises:
            UserError: the rollout is as long as it can be.
        """
        lanes = self._changed(self._before[self.next_chunk], self.script.at(self.next_chunk))
        step = tuple(LaneChunk(lane.model, lane.forked, lane.rollout.advance()) for lane in lanes)
        self.steps.append(step)
        self._before[self.next_chunk] = lanes
        return step

    def change(self, change: Change) -> None:
        """Go on otherwise from a chunk on; what has been generated of it is dropped.

        Raises:
            UserError: the chunk has been seen, is too far ahead, or a model cannot read the prompt.
        """
        kept = sorted(self._before)
        if change.chunk not in self._before:
            raise UserError(
                f"Chunk {change.chunk} cannot be changed now.", f"Choose a chunk from {kept[0]} to {kept[-1]}."
            )
        script = self.script.with_change(change)
        self._changed(self._before[change.chunk], script.at(change.chunk))
        self.script = script
        del self.steps[change.chunk :]
        self._before = {chunk: lanes for chunk, lanes in self._before.items() if chunk <= change.chunk}

    def seen(self, chunk: int) -> None:
        """Let go of the states before chunks up to this one, which can no longer be changed."""
        self._before = {start: lanes for start, lanes in self._before.items() if start > chunk}

    @staticmethod
    def _changed(lanes: Sequence[Lane], change: Change) -> tuple[Lane, ...]:
        """Twins of lanes under a change; the lanes stay as they are."""
        found: list[Lane] = []
        for lane in (lane.twin() for lane in lanes if change.forks is None or not lane.forked):
            lane.rollout.change(prompt=change.prompt, seed=None if lane.forked else change.seed)
            forks = [] if lane.forked else change.forks or ()
            found += [lane, *(Lane(lane.model, True, lane.rollout.fork(seed)) for seed in forks)]
        return tuple(found)
