"""How a generator's states align with what an encoder sees in the chunks to come, by site and offset."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.feature_store import FeatureStore
from probekit.probing.probe_comparison import difference_over_prompts, estimate_fields, mean_over_prompts
from probekit.probing.probe_settings import CURRENT_LATENTS, TRAINED, UNTRAINED
from probekit.probing.similarity import (
    LEAST,
    Floats,
    cka_without_each,
    debiased_cka,
    gram,
    neighbours,
    shared_neighbours,
)
from probekit.probing.sites import Site
from probekit.statistics.difference_estimate import DifferenceEstimate

COLUMNS: Final = ("arm", "source", "site", "depth", "offset", "metric_id", "prompt_id", "value")
CKA: Final = "cka"
NEIGHBOURS: Final = "shared_neighbours"


class AlignmentSettings(NamedTuple):
    """What is compared.

    Attributes:
        offsets: chunks between a state and the features; 0 is the present.
        neighbours: nearest neighbours of each prompt.
        depth: relative depth of the encoder's block.
    """

    offsets: tuple[int, ...] = (0, 1, 2, 3)
    neighbours: int = 10
    depth: float = 0.5


class _Seen(NamedTuple):
    """One representation of the prompts' videos, chunk by chunk: Gram matrices, and who is near whom."""

    grams: list[Floats]
    near: list[NDArray[np.bool_]]


def first_videos(store: FeatureStore) -> NDArray[np.int64]:
    """Index of each prompt's first video: prompts are compared, and two videos of one share its text.

    Raises:
        UserError: there are too few prompts.
    """
    found: dict[str, int] = {}
    for index, key in enumerate(store.keys):
        found.setdefault(key.prompt_id, index)
    if len(found) <= LEAST:
        raise UserError(f"{store.folder} has {len(found)} prompts.", f"Capture {LEAST + 1} or more; better a hundred.")
    return np.array(list(found.values()))


def alignment_values(
    arm: str, store: FeatureStore, features: NDArray[np.floating], settings: AlignmentSettings
) -> pd.DataFrame:
    """Alignment of every captured site with the encoder, prompt by prompt; rows with the columns `COLUMNS`.

    A thing is a prompt; what represents it is its first video's whole chunk. Each chunk is compared with the one
    `offset` later, and the values of the chunks are averaged; all offsets see the same chunks. The values of CKA are
    the jackknife's pseudo-values, P·all - (P - 1)·(all without the prompt): their mean is the estimate with the
    jackknife's correction of bias, and their spread is its uncertainty.

    Args:
        arm: name in tables.
        store: captured states.
        features: features (P, L, tokens, E) of `encoder_features`, of the videos that `first_videos` names.
        settings: offsets, neighbours.

    Raises:
        UserError: an offset leaves no chunk, or there are not more prompts than neighbours.
    """
    rows = first_videos(store)
    prompts = [store.keys[row].prompt_id for row in rows]
    chunks = features.shape[1] // store.card.chunk_frames
    _check(settings, chunks, len(prompts))
    encoder = _seen(features.reshape(len(rows), chunks, -1), settings)
    compared = chunks - max(settings.offsets)
    found = []
    for source, site, states in _representations(store, rows):
        seen = _seen(states[:, :compared], settings)
        depth = None if site is None else round(site.block / store.card.blocks, 3)
        name = None if site is None else site.name
        for offset in settings.offsets:
            for metric, values in _aligned(seen, encoder, offset).items():
                found += [
                    (arm, source, name, depth, offset, metric, prompt, float(value))
                    for prompt, value in zip(prompts, values, strict=True)
                ]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _check(settings: AlignmentSettings, chunks: int, prompts: int) -> None:
    if not settings.offsets or min(settings.offsets) < 0 or max(settings.offsets) >= chunks:
        raise UserError(
            f"Offsets {list(settings.offsets)} do not fit videos of {chunks} chunks.", f"Use 0 to {chunks - 1}."
        )
    if not 0 < settings.neighbours < prompts:
        raise UserError(
            f"{settings.neighbours} neighbours of {prompts} prompts are not possible.", f"Use 1 to {prompts - 1}."
        )


def _representations(
    store: FeatureStore, rows: NDArray[np.int64]
) -> Iterator[tuple[str, Site | None, NDArray[np.floating]]]:
    """Source, site and what it says of each prompt's chunks, (P, N, D)."""
    for site in store.sites:
        for source in store.card.sources:
            states = store.states(site, source, rows)
            yield source, site, states.reshape(*states.shape[:2], -1)
    latents = store.latents(rows)
    cut = latents.reshape(*latents.shape[:2], -1, store.card.chunk_frames, *latents.shape[3:])
    yield CURRENT_LATENTS, None, np.moveaxis(cut, 2, 1).reshape(len(rows), cut.shape[2], -1)


def _seen(chunks: NDArray[np.floating], settings: AlignmentSettings) -> _Seen:
    """Gram matrices and neighbours of every chunk of (P, N, D)."""
    each = [chunks[:, index] for index in range(chunks.shape[1])]
    return _Seen([gram(part) for part in each], [neighbours(part, settings.neighbours) for part in each])


def _aligned(seen: _Seen, encoder: _Seen, offset: int) -> dict[str, Floats]:
    """By metric the value of each prompt, (P,), averaged over chunks."""
    pairs = [(index, index + offset) for index in range(len(seen.grams))]
    whole = np.mean([debiased_cka(seen.grams[i], encoder.grams[j]) for i, j in pairs])
    without = np.mean([cka_without_each(seen.grams[i], encoder.grams[j]) for i, j in pairs], axis=0)
    shared = np.mean([shared_neighbours(seen.near[i], encoder.near[j]) for i, j in pairs], axis=0)
    count = len(without)
    return {CKA: count * whole - (count - 1) * without, NEIGHBOURS: shared}


def compare_alignments(table: pd.DataFrame) -> pd.DataFrame:
    """Every alignment with its interval, and the paired differences between arms and against the controls.

    Differences are those of each two arms in the order of the table, of the trained network and the untrained one, and
    of the state and the latents of its own chunk. All come from one bootstrap over prompts.

    Args:
        table: rows of `alignment_values` of one or more arms.
    """
    filled = table.fillna({"site": "", "depth": _NO_DEPTH})
    keys = filled[list(_Key._fields)].drop_duplicates().astype(object).to_numpy().tolist()
    by_key = filled.set_index([*_Key._fields, "prompt_id"]).value.sort_index()
    values = {_Key(*key): by_key.loc[tuple(key)] for key in keys}
    found = pd.DataFrame([row for key in values for row in _contrasts(key, values)])
    return found.assign(depth=found.depth.where(found.depth != _NO_DEPTH))


_NO_DEPTH = -1.0


class _Key(NamedTuple):
    arm: str
    source: str
    site: str
    depth: float
    offset: int
    metric_id: str


def _contrasts(key: _Key, values: dict[_Key, pd.Series]) -> Iterator[dict[str, object]]:
    yield _row(key.source, key, mean_over_prompts(key.metric_id, values[key]))
    if key.source != TRAINED:
        return
    others = {
        UNTRAINED: key._replace(source=UNTRAINED),
        CURRENT_LATENTS: key._replace(source=CURRENT_LATENTS, site="", depth=_NO_DEPTH),
    }
    arms = list(dict.fromkeys(one.arm for one in values))
    others |= {arm: key._replace(arm=arm) for arm in arms[: arms.index(key.arm)]}
    for name, other in others.items():
        if other in values:
            yield _row(
                f"{key.source} - {name}", key, difference_over_prompts(key.metric_id, values[key], values[other])
            )


def _row(contrast: str, key: _Key, estimate: DifferenceEstimate) -> dict[str, object]:
    return {
        "arm": key.arm,
        "contrast": contrast,
        "site": key.site or None,
        "depth": key.depth,
        "offset_chunks": key.offset,
        "metric_id": key.metric_id,
        **estimate_fields(estimate, "value"),
    }
