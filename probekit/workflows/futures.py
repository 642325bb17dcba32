"""Futures of two arms' states beside what probes read there: states, decoders, continuations, tests, figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from probekit.atomic_files import write_csv, write_json, write_parquet, write_text
from probekit.media.gif_files import write_gif
from probekit.media.video_files import write_video
from probekit.models.model_folder import model_folder
from probekit.probing.capturing import CaptureSettings
from probekit.probing.feature_store import FeatureStore
from probekit.probing.future_experiment import (
    FutureSettings,
    StateFutures,
    held_out_readouts,
    state_futures,
    state_values,
    values_table,
)
from probekit.probing.future_tests import FutureTest, arm_contrasts, future_tests, reliability_rows
from probekit.probing.splits import PromptSplit, split_prompts
from probekit.reporting.figures import save_figure
from probekit.reporting.future_figures import (
    FutureRow,
    future_rows,
    futures_figure,
    moving_futures,
    published_row,
    ranks_figure,
)
from probekit.reporting.future_pictures import (
    KEPT_STATES,
    PICTURES_FILE,
    FuturePictures,
    pictures_of,
    write_pictures,
)
from probekit.reporting.future_table import arm_table, future_table
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.suite import Suite
from probekit.workflows.probe import open_stores

_CRF = 12


class FuturesResult(NamedTuple):
    """Values per state, tests over prompts, and the folder that holds both and the figures."""

    values: pd.DataFrame
    tests: list[FutureTest]
    folder: Path


def compare_futures(
    baseline: str,
    method: str,
    suite: Suite,
    out: Path,
    *,
    settings: FutureSettings | None = None,
    captured: CaptureSettings | None = None,
    published: Path | None = None,
) -> FuturesResult:
    """Roll out futures of held-out states of two streaming generators, and hold readouts against them.

    Args:
        baseline: model folder or shipped model.
        method: the other one.
        suite: prompts that both roll out; half of them fit the decoder.
        out: folder for states, tables and figures; finished states are kept.
        settings: fork, horizons and number of futures.
        captured: sites, of which the middle one is read; None takes three depths in the last denoising pass.
        published: folder of published pictures, which are laid out beside the first state's.

    Raises:
        UserError: a model is no causal generator, there are too few prompts, or the video has no room for the futures.
    """
    chosen = settings or FutureSettings()
    below = None if published is None else published_row(published)
    split = split_prompts([key.prompt_id for key in suite.keys()], chosen.probes.seed)
    samplers = [
        StreamingSampler(model_folder(one), suite, SamplingConfig(seed=chosen.seed)) for one in (baseline, method)
    ]
    for sampler in samplers:
        chosen.check(sampler.chunks)
    stores = open_stores((baseline, method), suite, out, chosen.seed, captured)
    requests = _requests(suite, split, chosen.states)
    rows: list[tuple[object, ...]] = []
    drawn: dict[str, StateFutures] = {}
    pictures: list[FuturePictures] = []
    for (arm, store), sampler in zip(stores.items(), samplers, strict=True):
        readouts = held_out_readouts(store, split, chosen)
        for number, state in enumerate(state_futures(sampler, requests, readouts, chosen)):
            drawn.setdefault(arm, state)
            if number < KEPT_STATES:
                pictures += pictures_of(arm, state, chosen.probes.horizons)
            rows += state_values(arm, state, chosen.probes.horizons)
    values = values_table(rows)
    tests = future_tests(values)
    _write_tables(out, values, tests, stores, chosen)
    _draw(out, values, drawn, chosen, below, suite.fps)
    write_pictures(out / PICTURES_FILE, pictures)
    return FuturesResult(values, tests, out)


def _requests(suite: Suite, split: PromptSplit, states: int | None) -> list[Request]:
    """The first video of each held-out prompt."""
    texts = suite.generation_texts()
    found = [Request(key, texts[key.prompt_id]) for key in suite.keys() if key.prompt_id in split.test]
    return [one for one in found if one.key.sample == 0][:states]


def _write_tables(
    out: Path,
    values: pd.DataFrame,
    tests: Sequence[FutureTest],
    stores: Mapping[str, FeatureStore],
    settings: FutureSettings,
) -> None:
    write_parquet(out / "futures_values.parquet", values)
    baseline, method = stores
    table, arms = future_table(tests), arm_table(arm_contrasts(values, baseline, method))
    write_text(out / "futures.csv", table.csv())
    write_csv(out / "reliability.csv", reliability_rows(values))
    site = next(iter(stores.values())).sites
    head = (
        f"# Futures\n\nStates at the end of chunk {settings.chunk}, read at {site[len(site) // 2].name}; "
        f"{settings.futures} futures of each, by noise seed.\n\n"
    )
    write_text(out / "futures.md", f"{head}{table.markdown()}\n## Arms against each other\n\n{arms.markdown()}")
    cards = {name: store.card.model_dump(mode="json") for name, store in stores.items()}
    write_json(
        out / "protocol.json", {"arms": cards, "settings": settings._asdict() | {"probes": settings.probes._asdict()}}
    )


def _draw(
    out: Path,
    values: pd.DataFrame,
    drawn: Mapping[str, StateFutures],
    settings: FutureSettings,
    below: FutureRow | None,
    fps: int,
) -> None:
    horizons, prompt = settings.probes.horizons, next(iter(drawn.values())).request.prompt
    rows = future_rows(drawn, horizons) + ([] if below is None else [below])
    save_figure(futures_figure(rows, settings.futures, prompt), out / "futures.png")
    save_figure(ranks_figure(values, reliability_rows(values)), out / "ranks.png")
    frames = moving_futures(drawn, horizons, prompt)
    write_video(out / "futures.mp4", frames, fps, crf=_CRF)
    write_gif(out / "futures.gif", frames, fps)
