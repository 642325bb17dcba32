"""One recipe for the whole set of probing figures on two checkpoints: states, probes, alignment, patches, futures."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from probekit.atomic_files import write_json, write_text
from probekit.config import StrictModel, load_config
from probekit.errors import UserError
from probekit.models.loading import hash_checkpoint
from probekit.models.model_folder import model_folder
from probekit.probing.alignment import AlignmentSettings
from probekit.probing.capturing import CaptureSettings
from probekit.probing.feature_store import FeatureStore
from probekit.probing.future_experiment import FutureSettings
from probekit.probing.probe_settings import DecoderBudget, DecoderKind, ProbeSettings
from probekit.probing.sites import Site
from probekit.probing.targets import target_named
from probekit.reporting.probe_table import conclusion_table, probe_table
from probekit.rollout.sampling_config import SamplingConfig
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.user_files.json_files import json_holds
from probekit.workflows.align import align_stores
from probekit.workflows.capture import capture_settings, capture_states
from probekit.workflows.futures import compare_futures
from probekit.workflows.patch import patch_model
from probekit.workflows.planning import PlanningSettings, planning_gap
from probekit.workflows.probe import MAIN_METRIC, probe_arms, state_folders

PAGE: Final = "README.md"
_DONE: Final = "finished.json"
_LOG = logging.getLogger("probekit")

_Make = Callable[[Path], object]
_FUTURES: Final = ("futures.png", "ranks.png")

Count = Annotated[int, Field(ge=0)]


class ProbingStudy(StrictModel):
    """What a study asks of two checkpoints.

    Attributes:
        baseline: streaming model, folder or shipped name.
        method: the model to compare it with.
        suite: suite of prompts.
        prompts: number of prompts; None takes all.
        samples: videos of each prompt; None takes all.
        seed: seed of noise and splits.
        sites: names of sites; none takes three depths in the last denoising pass.
        targets: names of what is read.
        horizons: chunks ahead that are read; 0 is the present.
        decoder: decoder of pictures.
        steps: steps of each decoder at most.
        perceptual: whether SSIM and LPIPS are computed.
        encoder: bidirectional model that states are aligned with; None leaves alignment out.
        patch_target: target whose directions are patched at the first site of the committing pass; None leaves it out.
        patch_chunk: zero-based chunk that is patched.
        planning_episodes: episodes with an occlusion that both are shown; 0 leaves the planning gap out.
        future_prompts: prompts whose futures are rolled out or fit their decoder; 0 leaves futures out.
        futures: continuations of each state.
    """

    baseline: str
    method: str
    suite: str = "sprite-probes"
    prompts: Annotated[int, Field(ge=5)] | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    seed: Count = 0
    sites: tuple[str, ...] = ()
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("frame",)
    horizons: Annotated[tuple[Count, ...], Field(min_length=1)] = (0, 1, 2, 3)
    decoder: DecoderKind = "chunk"
    steps: Annotated[int, Field(ge=1)] = DecoderBudget().steps
    perceptual: bool = True
    encoder: str | None = None
    patch_target: str | None = None
    patch_chunk: Count = 2
    planning_episodes: Count = 0
    future_prompts: Count = 0
    futures: Annotated[int, Field(ge=2)] = 32


class _Part(NamedTuple):
    """A part of a study: its folder, heading, tables and pictures, and what makes them."""

    folder: str
    heading: str
    tables: tuple[str, ...]
    pictures: tuple[str, ...]
    make: "_Make"


def read_study(path: Path) -> ProbingStudy:
    """Read a study's YAML file.

    Raises:
        UserError: there is none, or a key or value does not fit.
    """
    study = load_config(path, ProbingStudy)
    for name in (*study.targets, *([study.patch_target] if study.patch_target else [])):
        target_named(name)
    sites = [Site.parse(name) for name in study.sites]
    if study.patch_target and not any(site.step is None for site in sites):
        raise UserError(f"{path}: patch_target needs a site of the committing pass.", "Add blocks.1@commit, for one.")
    return study


def run_study(study: ProbingStudy, out: Path) -> Path:
    """Make every part of a study and a page that shows them; finished parts are kept.

    Args:
        study: what is asked.
        out: folder for states, tables and figures.

    Returns:
        The page.

    Raises:
        UserError: as the parts do.
    """
    suite = load_suite(study.suite).reduced(study.prompts, study.samples)
    stores = _stores(study, suite, out)
    parts = list(_parts(study, suite, stores))
    facts = study.model_dump(mode="json") | {
        name: hash_checkpoint(model_folder(model)) for name, model in (("a", study.baseline), ("b", study.method))
    }
    for part in parts:
        folder = out / part.folder
        if json_holds(folder / _DONE, facts):
            _LOG.info("%s is there already", folder)
            continue
        part.make(folder)
        write_json(folder / _DONE, facts)
    page = out / PAGE
    write_text(page, _page(study, suite, out, parts))
    return page


def _stores(study: ProbingStudy, suite: Suite, out: Path) -> dict[str, Path]:
    """The states of both models, by model."""
    found = {}
    for model, name in zip((study.baseline, study.method), state_folders((study.baseline, study.method)), strict=True):
        settings = capture_settings(model, study.sites or None)
        config = SamplingConfig(seed=study.seed)
        found[model] = capture_states(model, suite, out / "states" / name, settings, config=config)
    return found


def _parts(study: ProbingStudy, suite: Suite, stores: Mapping[str, Path]) -> Iterator[_Part]:
    probes = _probe_settings(study)
    baseline, method = map(str, stores.values())
    for name in study.targets:
        make: _Make = partial(_probe, baseline, method, suite, probes, name)
        yield _Part(f"probes/{name}", f"Reading {name}", ("summary.md",), ("probes.png",), make)
    if study.encoder is not None:
        settings = AlignmentSettings(tuple(range(max(study.horizons) + 1)), min(10, len(suite.prompts) - 1))
        make = partial(align_stores, list(stores.values()), study.encoder, settings=settings)
        pictures = ("cka.png", "shared_neighbours.png")
        yield _Part("alignment", f"Alignment with {study.encoder}", ("alignment.md",), pictures, make)
    for model, store in stores.items() if study.patch_target is not None else ():
        heading = f"Patching {study.patch_target} in {store.name}"
        yield _Part(f"patches/{store.name}", heading, ("patch.md",), (), partial(_patch, study, model, store))
    if study.planning_episodes:
        yield _Part("planning", "The planning gap", ("planning_gap.md",), (), partial(_planning, study))
    if study.future_prompts and max(study.horizons):
        yield _Part("futures", "Futures of one state", ("futures.md",), _FUTURES, partial(_futures, study, probes))


def _probe_settings(study: ProbingStudy) -> ProbeSettings:
    budget = DecoderBudget(steps=study.steps)
    return ProbeSettings(study.horizons, study.decoder, budget, study.perceptual, study.seed)


def _patch(study: ProbingStudy, model: str, store: Path, out: Path) -> None:
    target = target_named(study.patch_target or "")
    patch_model(model, FeatureStore(store), out, target=target, chunk=study.patch_chunk, seed=study.seed)


def _planning(study: ProbingStudy, out: Path) -> None:
    settings = PlanningSettings(study.planning_episodes, study.seed)
    budget = _probe_settings(study).budget
    settings = settings._replace(probes=settings.probes._replace(budget=budget, seed=study.seed))
    planning_gap(study.baseline, study.method, out, settings, _denoising_sites(study))


def _futures(study: ProbingStudy, probes: ProbeSettings, out: Path) -> None:
    ahead = tuple(horizon for horizon in study.horizons if horizon)
    settings = FutureSettings(futures=study.futures, seed=study.seed, probes=probes._replace(horizons=ahead))
    suite = load_suite(study.suite).reduced(study.future_prompts, study.samples)
    compare_futures(study.baseline, study.method, suite, out, settings=settings, captured=_denoising_sites(study))


def _denoising_sites(study: ProbingStudy) -> CaptureSettings | None:
    """Sites of the study in denoising passes; None, for the usual ones, where it names none."""
    sites = tuple(site for site in map(Site.parse, study.sites) if site.step is not None)
    return CaptureSettings(sites) if sites else None


def _probe(baseline: str, method: str, suite: Suite, settings: ProbeSettings, name: str, out: Path) -> None:
    """Probe two stores and write beside the tables what a page shows: the arms, and what survives which control."""
    target = target_named(name)
    result = probe_arms(baseline, method, suite, out, seed=settings.seed, settings=settings, target=target)
    metric, contrasts = MAIN_METRIC[target.kind], result.contrasts
    arms = contrasts[contrasts.arm.isna() & ~contrasts.contrast.str.contains("prompts|gain")]
    write_text(
        out / "summary.md",
        f"{probe_table(arms, metric).markdown()}\n{conclusion_table(contrasts, metric).markdown()}",
    )


def _page(study: ProbingStudy, suite: Suite, out: Path, parts: list[_Part]) -> str:
    lines = [
        f"# What the states of {study.method} and {study.baseline} know of the future",
        f"{len(suite.prompts)} prompts of {suite.name}, {suite.samples} videos each, half of them held out. "
        f"Differences are {study.method} - {study.baseline}. docs/probing.md says what each part measures.",
    ]
    for part in parts:
        lines.append(f"## {part.heading}")
        for table in part.tables:
            text = (out / part.folder / table).read_text(encoding="utf-8")
            lines.append(re.sub(r"^#+ ", "### ", text, flags=re.MULTILINE))
        lines += [f"![{part.heading}]({part.folder}/{picture})" for picture in part.pictures]
    return "\n\n".join(lines) + "\n"
