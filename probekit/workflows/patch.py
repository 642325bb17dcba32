"""Patching a generator's states between two futures: directions from a store, effects with intervals, a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from probekit.atomic_files import write_csv, write_json, write_parquet, write_text
from probekit.errors import UserError
from probekit.models.model_folder import model_folder
from probekit.probing.decoded_directions import DecodedDirections, decoded_directions
from probekit.probing.feature_store import FeatureStore
from probekit.probing.patching import ABLATED, DECODED, RANDOM, check_patch, edits_of, patch_videos
from probekit.probing.probe_comparison import difference_over_prompts, estimate_fields, mean_over_prompts
from probekit.probing.sites import Site
from probekit.probing.splits import PromptSplit, ahead, side_of, split_prompts
from probekit.probing.targets import ProbeTarget, TargetInput
from probekit.reporting.patch_table import patch_table
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.suites.registry import load_suite

ANSWERS: Final = ("transfer", "size")
NEXT: Final = 1
"""Chunks between the state that is patched and the target that its directions read."""


class PatchResult(NamedTuple):
    """Values video by video, effects with intervals, and the folder that holds both."""

    values: pd.DataFrame
    effects: pd.DataFrame
    folder: Path


def patch_model(
    model: str,
    store: FeatureStore,
    out: Path,
    *,
    target: ProbeTarget,
    chunk: int,
    site: Site | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> PatchResult:
    """Overwrite what a linear readout finds in one chunk's state, and measure what the next chunk makes of it.

    The directions are fitted on the training prompts of the store's split, for the target one chunk ahead; the first
    videos of the held-out prompts are patched.

    Args:
        model: causal generator that the store was captured from.
        store: states in the committing pass.
        out: folder for tables.
        target: what the directions say.
        chunk: zero-based number of the chunk that is patched.
        site: site in the committing pass; None takes the store's first such one.
        seed: seed of noise, split and random directions.
        device: device of the networks.

    Raises:
        UserError: the store has other weights or no such site, the site cannot be patched, or prompts are too few.
    """
    chosen = _site(store, site)
    split = split_prompts([key.prompt_id for key in store.keys], seed)
    suite = load_suite(store.card.prompts.suite)
    sampler = StreamingSampler(model_folder(model), suite, SamplingConfig(seed=seed, device=device))
    _check_weights(sampler, store)
    check_patch(sampler.model, chosen, chunk, sampler.chunks)
    directions = _directions(store, chosen, target, split)
    first = {key.prompt_id: Request(key, text) for key, text in reversed([*zip(store.keys, store.texts, strict=True)])}
    requests = [request for prompt, request in sorted(first.items()) if prompt in split.test]
    edits = edits_of(directions, seed)
    values = patch_videos(sampler, requests, chosen, chunk, edits, arm=sampler.parts.name, seed=seed)
    effects = pd.DataFrame([row for answer in ANSWERS for row in _effects(values, answer)])
    _write(out, values, effects, directions, target)
    return PatchResult(values, effects, out)


def _site(store: FeatureStore, site: Site | None) -> Site:
    there = [one for one in store.sites if one.step is None]
    if not there:
        raise UserError(
            f"{store.folder} has no states of the committing pass.", "Capture with --site blocks.1@commit, for one."
        )
    return site or there[0]


def _check_weights(sampler: StreamingSampler, store: FeatureStore) -> None:
    made_with = store.card.generation.checkpoint_hash
    if sampler.parts.checkpoint_hash != made_with:
        raise UserError(
            f"{store.folder} was captured from other weights than {sampler.parts.name}'s.",
            "Give the model that it was captured from, or capture again.",
        )


def _directions(store: FeatureStore, site: Site, target: ProbeTarget, split: PromptSplit) -> DecodedDirections:
    """Directions of the flattened chunk that read the target one chunk ahead, of training and validation prompts."""
    frames = store.frames()
    side = side_of([key.prompt_id for key in store.keys], split.train | split.validation, frames.shape[1])
    values = target.values(TargetInput(frames[:, :, -1], store.latents(), store.card.chunk_frames, frames, store.texts))
    states = store.states(site)[side.videos, side.chunks]
    return decoded_directions(states.reshape(len(states), -1), ahead(values, side, NEXT))


def _effects(values: pd.DataFrame, answer: str) -> Iterator[dict[str, object]]:
    """Mean answer to every edit, and what the decoded directions do beyond random ones."""
    of_edit = {name: group.groupby("prompt_id")[answer].mean() for name, group in values.groupby("edit", sort=False)}
    for name, series in of_edit.items():
        yield _row(str(name), answer, mean_over_prompts(answer, series))
    for name in (DECODED, ABLATED):
        yield _row(f"{name} - {RANDOM}", answer, difference_over_prompts(answer, of_edit[name], of_edit[RANDOM]))


def _row(edit: str, answer: str, estimate: DifferenceEstimate) -> dict[str, object]:
    return {"edit": edit, "answer": answer, **estimate_fields(estimate, "difference")}


def _write(
    out: Path, values: pd.DataFrame, effects: pd.DataFrame, directions: DecodedDirections, target: ProbeTarget
) -> None:
    write_parquet(out / "patch_values.parquet", values)
    write_csv(out / "patch.csv", effects)
    about = (
        f"# Patching {target.name}\n\n{directions.basis.shape[1]} directions of a state of {len(directions.mean):,} "
        f"numbers; a linear readout along them explains {directions.explained:.0%} of the target one chunk ahead in "
        "states that are left out. Transfer: part of the way from the own next chunk to the other future's. Size: "
        "length of the change, as a share of that way.\n\n"
    )
    write_text(out / "patch.md", about + patch_table(effects).markdown())
    write_json(out / "directions.json", {"explained": directions.explained, "penalty": directions.penalty})
