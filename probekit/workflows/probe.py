"""Probing two arms of a streaming generator: states, probes, controls, comparison, figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path, write_json, write_text
from probekit.evaluation.reference.metrics import MSE
from probekit.models.model_folder import model_folder
from probekit.probing.chunk_states import SITE, ChunkStates, capture, probed_layers
from probekit.probing.futures import continue_state
from probekit.probing.probe_comparison import compare_probes, contrast_table
from probekit.probing.probe_experiment import LPIPS_SIDE, run_probes, split_prompts
from probekit.probing.probe_figures import plot_futures, plot_probe_errors
from probekit.probing.readout_decoder import ProbeBudget, fit_and_read
from probekit.reporting.probe_table import probe_table
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.protocol_card import protocol_card
from probekit.suites.suite import Suite

_FUTURE_CHUNK = 2


class ProbeResult(NamedTuple):
    """Values prompt by prompt, contrasts with intervals, and the folder that holds both."""

    values: pd.DataFrame
    contrasts: pd.DataFrame
    folder: Path


def probe_arms(
    baseline: str,
    method: str,
    suite: Suite,
    out: Path,
    *,
    seed: int = 0,
    budget: ProbeBudget | None = None,
    perceptual: bool = True,
) -> ProbeResult:
    """Probe two few-step students on a suite and write tables and figures.

    Args:
        baseline: model folder or shipped model.
        method: the other one.
        suite: prompts and samples that both roll out.
        out: folder for `probe_values.parquet`, `contrasts.csv`, `probes.md`, `probes.png`, `futures.png`.
        seed: seed of noise, split and probes.
        budget: budget of each probe.
        perceptual: whether to compute LPIPS on the random backbone.

    Raises:
        UserError: if a model is no few-step streaming student, or there are too few prompts.
    """
    config = SamplingConfig(seed=seed)
    samplers = {name: StreamingSampler(model_folder(name), suite, config) for name in (baseline, method)}
    named = {sampler.parts.name: sampler for sampler in samplers.values()}
    texts = suite.texts()
    requests = [Request(key, texts[key.prompt_id]) for key in suite.keys()]
    split_prompts([request.key.prompt_id for request in requests], seed)
    states = {name: capture(sampler, requests) for name, sampler in named.items()}
    settings = budget or ProbeBudget()
    depths = probed_layers(len(next(iter(named.values())).model.blocks))
    values = run_probes(states, depths, budget=settings, seed=seed, perceptual=perceptual)
    contrasts = contrast_table(compare_probes(values, *named))
    _write_tables(out, values, contrasts, named, suite, settings)
    plot_probe_errors(values, MSE.metric_id, out / "probes.png")
    _draw_futures(named, states, requests, out / "futures.png", settings, seed)
    return ProbeResult(values, contrasts, out)


def _write_tables(
    out: Path,
    values: pd.DataFrame,
    contrasts: pd.DataFrame,
    samplers: Mapping[str, StreamingSampler],
    suite: Suite,
    budget: ProbeBudget,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / "probe_values.parquet") as temporary:
        values.to_parquet(temporary, index=False)
    write_text(out / "contrasts.csv", contrasts.to_csv(index=False))
    metrics = list(dict.fromkeys(contrasts.metric_id))
    sections = [f"## {metric}\n\n{probe_table(contrasts, metric).markdown()}" for metric in metrics]
    about = (
        f"# Future-frame probes\n\nState: {SITE} of a chunk; target: the last RGB frame of the chunk 1, 2 or 3 chunks "
        f"later in the same rollout. {contrasts.n_prompts.max()} held-out prompts. LPIPS: frames enlarged to "
        f"{LPIPS_SIDE}x{LPIPS_SIDE}, random backbone.\n\n"
    )
    write_text(out / "probes.md", about + "\n".join(sections))
    cards = {
        name: protocol_card(suite.card(), sampler.card).model_dump(mode="json") for name, sampler in samplers.items()
    }
    write_json(out / "protocol.json", {"arms": cards, "budget": budget._asdict(), "site": SITE})


def _draw_futures(
    samplers: Mapping[str, StreamingSampler],
    states: Mapping[str, tuple[ChunkStates, ChunkStates]],
    requests: Sequence[Request],
    path: Path,
    budget: ProbeBudget,
    seed: int,
) -> None:
    """One held-out prompt's futures, with the readout of each arm's middle probe."""
    split = split_prompts([request.key.prompt_id for request in requests], seed)
    shown = next(i for i, request in enumerate(requests) if request.key.prompt_id in split.test)
    horizons = (1, 3)
    futures = {
        name: continue_state(sampler, requests[shown], _FUTURE_CHUNK, horizons, seed=seed)
        for name, sampler in samplers.items()
    }
    readouts = {
        name: np.stack([_readout(own, shown, horizon, split.train, budget, seed) for horizon in horizons])
        for name, (own, _) in states.items()
    }
    plot_futures(futures, readouts, requests[shown].prompt, path)


def _readout(
    data: ChunkStates, video: int, horizon: int, prompts: frozenset[str], budget: ProbeBudget, seed: int
) -> NDArray[np.uint8]:
    """What the middle block's probe reads in one chunk of one video, (H, W, 3) uint8."""
    layer = sorted(data.states)[len(data.states) // 2]
    chosen = np.array([prompt in prompts for prompt in data.prompt_ids])
    states = data.states[layer].astype(np.float32)
    past = states[chosen][:, :-horizon].reshape(-1, states.shape[2] * states.shape[3])
    future = data.frames[chosen][:, horizon:]
    pixels = future.reshape(len(past), -1).astype(np.float32) / 255
    read = fit_and_read(past, pixels, states[video, _FUTURE_CHUNK].reshape(1, -1), budget, seed)
    return np.round(255 * read).astype(np.uint8).reshape(data.frames.shape[2:])
