"""Future-frame probes (arXiv 2606.03971): arms x depths x horizons, with controls, kept prompt by prompt."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.reference.lpips import lpips_metric
from probekit.evaluation.reference.metrics import MSE, ReferenceMetric
from probekit.probing.chunk_states import ChunkStates
from probekit.probing.readout_decoder import ProbeBudget, fit_and_read
from probekit.progress import track
from probekit.seeding import generator

HORIZONS: Final = (1, 2, 3)
LPIPS_SIDE: Final = 64
PSNR_ID: Final = "psnr:noweights:of-the-prompts-mean-mse-v1"
UNTRAINED: Final = "untrained"
COPY: Final = "copy of the current frame"
TRAINED: Final = "trained"
_TRAIN_SHARE: Final = 0.6


class PromptSplit(NamedTuple):
    """Prompts that probes are fitted on, and those that they are judged on."""

    train: frozenset[str]
    test: frozenset[str]


def split_prompts(prompt_ids: Sequence[str], seed: int = 0) -> PromptSplit:
    """A seeded split of the prompts, so that no prompt is on both sides.

    Raises:
        UserError: with fewer than two prompts on a side.
    """
    prompts = sorted(set(prompt_ids))
    count = round(_TRAIN_SHARE * len(prompts))
    if count < 2 or len(prompts) - count < 2:
        raise UserError(f"{len(prompts)} prompts cannot be split for probing.", "Use at least 5 prompts.")
    order = generator("probe-split", seed).permutation(len(prompts))
    chosen = frozenset(prompts[index] for index in order[:count])
    return PromptSplit(chosen, frozenset(prompts) - chosen)


class _Rows(NamedTuple):
    """Chunks of one side of the split: states (M, D), current and future frames (M, H, W, 3), prompts (M,)."""

    states: NDArray[np.float32]
    current: NDArray[np.uint8]
    future: NDArray[np.uint8]
    prompts: NDArray[np.str_]


def _rows(data: ChunkStates, layer: int, horizon: int, prompts: frozenset[str]) -> _Rows:
    chosen = np.array([prompt in prompts for prompt in data.prompt_ids])
    states, frames = data.states[layer][chosen], data.frames[chosen]
    count = frames.shape[1] - horizon
    return _Rows(
        states[:, :count].reshape(-1, states.shape[2] * states.shape[3]).astype(np.float32),
        frames[:, :count].reshape(-1, *frames.shape[2:]),
        frames[:, horizon:].reshape(-1, *frames.shape[2:]),
        np.repeat(np.array(data.prompt_ids)[chosen], count),
    )


def _pixels(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return frames.reshape(len(frames), -1).astype(np.float32) / np.float32(255)


def read_ahead(
    data: ChunkStates, layer: int, horizon: int, split: PromptSplit, budget: ProbeBudget, seed: int
) -> NDArray[np.uint8]:
    """Fit one probe on the training prompts; its readouts of the held-out chunks, (M, H, W, 3) uint8."""
    train, test = (_rows(data, layer, horizon, side) for side in split)
    readouts = fit_and_read(train.states, _pixels(train.future), test.states, budget, seed)
    return np.round(255 * readouts).astype(np.uint8).reshape(test.future.shape)


class FrameJudge:
    """Distances of readouts to the frames that came, averaged over each prompt's chunks.

    Args:
        perceptual: whether to compute LPIPS on a random backbone, on frames enlarged to 64 x 64.
    """

    def __init__(self, perceptual: bool = True) -> None:
        self._lpips: ReferenceMetric | None = lpips_metric("random") if perceptual else None

    def judge(
        self, readouts: NDArray[np.uint8], future: NDArray[np.uint8], prompts: NDArray[np.str_]
    ) -> Iterator[tuple[str, str, float | None]]:
        """Yield (prompt, metric id, value); PSNR is None where every pixel is right."""
        for prompt, value in _means(MSE.frame_values(future, readouts), prompts):
            yield prompt, MSE.metric_id, value
            yield prompt, PSNR_ID, 10 * float(np.log10(1 / value)) if value > 0 else None
        if self._lpips is not None:
            distance = self._lpips.frame_values(_enlarged(future), _enlarged(readouts))
            for prompt, value in _means(distance, prompts):
                yield prompt, self.lpips_id, value

    @property
    def lpips_id(self) -> str:
        """Metric id that says backbone and enlargement."""
        return f"{self._lpips.metric_id}:nearest-to-{LPIPS_SIDE}" if self._lpips else ""


def _means(values: NDArray[np.floating], prompts: NDArray[np.str_]) -> Iterator[tuple[str, float]]:
    for prompt in np.unique(prompts):
        yield str(prompt), float(values[prompts == prompt].mean())


def _enlarged(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = max(1, LPIPS_SIDE // frames.shape[1])
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


class _Site(NamedTuple):
    arm: str
    source: str
    depth: float | None
    layer: int | None
    horizon: int


def run_probes(
    arms: Mapping[str, tuple[ChunkStates, ChunkStates]],
    depths: Mapping[int, float],
    *,
    horizons: Sequence[int] = HORIZONS,
    budget: ProbeBudget | None = None,
    seed: int = 0,
    perceptual: bool = True,
) -> pd.DataFrame:
    """Every probe and control of every arm, on one split of the prompts.

    Args:
        arms: states by name, the generator's states and its untrained twin's.
        depths: relative depth of each captured block.
        horizons: chunks ahead.
        budget: budget of each probe.
        seed: seed of split, weights and batches.
        perceptual: whether to compute LPIPS, the slowest metric.

    Returns:
        Rows arm, source (trained, untrained or the copy), depth, layer, horizon, prompt_id, metric_id, value.
    """
    split = split_prompts([prompt for own, _ in arms.values() for prompt in own.prompt_ids], seed)
    judge, settings = FrameJudge(perceptual), budget or ProbeBudget()
    sites = [site for arm in arms for horizon in horizons for site in _sites(arm, depths, horizon)]
    rows = []
    for site in track(sites, "fitting probes", len(sites)):
        trained, untrained = arms[site.arm]
        data = untrained if site.source == UNTRAINED else trained
        layer = next(iter(data.states)) if site.layer is None else site.layer
        test = _rows(data, layer, site.horizon, split.test)
        readouts = test.current if site.source == COPY else read_ahead(data, layer, site.horizon, split, settings, seed)
        rows += [(*site, *scored) for scored in judge.judge(readouts, test.future, test.prompts)]
    return pd.DataFrame(rows, columns=[*_Site._fields, "prompt_id", "metric_id", "value"])


def _sites(arm: str, depths: Mapping[int, float], horizon: int) -> Iterator[_Site]:
    yield _Site(arm, COPY, None, None, horizon)
    for layer, depth in depths.items():
        for source in (TRAINED, UNTRAINED):
            yield _Site(arm, source, depth, layer, horizon)
