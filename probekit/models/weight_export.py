"""Writing transformers in the layouts that others read, with where they came from."""

from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.atomic_files import atomic_folder, atomic_path, write_json
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.saving import PROVENANCE, complete_model_folder
from probekit.models.transformer_folder import refuse_unfit_parts
from probekit.models.transformer_source import TransformerSource, sidecar
from probekit.models.weight_names import to_original
from probekit.provenance import command_line, git_state, package_versions, sha256_file


def export_diffusers(
    source: TransformerSource, out: Path, parts: Path | None = None, card: CausalCard | None = None
) -> None:
    """Write a folder whose `transformer/` opens in stock diffusers; dtypes are kept, bit for bit.

    Args:
        source: opened weights.
        out: model folder.
        parts: model folder whose text encoder, tokenizer and codec are copied, so that `out` can sample.
        card: role and chunk length; None takes the source's own.

    Raises:
        UserError: if the parts do not fit the transformer; nothing has been written then.
    """
    if parts is not None:
        refuse_unfit_parts(source.config, parts, str(source.path))
    with torch.device("meta"):
        model = WanTransformer3DModel(**source.config)
    model.load_state_dict(source.file.weights, assign=True)
    with atomic_folder(out / "transformer") as folder:  # other weights that are there must not stay beside these
        model.save_pretrained(folder)
    stated = card or source.card
    if parts is not None:
        complete_model_folder(out, parts, stated.shift if stated else 3.0)
    if stated is not None:
        write_causal_card(out, stated)
    write_json(out / PROVENANCE, provenance(source))


def export_self_forcing(source: TransformerSource, out: Path, card: CausalCard | None = None) -> None:
    """Write `{"generator": {"model.<original name>": tensor}}`, which Self-Forcing and its descendants load.

    Raises:
        UserError: if a parameter has no name in the original layout.
    """
    state: dict[str, Tensor] = {}
    for name, value in source.file.weights.items():
        original = to_original(name)
        if original is None:
            raise UserError(f"{name} has no name in the original Wan layout.", "Use --to diffusers.")
        state[f"model.{original}"] = value.contiguous().clone()
    with atomic_path(out) as temporary:
        torch.save({"generator": state}, temporary)
    stated = card or source.card
    if stated is not None:
        write_json(sidecar(out), stated.model_dump(mode="json"))
    write_json(out.with_name(f"{out.name}.{PROVENANCE}"), provenance(source))


def provenance(source: TransformerSource) -> dict[str, object]:
    """Which bytes an export was made from, by which command and code."""
    commit, dirty = git_state()
    return {
        "source": {path.name: sha256_file(path) for path in source.file.chosen.files},
        "layout": source.file.layout,
        "branch": source.file.branch,
        "command": command_line(),
        "commit": commit,
        "dirty": dirty,
        "packages": package_versions(("probekit", "torch", "diffusers", "safetensors")),
    }
