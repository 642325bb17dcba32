"""Probing one or two arms of a streaming generator: states, probes, controls, comparison, figures."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path, write_csv, write_json, write_parquet, write_text
from probekit.errors import UserError
from probekit.evaluation.reference.metrics import MSE
from probekit.models.model_folder import model_folder
from probekit.probing.capturing import CaptureSettings
from probekit.probing.feature_store import CARD_FILE, FeatureStore
from probekit.probing.futures import Futures, continue_state
from probekit.probing.head_fitting import keep_head
from probekit.probing.probe_comparison import compare_probes, contrast_table, seed_spread
from probekit.probing.probe_experiment import ArmData, Readout, probe_values
from probekit.probing.probe_settings import TRAINED, ProbeSettings
from probekit.probing.readout_judge import ACCURACY_ID, LPIPS_SIDE, SQUARED_ERROR_ID
from probekit.probing.splits import split_prompts
from probekit.probing.targets import FRAME, ProbeTarget, pixels_of
from probekit.reporting.figures import save_figure
from probekit.reporting.future_figures import FutureRow, future_row, futures_figure
from probekit.reporting.probe_figures import probe_errors_figure
from probekit.reporting.probe_table import conclusion_table, probe_table, spread_table
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.suite import Suite
from probekit.user_files.inside import folder_names
from probekit.user_files.json_files import json_holds
from probekit.workflows.capture import capture_settings, capture_states

MAIN_METRIC: Final = {"picture": MSE.metric_id, "vector": SQUARED_ERROR_ID, "class": ACCURACY_ID}
_FUTURE_CHUNK = 2
_SAME: Final = ("prompts", "sites", "reduction", "sources", "chunk_frames", "grid", "patch", "passes", "videos")


class ProbeResult(NamedTuple):
    """Values video by video, contrasts with intervals, and the folder that holds both."""

    values: pd.DataFrame
    contrasts: pd.DataFrame
    folder: Path


def probe_arms(
    baseline: str,
    method: str | None,
    suite: Suite,
    out: Path,
    *,
    seed: int = 0,
    settings: ProbeSettings | None = None,
    target: ProbeTarget = FRAME,
    captured: CaptureSettings | None = None,
    videos: Path | None = None,
) -> ProbeResult:
    """Probe one or two streaming students on a suite and write tables and figures.

    Args:
        baseline: model folder, shipped model, or a store that `probekit capture` wrote.
        method: the other one; None probes one alone.
        suite: prompts and samples that are rolled out.
        out: folder for states, tables and figures.
        seed: seed of the noise.
        settings: horizons, decoder and budget of the probes.
        target: what is read.
        captured: sites; None takes three depths in the last denoising pass.
        videos: run folder whose videos both arms read, in place of their own rollouts.

    Raises:
        UserError: if a model is no causal generator, the stores do not fit one another, or there are too few prompts.
    """
    chosen = settings or ProbeSettings()
    split_prompts([key.prompt_id for key in suite.keys()], chosen.seed)
    arms = (baseline,) if method is None else (baseline, method)
    stores = open_stores(arms, suite, out, seed, captured, videos)
    figure = None
    rolled_out = videos is None and not any((Path(name) / CARD_FILE).is_file() for name in arms)
    if target == FRAME and rolled_out and any(0 < horizon <= _FutureFigure.FARTHEST for horizon in chosen.horizons):
        figure = _FutureFigure(dict(zip(stores, arms, strict=True)), suite, seed, chosen)
    return probe_stores(stores, out, chosen, target, figure)


def open_stores(
    arms: Sequence[str],
    suite: Suite,
    out: Path,
    seed: int,
    captured: CaptureSettings | None,
    videos: Path | None = None,
) -> dict[str, FeatureStore]:
    """Stores of arms by name, the baseline's first, captured where they are not there; arguments as above.

    Raises:
        UserError: a model is no causal generator, or the stores do not fit one another.
    """
    stores: dict[str, FeatureStore] = {}
    for name, folder in zip(arms, state_folders(arms), strict=True):
        store = _store(name, suite, out / "states" / folder, seed, captured, videos)
        stores[_arm_name(store, stores)] = store
    first, *others = stores.values()
    for other in others:
        _check_alike(first, other)
    return stores


def state_folders(arms: Sequence[str]) -> list[str]:
    """A folder for the states of each model: its name, and its path too if both have one name, as exports do."""
    places = [(Path(arm) if (Path(arm) / CARD_FILE).is_file() else model_folder(arm)).resolve() for arm in arms]
    alike = len({place.name.casefold() for place in places}) < len(places)
    return folder_names([[place.name, str(place)] if alike else [place.name] for place in places])


def _store(
    name: str, suite: Suite, folder: Path, seed: int, captured: CaptureSettings | None, videos: Path | None
) -> FeatureStore:
    if (Path(name) / CARD_FILE).is_file():
        return FeatureStore(Path(name))
    settings = captured or capture_settings(name)
    return FeatureStore(capture_states(name, suite, folder, settings, config=SamplingConfig(seed=seed), videos=videos))


def _arm_name(store: FeatureStore, taken: Mapping[str, FeatureStore]) -> str:
    name = store.card.generation.model or store.folder.name
    return name if name not in taken else f"{name} ({store.folder.name})"


def _check_alike(one: FeatureStore, other: FeatureStore) -> None:
    for field in _SAME:
        ours, theirs = (store.card.model_dump()[field] for store in (one, other))
        if ours != theirs:
            raise UserError(
                f"{one.folder} and {other.folder} differ in {field}: {str(ours)[:60]} and {str(theirs)[:60]}.",
                "Capture both with the same suite, sites and reduction.",
            )
    if one.keys != other.keys:
        raise UserError(f"{one.folder} and {other.folder} hold other videos.", "Capture the same suite into both.")


def probe_stores(
    stores: Mapping[str, FeatureStore],
    out: Path,
    settings: ProbeSettings,
    target: ProbeTarget,
    figure: "_FutureFigure | None" = None,
) -> ProbeResult:
    """Probe one or two stores, the baseline's first, and write tables and figures; finished arms are kept."""
    out.mkdir(parents=True, exist_ok=True)
    places = [out / "values" / f"{name}.parquet" for name in folder_names([[arm] for arm in stores])]
    tables = [
        _arm_values(name, store, place, settings, target, figure)
        for (name, store), place in zip(stores.items(), places, strict=True)
    ]
    if target == FRAME:
        for store in stores.values():
            keep_head(store, settings, target)
    values = pd.concat(tables, ignore_index=True)
    contrasts = contrast_table(compare_probes(values, *stores))
    _write_tables(out, values, contrasts, stores, settings, target)
    save_figure(probe_errors_figure(values, MAIN_METRIC[target.kind]), out / "probes.png")
    if figure is not None:
        figure.draw(out / "futures.png")
    return ProbeResult(values, contrasts, out)


def _arm_values(
    arm: str,
    store: FeatureStore,
    place: Path,
    settings: ProbeSettings,
    target: ProbeTarget,
    figure: "_FutureFigure | None",
) -> pd.DataFrame:
    """Values of an arm; those of an earlier call are taken where states and settings are the same."""
    pictures = place.with_suffix(".npy")
    facts = {"card": store.card.model_dump(mode="json"), "videos": len(store.keys), "target": target.name}
    facts |= {"settings": json.loads(json.dumps(settings._asdict()))}
    record = place.with_suffix(".json")
    done = place.is_file() and json_holds(record, facts)
    if done and (figure is None or figure.recall(arm, pictures)):
        return pd.read_parquet(place)
    values = probe_values(arm, store, settings, target, None if figure is None else partial(figure.keeper, arm))
    write_parquet(place, values)
    if figure is not None:
        figure.remember(arm, pictures)
    write_json(record, facts)
    return values


class _FutureFigure:
    """One held-out prompt's futures, beside what each arm's middle probe reads in their common past."""

    FARTHEST = 3

    def __init__(self, models: Mapping[str, str], suite: Suite, seed: int, settings: ProbeSettings) -> None:
        self._models = models
        self._suite = suite
        self._seed = seed
        self._probe_seed = settings.budget.seeds[0]
        self._split = split_prompts([key.prompt_id for key in suite.keys()], settings.seed)
        drawn = [horizon for horizon in settings.horizons if 0 < horizon <= self.FARTHEST]
        self._horizons = tuple(sorted({min(drawn), max(drawn)}))
        self._readouts: dict[str, dict[int, NDArray[np.uint8]]] = {name: {} for name in models}

    def keeper(self, arm: str, data: ArmData) -> Callable[[Readout], None]:
        """Keeps the pictures that the arm's middle site gives in one chunk of one held-out video."""
        test = data.sides[2]
        video = next(index for index, prompt in enumerate(data.prompts) if prompt in self._split.test)
        row = int(np.flatnonzero((test.videos == video) & (test.chunks == _FUTURE_CHUNK))[0])
        middle = data.store.sites[len(data.store.sites) // 2]
        height, width = data.frames.shape[3:5]

        def keep(read: Readout) -> None:
            if (read.source, read.site, read.seed) == (
                TRAINED,
                middle,
                self._probe_seed,
            ) and read.horizon in self._horizons:
                self._readouts[arm][read.horizon] = pixels_of(read.values[row], height, width)

        return keep

    def remember(self, arm: str, path: Path) -> None:
        """Write an arm's pictures, (K, H, W, 3) uint8 for K horizons, so that a later call need not probe again."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, self._stacked(arm))

    def recall(self, arm: str, path: Path) -> bool:
        """Read an arm's pictures; whether they are there, whole and of these horizons."""
        try:
            pictures = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return False
        self._readouts[arm] = dict(zip(self._horizons, pictures, strict=False))
        return len(pictures) == len(self._horizons)

    def _stacked(self, arm: str) -> NDArray[np.uint8]:
        return np.stack([self._readouts[arm][horizon] for horizon in self._horizons])

    def draw(self, path: Path) -> None:
        """Roll the futures out and draw them."""
        key = next(key for key in self._suite.keys() if key.prompt_id in self._split.test)
        request = Request(key, self._suite.generation_texts()[key.prompt_id])
        futures = {name: self._futures(model, request) for name, model in self._models.items()}
        rows = [row for name, found in futures.items() for row in self._rows(name, found)]
        count = len(next(iter(futures.values())).continuations)
        save_figure(futures_figure(rows, count, request.prompt), path)

    def _rows(self, arm: str, found: Futures) -> Iterator[FutureRow]:
        for index, horizon in enumerate(found.horizons):
            label = f"{arm}\n+{horizon}"
            yield future_row(label, found.current, found.continuations[:, index], self._readouts[arm][horizon])

    def _futures(self, model: str, request: Request) -> Futures:
        sampler = StreamingSampler(model_folder(model), self._suite, SamplingConfig(seed=self._seed))
        return continue_state(sampler, request, _FUTURE_CHUNK, self._horizons, seed=self._seed)


def _write_tables(
    out: Path,
    values: pd.DataFrame,
    contrasts: pd.DataFrame,
    stores: Mapping[str, FeatureStore],
    settings: ProbeSettings,
    target: ProbeTarget,
) -> None:
    write_parquet(out / "probe_values.parquet", values)
    write_csv(out / "contrasts.csv", contrasts)
    spread = seed_spread(values)
    sections = [f"## What survives which control\n\n{conclusion_table(contrasts, MAIN_METRIC[target.kind]).markdown()}"]
    sections += [
        f"## {metric}\n\n{probe_table(contrasts, metric).markdown()}" for metric in dict.fromkeys(contrasts.metric_id)
    ]
    sections.append(f"## Spread over probe seeds\n\n{spread_table(spread).markdown()}")
    write_text(
        out / "probes.md", _about(next(iter(stores.values())), contrasts, settings, target) + "\n".join(sections)
    )
    cards = {name: store.card.model_dump(mode="json") for name, store in stores.items()}
    write_json(out / "protocol.json", {"arms": cards, "settings": settings._asdict(), "target": target.name})


def _about(store: FeatureStore, contrasts: pd.DataFrame, settings: ProbeSettings, target: ProbeTarget) -> str:
    budget, card = settings.budget, store.card
    return (
        f"# Probes of {target.name}\n\nStates: {', '.join(card.sites)} ({card.reduction}), {card.passes}. Target: "
        f"{target.name} of the last frame of the chunk {', '.join(map(str, settings.horizons))} chunks later. Decoder: "
        f"{settings.decoder}, width {budget.width}, at most {budget.steps} steps of {budget.batch} chunks, "
        f"learning rates {', '.join(f'{rate:g}' for rate in budget.learning_rates)} by validation, seeds "
        f"{', '.join(map(str, budget.seeds))}; controls get the first seed. "
        f"{contrasts.n_prompts.max()} held-out prompts. LPIPS: frames enlarged to "
        f"{LPIPS_SIDE}x{LPIPS_SIDE}, random backbone.\n\n"
    )
