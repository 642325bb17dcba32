"""A Wan transformer's weights from wherever people keep them."""

from pathlib import Path
from typing import Any, NamedTuple

from probekit.models.causal_card import CAUSAL_CARD, CausalCard, read_causal_card
from probekit.models.model_folder import where
from probekit.models.transformer_folder import transformer_arguments, transformer_folder
from probekit.models.weight_files import WeightFile, read_weight_file
from probekit.models.weight_fit import check_fit, inferred_config


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


def open_transformer(
    model: str, branch: str | None = None, heads: int | None = None, weights: str | None = None
) -> TransformerSource:
    """Open the transformer of a model in any layout.

    Args:
        model: shipped model, Hub id, folder in diffusers layout or its `transformer/`, folder in the original Wan
            layout, or a `.pt` or safetensors file of Self-Forcing, Causal-Forcing or Video-Mirai.
        branch: top-level key of a `.pt` file, e.g. generator_ema.
        heads: attention heads of a file without a configuration; None assumes heads of 128.
        weights: name of a file or index, in a folder with several sets; None is the one that diffusers opens.

    Raises:
        UserError: naming what is missing, left over or of a wrong shape.
    """
    return open_place(where(model), branch, heads, weights)


def open_place(
    place: Path, branch: str | None = None, heads: int | None = None, weights: str | None = None
) -> TransformerSource:
    """Open the transformer of a file or folder; otherwise as `open_transformer`."""
    path = transformer_folder(place) if place.is_dir() else place
    config = transformer_arguments(path) if path.is_dir() else None
    file = read_weight_file(path, branch, weights)
    source = str(path / file.chosen.name if path.is_dir() else path)
    resolved = inferred_config(file.weights, source, heads) if config is None else config
    check_fit(file.weights, resolved, source, file.unknown)
    return TransformerSource(path, resolved, file, _card(path))


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
