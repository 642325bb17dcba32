"""The parts of a probing study: states, probes, alignment, patches, planning gaps, futures."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from probekit.atomic_files import write_text
from probekit.probing.alignment import AlignmentSettings
from probekit.probing.capturing import CaptureSettings
from probekit.probing.feature_store import FeatureStore
from probekit.probing.future_experiment import FutureSettings
from probekit.probing.probe_settings import DecoderBudget, DecoderKind, ProbeSettings
from probekit.probing.sites import Site
from probekit.probing.targets import target_named
from probekit.reporting.probe_table import conclusion_table, probe_table
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.world_sampler import WORLD_MODEL
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.workflows.align import align_stores
from probekit.workflows.capture import capture_settings, capture_states
from probekit.workflows.futures import compare_futures
from probekit.workflows.patch import patch_model
from probekit.workflows.planning import PlanningSettings, planning_gap
from probekit.workflows.probe import MAIN_METRIC, probe_arms, state_folders
from probekit.workflows.sample import sample_suite
from probekit.workflows.study_recipe import ProbingStudy

_FUTURES: Final = ("futures.png", "ranks.png")
_Make = Callable[[Path], object]


class StudyPart(NamedTuple):
    """A part of a study.

    Attributes:
        folder: its place in the study's.
        heading: its heading on the page.
        tables: Markdown files that the page shows.
        pictures: pictures that the page shows.
        uses: names of the study's fields that it depends on, besides the models and the states.
        make: writes it into a folder.
    """

    folder: str
    heading: str
    tables: tuple[str, ...]
    pictures: tuple[str, ...]
    uses: tuple[str, ...]
    make: _Make


def study_parts(study: ProbingStudy, suite: Suite, out: Path) -> list[StudyPart]:
    """All parts, once the states that they read are there.

    Args:
        study: what is asked.
        suite: its prompts.
        out: folder of the study, where states are captured and kept.

    Raises:
        UserError: as capturing does.
    """
    stores = _stores(study, suite, out / "states")
    return [*_parts(study, suite, stores), *_shared_parts(study, out)]


def _stores(study: ProbingStudy, suite: Suite, out: Path, videos: Path | None = None) -> dict[str, Path]:
    """The states of both models, by model."""
    found = {}
    for model, name in zip((study.baseline, study.method), state_folders((study.baseline, study.method)), strict=True):
        settings, config = capture_settings(model, study.sites or None), SamplingConfig(seed=study.seed)
        found[model] = capture_states(model, suite, out / name, settings, config=config, videos=videos)
    return found


def _parts(study: ProbingStudy, suite: Suite, stores: Mapping[str, Path]) -> Iterator[StudyPart]:
    yield from _probe_parts(study, suite, stores, "probes", "")
    if study.encoder is not None:
        settings = AlignmentSettings(tuple(range(max(study.horizons) + 1)), min(10, len(suite.prompts) - 1))
        make: _Make = partial(align_stores, list(stores.values()), study.encoder, settings=settings)
        heading, pictures = f"Alignment with {study.encoder}", ("cka.png", "shared_neighbours.png")
        yield StudyPart("alignment", heading, ("alignment.md",), pictures, ("encoder", "horizons"), make)
    for model, store in stores.items() if study.patch_target is not None else ():
        heading, uses = f"Patching {study.patch_target} in {store.name}", ("patch_target", "patch_chunk")
        yield StudyPart(f"patches/{store.name}", heading, ("patch.md",), (), uses, partial(_patch, study, model, store))
    for other in (False, True) if study.planning_episodes else ():
        folder = "planning-other-identity" if other else "planning"
        heading = "The planning gap" + (", with another identity in the caption" if other else "")
        make = partial(_planning, study, other_identity=other)
        yield StudyPart(folder, heading, ("planning_gap.md",), (), ("planning_episodes", "steps"), make)
    if study.future_prompts and max(study.horizons):
        asked = ("future_prompts", "futures", "horizons", "steps", "perceptual", "decoders")
        yield StudyPart("futures", "Futures of one state", ("futures.md",), _FUTURES, asked, partial(_futures, study))


def _probe_parts(
    study: ProbingStudy, suite: Suite, stores: Mapping[str, Path], folder: str, where: str
) -> Iterator[StudyPart]:
    """A part for each target, and for each decoder of a picture."""
    baseline, method = map(str, stores.values())
    uses = ("horizons", "steps", "perceptual", *(("shared", "shared_samples") if where else ()))
    for name in study.targets:
        for decoder in study.decoders if target_named(name).kind == "picture" else study.decoders[:1]:
            by = "" if decoder == study.decoders[0] else f"-{decoder}"
            heading = f"Reading {name}{f' with one decoder per {decoder}' if by else ''}{where}"
            make = partial(_probe, baseline, method, suite, _probe_settings(study, decoder), name)
            yield StudyPart(f"{folder}/{name}{by}", heading, ("summary.md",), ("probes.png",), uses, make)


def _shared_parts(study: ProbingStudy, out: Path) -> Iterator[StudyPart]:
    """Probes of states in which both models read the same videos, by the first decoder."""
    if study.shared is None:
        return
    suite = load_suite(study.suite).reduced(study.prompts, study.shared_samples)
    videos = Path(study.shared)
    if study.shared == WORLD_MODEL:
        videos = out / "videos"
        sample_suite(WORLD_MODEL, suite, videos, SamplingConfig(seed=study.seed))
    stores = _stores(study, suite, out / "shared" / "states", videos)
    once = study.model_copy(update={"decoders": study.decoders[:1]})
    yield from _probe_parts(once, suite, stores, "shared", f" in videos of {study.shared} that both read")


def _probe_settings(study: ProbingStudy, decoder: DecoderKind) -> ProbeSettings:
    budget = DecoderBudget(steps=study.steps)
    return ProbeSettings(study.horizons, decoder, budget, study.perceptual, study.seed)


def _patch(study: ProbingStudy, model: str, store: Path, out: Path) -> None:
    target = target_named(study.patch_target or "")
    patch_model(model, FeatureStore(store), out, target=target, chunk=study.patch_chunk, seed=study.seed)


def _planning(study: ProbingStudy, out: Path, *, other_identity: bool) -> None:
    settings = PlanningSettings(study.planning_episodes, study.seed, other_identity)
    budget = settings.probes.budget._replace(steps=study.steps)
    settings = settings._replace(probes=settings.probes._replace(budget=budget, seed=study.seed))
    planning_gap(study.baseline, study.method, out, settings, _last_pass_sites(study))


def _futures(study: ProbingStudy, out: Path) -> None:
    ahead = tuple(horizon for horizon in study.horizons if horizon)
    probes = _probe_settings(study, study.decoders[0])._replace(horizons=ahead)
    settings = FutureSettings(futures=study.futures, seed=study.seed, probes=probes)
    suite = load_suite(study.suite).reduced(study.future_prompts, study.samples)
    compare_futures(study.baseline, study.method, suite, out, settings=settings, captured=_last_pass_sites(study))


def _last_pass_sites(study: ProbingStudy) -> CaptureSettings | None:
    """The study's sites in its last denoising pass; None, for the usual ones, where it names none."""
    named = [(site.step, site) for site in map(Site.parse, study.sites) if site.step is not None]
    last = max((step for step, _ in named), default=None)
    return CaptureSettings(tuple(site for step, site in named if step == last)) if named else None


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
