"""Futures of held-out states beside what a probe reads there: values per state, and what they say over prompts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.feature_store import FeatureStore
from probekit.probing.future_distances import future_distances
from probekit.probing.futures import forked_videos
from probekit.probing.probe_experiment import arm_data, site_readouts
from probekit.probing.probe_settings import ProbeSettings
from probekit.probing.splits import PromptSplit
from probekit.probing.targets import FRAME, pixels_of
from probekit.probing.world_calibration import FieldShares, field_shares
from probekit.progress import track
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.sprite_world.captions import CaptionFacts, parse_caption
from probekit.sprite_world.vocabulary import FRAME_SIZE

Pixels = NDArray[np.uint8]

VALUES: Final = (
    "readout_to_mean", "sample_to_mean", "readout_to_sample", "sample_to_sample", "energy_of_readout",
    "energy_of_sample", "energy_of_mean", "rank", "places",
)  # fmt: skip
COLUMNS: Final = (
    "arm", "prompt_id", "horizon", "futures", *VALUES, "world", "shares", "variation", "variation_by_chance",
)  # fmt: skip
"""`world` and `shares` are those of `FieldShares`, `variation` its total variation; absent where nothing is known."""


class FutureSettings(NamedTuple):
    """What is asked of futures.

    Attributes:
        chunk: zero-based, the last one that futures share.
        futures: continuations per state, for the numbers; the figure shows the first few.
        states: held-out prompts whose futures are rolled out; None takes all.
        seed: run seed of the shared noise, and the first of the continuations'.
        probes: horizons and budget of the decoder; its first seed is read.
    """

    chunk: int = 2
    futures: int = 32
    states: int | None = None
    seed: int = 0
    probes: ProbeSettings = ProbeSettings(perceptual=False)

    def check(self, chunks: int) -> None:
        """Refuse what a video of some chunks has no room for.

        Raises:
            UserError: a horizon is 0 or lies beyond the video, or there are too few continuations.
        """
        if min(self.probes.horizons) < 1:
            raise UserError("The present, horizon 0, has no futures.", "Ask for horizons from 1.")
        last = self.chunk + max(self.probes.horizons)
        if last >= chunks:
            raise UserError(
                f"A video of {chunks} chunks ends before chunk {last}.", "Fork earlier, or ask for shorter horizons."
            )
        if self.futures < 2:
            raise UserError(f"{self.futures} futures have no spread.", "Draw at least two.")


class StateFutures(NamedTuple):
    """One state, its futures and what is read from it.

    Attributes:
        request: prompt and key.
        videos: (F, T, H, W, 3) uint8, equal up to the fork.
        ends: last frame of each of its chunks.
        chunk: the fork.
        readouts: (H, W, 3) uint8 by horizon.
        step: RGB frames between two latent frames.
    """

    request: Request
    videos: Pixels
    ends: tuple[int, ...]
    chunk: int
    readouts: Mapping[int, Pixels]
    step: int

    def at(self, horizon: int) -> Pixels:
        """The futures' frames (F, H, W, 3) at a horizon."""
        return self.videos[:, self.ends[self.chunk + horizon]]


def held_out_readouts(
    store: FeatureStore, split: PromptSplit, settings: FutureSettings
) -> dict[str, dict[int, Pixels]]:
    """What the middle site's probe reads in the fork of each held-out prompt's first video: pictures by horizon."""
    data = arm_data(store, FRAME, split)
    middle = data.store.sites[len(data.store.sites) // 2]
    test, size = data.sides[2], data.frames.shape[3:5]
    rows = {
        data.prompts[video]: row
        for row, (video, chunk) in reversed(list(enumerate(zip(test.videos, test.chunks, strict=True))))
        if chunk == settings.chunk
    }
    found: dict[str, dict[int, Pixels]] = {prompt: {} for prompt in sorted(rows)}
    seed = settings.probes.budget.seeds[0]
    for read in site_readouts(data, FRAME, settings.probes, middle):
        if read.seed == seed:
            for prompt, row in rows.items():
                found[prompt][read.horizon] = pixels_of(read.values[row], *size)
    return found


def state_futures(
    sampler: StreamingSampler,
    requests: Sequence[Request],
    readouts: Mapping[str, Mapping[int, Pixels]],
    settings: FutureSettings,
) -> Iterator[StateFutures]:
    """The futures of some requests, one state after another, so that memory holds one."""
    size, geometry = sampler.causal.chunk_frames, sampler.geometry
    ahead = max(settings.probes.horizons)
    ends = tuple(geometry.rgb_frames(size * (chunk + 1)) - 1 for chunk in range(settings.chunk + ahead + 1))
    for request in track(requests, f"rolling out futures of {sampler.parts.name}"):
        videos = forked_videos(sampler, request, settings.chunk, ahead, settings.futures, settings.seed)
        own = readouts[request.key.prompt_id]
        yield StateFutures(request, videos, ends, settings.chunk, own, geometry.temporal_stride)


def state_values(arm: str, state: StateFutures, horizons: Sequence[int]) -> list[tuple[object, ...]]:
    """Rows with the columns `COLUMNS`, one per horizon."""
    shares = _world(state, horizons)
    rows = []
    for index, horizon in enumerate(horizons):
        futures = state.at(horizon)
        flat = futures.reshape(len(futures), -1) / 255
        found = future_distances(state.readouts[horizon].reshape(-1) / 255, flat)
        values = [list(value) if name == "places" else value for name, value in found._asdict().items()]
        known = shares[index] if shares else None
        world = (
            (None, None, None, None)
            if known is None
            else (list(known.world), list(known.futures), known.total_variation, known.by_chance)
        )
        rows.append((arm, state.request.key.prompt_id, horizon, len(futures), *values, *world))
    return rows


def _world(state: StateFutures, horizons: Sequence[int]) -> list[FieldShares] | None:
    """The world's own distribution, where the video is one of the sprite world and its state can be read."""
    facts = _facts(state.request.prompt)
    fork = state.ends[state.chunk]
    if facts is None or state.videos.shape[2] != FRAME_SIZE:
        return None
    futures = np.stack([state.at(horizon) for horizon in horizons], axis=1)
    past = state.videos[0, [fork - state.step, fork]]
    return field_shares(past, futures, facts, [state.ends[state.chunk + h] - fork for h in horizons], state.step)


def _facts(prompt: str) -> CaptionFacts | None:
    try:
        return parse_caption(prompt)
    except UserError:  # a prompt of another world
        return None


def values_table(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """Rows of `state_values` as a table."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.astype({"variation": float, "variation_by_chance": float})
