"""The planning gap of two arms: sprite episodes with an occlusion, shown to both, read during it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from probekit.atomic_files import write_csv, write_json, write_parquet, write_text
from probekit.errors import UserError
from probekit.models.model_folder import model_folder
from probekit.probing.capturing import CaptureSettings, capture
from probekit.probing.feature_store import FeatureStore
from probekit.probing.planning_episodes import PlanningEpisodes, chunk_ends
from probekit.probing.planning_experiment import planning_rows, planning_values
from probekit.probing.planning_facts import facts_under
from probekit.probing.planning_gap import PlanningGap, gap_table, planning_gaps
from probekit.probing.probe_settings import ProbeSettings
from probekit.reporting.planning_table import planning_table
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from probekit.suites.suite import Prompt, Suite
from probekit.workflows.capture import capture_settings
from probekit.workflows.probe import state_folders

SUITE_NAME = "sprite-occlusions"
_LENGTH = "sprite-5s"
HORIZONS: Final = (2, 3, 4)
"""Chunks ahead; a sprite needs two to come out from behind the pillar."""


class PlanningSettings(NamedTuple):
    """What the planning gap is asked for.

    Attributes:
        episodes: how many episodes both arms are shown.
        seed: seed of the episodes, of the noise and of the split of the prompts.
        other_identity: whether the captions state the identity of another sprite, so that who is behind the pillar can
            only be known from the frames.
        probes: horizons and budget of the decoders; the decoder is always one MLP on the whole chunk.
    """

    episodes: int = 200
    seed: int = 0
    other_identity: bool = False
    probes: ProbeSettings = ProbeSettings(HORIZONS, perceptual=False)


class PlanningResult(NamedTuple):
    """Values prompt by prompt, gaps with intervals, and the folder that holds both."""

    values: pd.DataFrame
    gaps: list[PlanningGap]
    folder: Path


def planning_gap(
    baseline: str,
    method: str,
    out: Path,
    settings: PlanningSettings | None = None,
    captured: CaptureSettings | None = None,
) -> PlanningResult:
    """Show episodes with an occlusion to two streaming generators, read their states during it, and write tables.

    Args:
        baseline: model folder or shipped model.
        method: the other one.
        out: folder for states and tables; finished states are kept.
        settings: episodes and probes.
        captured: sites; None takes three depths in the last denoising pass.

    Raises:
        UserError: a model is no causal generator, or there are too few episodes.
    """
    chosen = settings or PlanningSettings()
    stores: dict[str, FeatureStore] = {}
    models = baseline, method
    names = state_folders(models)
    if names[0] == names[1]:
        raise UserError(f"{baseline} and {method} are one model.", "Give two models.")
    bare = load_suite(_LENGTH)
    samplers = [StreamingSampler(model_folder(one), bare, SamplingConfig(seed=chosen.seed)) for one in models]
    ends = [chunk_ends(sampler).tolist() for sampler in samplers]
    if ends[0] != ends[1]:
        raise UserError(f"{baseline} and {method} have chunks of different lengths.", "Give two models of one length.")
    shown = PlanningEpisodes.of(chosen.episodes, chosen.seed, chunk_ends(samplers[0]), chosen.other_identity)
    rows = planning_rows(shown, chosen.probes.horizons, chosen.probes.seed)
    suite = bare._replace(name=SUITE_NAME, prompts=tuple(Prompt(*one) for one in shown.prompts), samples=1)
    for name, model, sampler in zip(names, models, samplers, strict=True):
        stores[name] = _captured(sampler, suite, shown, out / "states" / name, captured or capture_settings(model))
    facts = facts_under(chosen.other_identity)
    values = pd.concat(
        [planning_values(name, store, rows, chosen.probes, facts) for name, store in stores.items()], ignore_index=True
    )
    gaps = planning_gaps(values, names[0], names[1])
    _write(out, values, gaps, stores, chosen)
    return PlanningResult(values, gaps, out)


def _captured(
    sampler: StreamingSampler, suite: Suite, shown: PlanningEpisodes, folder: Path, settings: CaptureSettings
) -> FeatureStore:
    texts = suite.generation_texts()
    requests = [Request(key, texts[key.prompt_id]) for key in suite.keys()]
    videos = "episodes of the sprite world"
    capture(sampler, requests, folder, settings, suite.card(), given=shown.given(sampler), videos=videos)
    return FeatureStore(folder)


def _write(
    out: Path,
    values: pd.DataFrame,
    gaps: Sequence[PlanningGap],
    stores: Mapping[str, FeatureStore],
    settings: PlanningSettings,
) -> None:
    write_parquet(out / "planning_values.parquet", values)
    write_csv(out / "planning_gap.csv", gap_table(gaps))
    budget = settings.probes.budget
    captions = "of another sprite" if settings.other_identity else "their own"
    head = (
        f"# Planning gap\n\n{settings.episodes} episodes of one sprite that the pillar hides, shown to both models; "
        f"captions are {captions}. Decoders read states at whose end the sprite is hidden. They are asked for the "
        f"last frame of the chunk {', '.join(map(str, settings.probes.horizons))} chunks later, where it is in view. "
        f"One MLP on the whole chunk, width {budget.width}, seeds {', '.join(map(str, budget.seeds))}.\n\n"
    )
    write_text(out / "planning_gap.md", head + planning_table(gaps).markdown())
    cards = {name: store.card.model_dump(mode="json") for name, store in stores.items()}
    write_json(
        out / "protocol.json", {"arms": cards, "settings": settings._asdict() | {"probes": settings.probes._asdict()}}
    )
