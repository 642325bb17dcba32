"""How the states of one or more generators align with an encoder's features: tables, figures, what is kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from probekit.atomic_files import atomic_path, write_csv, write_json, write_parquet, write_text
from probekit.errors import UserError
from probekit.models.loading import hash_checkpoint
from probekit.models.model_folder import model_folder
from probekit.probing.alignment import (
    CKA,
    NEIGHBOURS,
    AlignmentSettings,
    alignment_values,
    compare_alignments,
    first_videos,
)
from probekit.probing.encoder_features import encoder_features
from probekit.probing.feature_store import FeatureStore
from probekit.probing.probe_settings import TRAINED
from probekit.reporting.alignment_table import alignment_table
from probekit.reporting.figures import save_figure
from probekit.reporting.site_maps import site_maps_figure
from probekit.user_files.inside import folder_names

_FEATURES: Final = "features"
_FACTS: Final = "facts"


class AlignmentResult(NamedTuple):
    """Values prompt by prompt, alignments and contrasts with intervals, and the folder that holds both."""

    values: pd.DataFrame
    contrasts: pd.DataFrame
    folder: Path


def align_stores(
    stores: Sequence[Path],
    encoder: str,
    out: Path,
    settings: AlignmentSettings | None = None,
    *,
    device: str = "cpu",
) -> AlignmentResult:
    """Compare the states of stores with what an encoder sees in the same videos; write tables and figures.

    The encoder's features are kept in `out`, so that another call with other offsets reads no video again.

    Args:
        stores: folders that `probekit capture` wrote, the baseline first; a model before and after training, for one.
        encoder: bidirectional model: shipped name, folder or Hub id.
        out: folder for features, tables and figures.
        settings: offsets, neighbours and the encoder's depth.
        device: device of the encoder.

    Raises:
        UserError: a folder is no store, the encoder does not fit its videos, or there are too few prompts.
    """
    chosen = settings or AlignmentSettings()
    arms = _arms(stores)
    places = folder_names([[arm] for arm in arms])
    tables = [
        alignment_values(
            arm, store, _features(store, model_folder(encoder), out / _FEATURES / place, chosen, device), chosen
        )
        for (arm, store), place in zip(arms.items(), places, strict=True)
    ]
    values = pd.concat(tables, ignore_index=True)
    contrasts = compare_alignments(values)
    _write(out, values, contrasts, arms, encoder, chosen)
    return AlignmentResult(values, contrasts, out)


def _arms(folders: Sequence[Path]) -> dict[str, FeatureStore]:
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError(f"The stores {', '.join(map(str, folders))} are not different ones.", "Name each once.")
    arms: dict[str, FeatureStore] = {}
    for folder in folders:
        store = FeatureStore(folder)
        name = store.card.generation.model or folder.name
        arms[name if name not in arms else f"{name} ({folder})"] = store
    return arms


def _features(
    store: FeatureStore, encoder: Path, place: Path, settings: AlignmentSettings, device: str
) -> NDArray[np.floating]:
    """The encoder's features of each prompt's first video, read again only if something is another."""
    rows = first_videos(store)
    keys = [store.keys[row] for row in rows]
    facts: dict[str, Any] = {
        "encoder": hash_checkpoint(encoder),
        "depth": settings.depth,
        "store": store.card.model_dump(mode="json"),
        "videos": [[key.suite, key.prompt_id, key.sample] for key in keys],
    }
    path = place.with_suffix(".safetensors")
    kept = _kept(path, facts)
    if kept is not None:
        return kept
    prompts = [store.texts[row] for row in rows]
    found = encoder_features(encoder, store.latents(rows), prompts, settings.depth, device=device)
    with atomic_path(path) as temporary:
        save_file({_FEATURES: found}, temporary, {_FACTS: json.dumps(facts)})
    return found


def _kept(path: Path, facts: Mapping[str, Any]) -> NDArray[np.floating] | None:
    """Features of an earlier call; None where there are none, or they are damaged or of something else."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "numpy") as file:
            same = (file.metadata() or {}).get(_FACTS) == json.dumps(facts)
            found: NDArray[np.floating] | None = file.get_tensor(_FEATURES) if same else None
    except (OSError, SafetensorError):
        return None
    return found


def _write(
    out: Path,
    values: pd.DataFrame,
    contrasts: pd.DataFrame,
    arms: Mapping[str, FeatureStore],
    encoder: str,
    settings: AlignmentSettings,
) -> None:
    write_parquet(out / "alignment_values.parquet", values)
    write_csv(out / "alignment.csv", contrasts)
    about = (
        f"# Alignment with {encoder}\n\nThe whole chunk of each prompt's first video, against the features of "
        f"{encoder} at relative depth {settings.depth:g}, in the same chunk or a later one. Debiased linear CKA; and "
        f"the share of {settings.neighbours} nearest neighbours (cosine) that both name.\n\n"
    )
    sections = [f"## {metric}\n\n{alignment_table(contrasts, metric).markdown()}" for metric in (CKA, NEIGHBOURS)]
    write_text(out / "alignment.md", about + "\n".join(sections))
    cards = {name: store.card.model_dump(mode="json") for name, store in arms.items()}
    write_json(out / "protocol.json", {"arms": cards, "encoder": encoder, "settings": settings._asdict()})
    for metric in (CKA, NEIGHBOURS):
        chosen = values[(values.source == TRAINED) & (values.metric_id == metric)]
        maps = site_maps_figure(chosen.rename(columns={"offset": "horizon"}), metric)
        save_figure(maps, out / f"{metric}.png")
