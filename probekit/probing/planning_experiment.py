"""Probes of one arm for what follows an occlusion: fitted to states during it, judged against the best readout."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.feature_store import FeatureStore
from probekit.probing.planning_episodes import PlanningEpisodes
from probekit.probing.planning_facts import FACTS, BestReadout, PlanningFact, futures_after, true_states
from probekit.probing.planning_gap import (
    DECIBELS,
    NATS,
    expected_cross_entropies,
    expected_squared_errors,
    log_probabilities,
)
from probekit.probing.probe_experiment import ArmData, Readout, readouts
from probekit.probing.probe_settings import CONTROL_TASK, COPY, LINEAR, MEAN, SHUFFLED, ProbeSettings
from probekit.probing.splits import Side, side_of, split_prompts
from probekit.probing.targets import ProbeTarget, TargetInput
from probekit.progress import track

COLUMNS: Final = (
    "arm", "source", "site", "depth", "fact", "stated", "unit", "horizon", "probe_seed", "prompt_id", "rows", "error",
    "best", "realised", "best_realised",
)  # fmt: skip
"""`error` and `best` are expected errors of the readout and of the best one, means over a prompt's states; `realised`
and `best_realised` are the errors that both had with the future that came."""

_LEFT_OUT: Final = frozenset({CONTROL_TASK, COPY, LINEAR, SHUFFLED})
"""Controls that say nothing here: nothing is seen to be copied, another episode's occlusion is elsewhere, and random
labels have no posterior.
"""

Rows = Mapping[tuple[int, int, int], BestReadout]
"""Best readouts by episode, chunk and horizon."""


class PlanningRows(NamedTuple):
    """What is asked of the states of all episodes.

    Attributes:
        shown: one episode for each video of the store, in its order.
        sides: training, validation and test chunks at whose end the sprite is hidden.
        best: best readouts of the test chunks, by fact.
    """

    shown: PlanningEpisodes
    sides: tuple[Side, Side, Side]
    best: Mapping[str, Rows]

    @property
    def prompts(self) -> tuple[str, ...]:
        """Identifier of each episode."""
        return tuple(name for name, _ in self.shown.prompts)

    def truth(self, fact: PlanningFact) -> NDArray[np.float64]:
        """Values (V, N, P) in the last frame of every chunk."""
        ends = self.shown.ends
        return np.stack([
            fact.values(one.episode.scene, true_states(one.episode, ends)) for one in self.shown.found
        ])  # fmt: skip


def planning_rows(
    shown: PlanningEpisodes, horizons: Sequence[int], seed: int = 0, facts: Sequence[PlanningFact] = FACTS
) -> PlanningRows:
    """Split the episodes by prompt, and work out the best readouts of the held-out ones.

    Raises:
        UserError: a side of the split has no state in an occlusion with the sprite back in view afterwards.
    """
    hidden, seen = np.stack([one.hidden for one in shown.found]), np.stack([one.seen for one in shown.found])
    prompts = [name for name, _ in shown.prompts]
    split = split_prompts(prompts, seed)
    sides = [_usable(side_of(prompts, part, len(shown.ends)), hidden, seen, horizons) for part in split]
    for horizon in horizons:
        if not min(len(_usable(side, hidden, seen, [horizon]).videos) for side in sides):
            raise UserError(
                f"{len(prompts)} episodes have no sprite that is back in view {horizon} chunks later on every side.",
                "Use more episodes, or other horizons; a sprite needs two chunks to come out from behind the pillar.",
            )
    best: dict[str, dict[tuple[int, int, int], BestReadout]] = {fact.name: {} for fact in facts}
    for video in track(np.unique(sides[2].videos).tolist(), "working out the best readouts"):
        found = shown.found[video]
        for chunk, horizon, future in futures_after(found, horizons, shown.ends):
            for fact in facts:
                best[fact.name][video, chunk, horizon] = fact.best(found.episode.scene, future)
    return PlanningRows(shown, (sides[0], sides[1], sides[2]), best)


def _usable(side: Side, hidden: NDArray[np.bool_], seen: NDArray[np.bool_], horizons: Sequence[int]) -> Side:
    """The chunks of a side in an occlusion that is over after one of the horizons."""
    after = np.zeros_like(hidden)
    for horizon in horizons:
        after[:, : after.shape[1] - horizon] |= seen[:, horizon:]
    keep = (hidden & after)[side.videos, side.chunks]
    return Side(side.videos[keep], side.chunks[keep])


def planning_values(
    arm: str,
    store: FeatureStore,
    rows: PlanningRows,
    settings: ProbeSettings,
    facts: Sequence[PlanningFact] = FACTS,
) -> pd.DataFrame:
    """Fit decoders to the states of an arm in the occlusions, and judge them; rows with the columns `COLUMNS`."""
    found: list[tuple[object, ...]] = []
    seen, frames = np.stack([one.seen for one in rows.shown.found])[..., None], store.frames()
    for fact in track(facts, f"reading {arm} behind the pillar"):
        truth = rows.truth(fact)
        values = np.where(seen, truth, np.nan).astype(np.float32)
        target = ProbeTarget(fact.name, fact.kind, partial(_given, values), fact.classes)
        data = ArmData(store, rows.prompts, frames, values, rows.sides)
        for read in readouts(data, target, settings):
            if read.source in _LEFT_OUT:
                continue
            depth = None if read.site is None else round(read.site.block / store.card.blocks, 3)
            place = (arm, read.source, None if read.site is None else read.site.name, depth, fact.name, fact.stated)
            unit = NATS if fact.kind == "class" else DECIBELS
            for prompt, errors in _judged(read, rows, fact, truth):
                found.append((*place, unit, read.horizon, read.seed, prompt, *errors))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _given(values: NDArray[np.float32], data: TargetInput) -> NDArray[np.float32]:
    """Values that come from the world's labels, not from a store."""
    return values


def _judged(
    read: Readout, rows: PlanningRows, fact: PlanningFact, truth: NDArray[np.float64]
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Prompt, number of its states, and means of their four errors."""
    test, best = rows.sides[2], rows.best[fact.name]
    places = [(int(v), int(c), read.horizon) for v, c in zip(test.videos, test.chunks, strict=True)]
    known = [index for index, place in enumerate(places) if place in best]
    if not known:
        return
    chosen = [places[index] for index in known]
    came = np.stack([truth[video, chunk + horizon] for video, chunk, horizon in chosen])
    values = read.values[known].astype(np.float64)
    if read.source == MEAN and fact.kind == "class":  # counts, one more of each class so that none is impossible
        values = np.log1p(values)
    errors = _errors(values, [best[place] for place in chosen], came, fact)
    videos = np.array([video for video, _, _ in chosen])
    for video in np.unique(videos):
        own = videos == video
        yield rows.prompts[video], (float(own.sum()), *(float(one[own].mean()) for one in errors))


def _errors(
    values: NDArray[np.float64], best: Sequence[BestReadout], truth: NDArray[np.float64], fact: PlanningFact
) -> tuple[NDArray[np.float64], ...]:
    """Expected error and floor, then the errors that the readout and the best one had, (R,) each."""
    floor, ideal = np.array([one.floor for one in best]), np.stack([one.values for one in best])
    if fact.kind == "vector":
        had = [np.square(one - truth).mean(axis=1) for one in (values, ideal)]
        return expected_squared_errors(values, best), floor, had[0], had[1]
    classes = truth[:, 0].astype(np.int64)
    rows = np.arange(len(classes))
    own = -log_probabilities(values)[rows, classes]
    return expected_cross_entropies(values, best), floor, own, -np.log(ideal[rows, classes])
