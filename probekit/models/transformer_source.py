"""A Wan transformer's weights from wherever people keep them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from probekit.errors import UserError
from probekit.models.causal_card import CAUSAL_CARD, CausalCard, read_causal_card
from probekit.models.hub import hub_folder, is_hub_id
from probekit.models.model_folder import where
from probekit.models.weight_files import WeightFile, read_weight_file
from probekit.models.weight_fit import check_fit, inferred_config, original_config

_NOT_ARGUMENTS = ("_class_name", "_diffusers_version", "_name_or_path")


class TransformerSource(NamedTuple):
    """Weights that fit a configuration exactly.

    Attributes:
        path: file or folder that holds the weights.
        config: constructor arguments of `WanTransformer3DModel`.
        file: the weights and how they were stored.
        card: role and chunk length, where the source states them.
    """

    path: Path
    config: dict[str, Any]
    file: WeightFile
    card: CausalCard | None


def open_transformer(model: str, branch: str | None = None, heads: int | None = None) -> TransformerSource:
    """Open the transformer of a model in any layout.

    Args:
        model: shipped model, Hub id, folder in diffusers layout or its `transformer/`, folder in the original Wan
            layout, or a `.pt` or safetensors file of Self-Forcing, Causal-Forcing or Video-Mirai.
        branch: top-level key of a `.pt` file, e.g. generator_ema.
        heads: attention heads of a file without a configuration; None assumes heads of 128.

    Raises:
        UserError: naming what is missing, left over or of a wrong shape.
    """
    path, config = _locate(model)
    file = read_weight_file(path, branch)
    resolved = inferred_config(file.weights, heads) if config is None else config
    check_fit(file.weights, resolved, str(path), file.unknown)
    return TransformerSource(path, resolved, file, _card(path))


def _locate(model: str) -> tuple[Path, dict[str, Any] | None]:
    """Where the weights are, and the configuration beside them."""
    path = where(model)
    if path is None:
        if not is_hub_id(model):
            raise UserError(f"There is no model {model!r}.", "Give a file, folder, Hub id or shipped model.")
        path = hub_folder(model)
    if path.is_file():
        return path, None
    folder = path / "transformer" if (path / "transformer").is_dir() else path
    config = folder / "config.json"
    if not config.is_file():
        return folder, None
    found: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    if "_class_name" not in found or "num_attention_heads" not in found:
        return folder, original_config(config)
    if found["_class_name"] != "WanTransformer3DModel":
        raise UserError(f"{folder} holds a {found['_class_name']}.", "Give a WanTransformer3DModel.")
    return folder, {key: value for key, value in found.items() if key not in _NOT_ARGUMENTS}


def _card(path: Path) -> CausalCard | None:
    """The role stated beside the weights: in the model folder, or beside a file."""
    for folder in (path, path.parent):
        if path.is_dir() and (folder / CAUSAL_CARD).is_file():
            return read_causal_card(folder)
    beside = sidecar(path)
    return read_causal_card(beside.parent, beside.name) if beside.is_file() else None


def sidecar(path: Path) -> Path:
    """The role card beside a weight file."""
    return path.with_name(f"{path.name}.{CAUSAL_CARD}")
