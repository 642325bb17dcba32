"""Probes of one arm's store: sites x horizons x seeds, with every control, kept video by video."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.probing.control_task import control_labels
from probekit.probing.decoder_goals import PreparedGoals, chunk_goals, token_goals
from probekit.probing.decoder_inputs import InputMap, latent_tokens, pixel_tokens
from probekit.probing.decoders import fit_decoders
from probekit.probing.feature_store import FeatureStore
from probekit.probing.fixed_controls import backward_flow, linear_motion, mean_frame, motion_of
from probekit.probing.probe_settings import (
    CONTROL_TASK,
    COPY,
    CURRENT_LATENTS,
    CURRENT_PIXELS,
    LINEAR,
    MEAN,
    SHUFFLED,
    TRAINED,
    DecoderBudget,
    ProbeSettings,
)
from probekit.probing.readout_judge import ReadoutJudge
from probekit.probing.sites import Site
from probekit.probing.splits import PromptSplit, Side, ahead, shuffled_videos, side_of, split_prompts
from probekit.probing.targets import FRAME, ProbeTarget, TargetInput
from probekit.progress import track

Floats = NDArray[np.float32]

COLUMNS: Final = (
    "arm", "source", "site", "depth", "target", "horizon", "probe_seed", "prompt_id", "sample", "motion", "metric_id",
    "value",
)  # fmt: skip


class ArmData(NamedTuple):
    """What all probes of an arm and a target share.

    Attributes:
        store: captured states.
        prompts: prompt of each video.
        frames: (V, N, n, H, W, 3) uint8.
        values: (V, N, P) of the target, NaN where unknown.
        sides: training, validation and test chunks.
    """

    store: FeatureStore
    prompts: tuple[str, ...]
    frames: NDArray[np.uint8]
    values: Floats
    sides: tuple[Side, Side, Side]


class Readout(NamedTuple):
    """What one decoder, or a control without one, says of the test chunks.

    Attributes:
        source: network whose state is read, or name of a control.
        site: where; None where no state is read.
        horizon: chunks ahead.
        seed: seed of the decoder; 0 where there is none.
        values: (R, P), or log-odds (R, classes).
        truth: (R, 1) what it is judged by in place of the target: labels of the control task.
    """

    source: str
    site: Site | None
    horizon: int
    seed: int
    values: Floats
    truth: Floats | None = None


def arm_data(store: FeatureStore, target: ProbeTarget, split: PromptSplit) -> ArmData:
    """Open what all probes of an arm share.

    Raises:
        UserError: a side of the split has no video, or the target cannot be read in these videos.
    """
    prompts = tuple(key.prompt_id for key in store.keys)
    frames = store.frames()
    values = target.values(TargetInput(frames[:, :, -1], store.latents(), store.card.chunk_frames, frames, store.texts))
    train, validation, test = (side_of(prompts, side, frames.shape[1]) for side in split)
    if not min(map(len, (train.videos, validation.videos, test.videos))):
        raise UserError(f"{store.folder} lacks videos of one side of the split.", "Capture all prompts of the suite.")
    return ArmData(store, prompts, frames, values, (train, validation, test))


def readouts(data: ArmData, target: ProbeTarget, settings: ProbeSettings) -> Iterator[Readout]:
    """Every probe and control of an arm on the test chunks."""
    yield from _fixed(data, target, settings.horizons)
    by_token = settings.decoder == "token" and target.kind == "picture"
    goals = goals_of(data, target, data.values, settings, by_token)
    shuffled = goals_of(data, target, data.values[shuffled_videos(data.prompts)], settings, by_token)
    controls = settings.control_budget
    labels = _control_labels(data, target) if target.kind == "class" else None
    for site in data.store.sites:
        for source in data.store.card.sources:
            inputs = _inputs(data, data.store.states(site, source), settings, by_token)
            if source == TRAINED:
                yield from _fitted(TRAINED, site, inputs, goals, settings, settings.budget)
                yield from _fitted(SHUFFLED, site, inputs, shuffled, settings, controls)
                if labels is not None:
                    yield from _control_task(data, target, labels, settings, site, inputs)
            else:
                yield from _fitted(source, site, inputs, goals, settings, controls)
    pixels = pixel_tokens(data.frames, data.store.card.grid, data.store.card.patch)
    for source, tokens in ((CURRENT_LATENTS, _latent_tokens(data)), (CURRENT_PIXELS, pixels)):
        yield from _fitted(source, None, _inputs(data, tokens, settings, by_token), goals, settings, controls)


def site_readouts(data: ArmData, target: ProbeTarget, settings: ProbeSettings, site: Site) -> Iterator[Readout]:
    """The trained network's readouts at one site, without controls."""
    by_token = settings.decoder == "token" and target.kind == "picture"
    inputs = _inputs(data, data.store.states(site, TRAINED), settings, by_token)
    goals = goals_of(data, target, data.values, settings, by_token)
    yield from _fitted(TRAINED, site, inputs, goals, settings, settings.budget)


def _control_labels(data: ArmData, target: ProbeTarget) -> Floats:
    return control_labels(_latent_tokens(data), data.values, data.sides[0], target.classes, target.name)


def _control_task(
    data: ArmData, target: ProbeTarget, labels: Floats, settings: ProbeSettings, site: Site, inputs: Sequence[Tensor]
) -> Iterator[Readout]:
    """Readouts of the present chunk's random labels, in the chunks whose real label at the horizon is known."""
    for horizon in settings.horizons:
        train, validation, test = (
            np.where(np.isfinite(ahead(data.values, side, horizon)), ahead(labels, side, 0), np.float32(np.nan))
            for side in data.sides
        )
        goals = chunk_goals([train], [validation], target, settings.budget.components)
        alone = settings._replace(horizons=(horizon,))
        for read in _fitted(CONTROL_TASK, site, inputs, goals, alone, settings.control_budget):
            yield read._replace(truth=test)


def judged(
    arm: str,
    data: ArmData,
    target: ProbeTarget,
    settings: ProbeSettings,
    depths: Mapping[int, float],
    keep: Callable[[Readout], None] | None = None,
) -> pd.DataFrame:
    """All values of an arm: one row per readout, video and metric, with the columns `COLUMNS`.

    Args:
        arm: name in tables.
        data: what the probes share.
        target: what is read.
        settings: horizons and budgets.
        depths: relative depth of each captured block.
        keep: sees every readout too, for figures.
    """
    judge = ReadoutJudge(target, data.frames.shape[3:5], settings.perceptual)
    motion, test = motion_of(data.frames), data.sides[2]
    rows = []
    for read in track(
        readouts(data, target, settings), f"reading {target.name} in {arm}", readout_count(data, target, settings)
    ):
        if keep is not None:
            keep(read)
        truth = ahead(data.values, test, read.horizon) if read.truth is None else read.truth
        where = (None, None) if read.site is None else (read.site.name, depths[read.site.block])
        for video, metric, value in judge.judge(read.values, truth, test.videos):
            key = data.store.keys[video]
            rows.append(
                (arm, read.source, *where, target.name, read.horizon, read.seed, key.prompt_id, key.sample,
                 float(motion[video]), metric, value)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def probe_values(
    arm: str,
    store: FeatureStore,
    settings: ProbeSettings | None = None,
    target: ProbeTarget = FRAME,
    keep: Callable[[ArmData], Callable[[Readout], None]] | None = None,
) -> pd.DataFrame:
    """Probe one store: split its prompts, fit, read, judge; rows with the columns `COLUMNS`.

    Args:
        arm: name in tables.
        store: captured states.
        settings: horizons, decoder and budget.
        target: what is read.
        keep: makes, of what the probes share, what sees every readout too.

    Raises:
        UserError: there are too few prompts, or the target cannot be read in these videos.
    """
    chosen = settings or ProbeSettings()
    data = arm_data(store, target, split_prompts([key.prompt_id for key in store.keys], chosen.seed))
    depths = {site.block: round(site.block / store.card.blocks, 3) for site in store.sites}
    return judged(arm, data, target, chosen, depths, None if keep is None else keep(data))


def readout_count(data: ArmData, target: ProbeTarget, settings: ProbeSettings) -> int:
    """How many readouts `readouts` yields."""
    sites, sources = len(data.store.sites), len(data.store.card.sources)
    fixed = 3 if target.kind == "picture" else 2
    controls = sites * sources + len((CURRENT_LATENTS, CURRENT_PIXELS))  # untrained or not, and shuffled targets
    controls += sites if target.kind == "class" else 0
    return len(settings.horizons) * (fixed + sites * len(settings.budget.seeds) + controls)


def _fixed(data: ArmData, target: ProbeTarget, horizons: Sequence[int]) -> Iterator[Readout]:
    train, _, test = data.sides
    present = ahead(data.values, test, 0)
    frames = data.frames[test.videos, test.chunks]
    flow = backward_flow(frames) if target.kind == "picture" else None
    for horizon in horizons:
        if target.kind == "class":
            yield Readout(COPY, None, horizon, 0, one_hot(present, target.classes))
            yield Readout(
                MEAN, None, horizon, 0, _frequencies(ahead(data.values, train, horizon), target, len(present))
            )
            continue
        mean = mean_frame(ahead(data.values, train, horizon), len(present))
        yield Readout(MEAN, None, horizon, 0, mean)
        yield Readout(COPY, None, horizon, 0, np.where(np.isfinite(present), present, mean))
        if target.kind == "picture":
            yield Readout(LINEAR, None, horizon, 0, linear_motion(frames, horizon * frames.shape[1], flow))


def one_hot(values: Floats, classes: int) -> Floats:
    """Log-odds (R, classes) that say the class (R, 1); none where it is not known."""
    return np.where(values == np.arange(classes), np.float32(1), np.float32(0))


def _frequencies(training: Floats, target: ProbeTarget, rows: int) -> Floats:
    counts = (training == np.arange(target.classes)).sum(axis=0).astype(np.float32)
    return np.repeat(counts[None], rows, axis=0)


def _latent_tokens(data: ArmData) -> Floats:
    return latent_tokens(data.store.latents(), data.store.card.grid, data.store.card.chunk_frames)


def goals_of(
    data: ArmData, target: ProbeTarget, values: Floats, settings: ProbeSettings, by_token: bool
) -> PreparedGoals:
    """What all decoders of an arm are fitted to, whatever states they read."""
    train, validation = ([ahead(values, side, horizon) for horizon in settings.horizons] for side in data.sides[:2])
    if by_token:
        return token_goals(train, validation, data.store.card.grid, data.store.card.patch)
    return chunk_goals(train, validation, target, settings.budget.components)


def _inputs(data: ArmData, states: NDArray[np.floating], settings: ProbeSettings, by_token: bool) -> list[Tensor]:
    """Rows of the three sides that decoders of these states (V, N, n, T, W) read."""
    return inputs_of(data, states, settings, by_token)[1]


def inputs_of(
    data: ArmData, states: NDArray[np.floating], settings: ProbeSettings, by_token: bool
) -> tuple[InputMap, list[Tensor]]:
    """The map from states (V, N, n, T, W) to what decoders read, and the rows of the three sides."""
    rows = [states[side.videos, side.chunks][:, None] for side in data.sides]
    if by_token:
        made = InputMap.of_tokens(rows[0], data.store.card.grid)
    else:
        made = InputMap.of_chunks(rows[0], settings.budget.components)
    return made, [made(part) for part in rows]


def _fitted(
    source: str,
    site: Site | None,
    inputs: Sequence[Tensor],
    goals: PreparedGoals,
    settings: ProbeSettings,
    budget: DecoderBudget,
) -> Iterator[Readout]:
    """Readouts of the test chunks by decoders that read these rows of the three sides."""
    train, validation, test = inputs
    batch = budget._replace(batch=budget.batch * goals.rows_per_chunk)
    fitted = fit_decoders(train, goals.train, validation, goals.validation, test, batch)
    for index, horizon in enumerate(settings.horizons):
        for place, seed in enumerate(budget.seeds):
            yield Readout(source, site, horizon, seed, goals.values(fitted.readouts[index, place]))
