"""What the official package fetches beside weights: code, and files of Hub models in the Hub's own cache."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from probekit.evaluation.vbench.weights import DINO, GRIT, WEIGHTS, WeightFile, torch_hub_folder


class HubModel(NamedTuple):
    """Files of a model on the Hugging Face Hub."""

    name: str
    files: tuple[str, ...]


DINO_CODE: Final = WeightFile(
    name="code of DINO",
    relative_path="dino_model/facebookresearch_dino_main/hubconf.py",
    url="https://github.com/facebookresearch/dino/archive/refs/heads/main.zip",
    size_bytes=None,
    sha256=None,
    member="dino-main/",  # the whole folder, as the official package clones it
)

CODE: Final[Mapping[str, tuple[WeightFile, ...]]] = MappingProxyType(
    {name: (DINO_CODE,) for name, files in WEIGHTS.items() if DINO in files}
)
"""Code that the official package fetches like weights."""

_BERT: Final = HubModel("bert-base-uncased", ("config.json", "tokenizer_config.json", "vocab.txt"))

HUB_MODELS: Final[Mapping[str, HubModel]] = MappingProxyType(
    {
        **{name: _BERT for name, files in WEIGHTS.items() if GRIT in files},
        "scene": HubModel(_BERT.name, (*_BERT.files, "model.safetensors")),
    }
)
"""What the official package takes from the Hub's own cache."""


def missing_code(dimension: str) -> tuple[WeightFile, ...]:
    """The code of a dimension that is neither in the official cache nor where torch.hub puts it."""
    in_hub = torch_hub_folder() / "facebookresearch_dino_main" / "hubconf.py"
    return tuple(file for file in CODE.get(dimension, ()) if not file.path.is_file() and not in_hub.is_file())


def missing_hub_files(dimension: str) -> tuple[str, ...]:
    """Files of Hub models that the Hub's cache lacks, as ``model/file``."""
    model = HUB_MODELS.get(dimension)
    if model is None:
        return ()
    from huggingface_hub import try_to_load_from_cache

    return tuple(
        f"{model.name}/{name}" for name in model.files if not isinstance(try_to_load_from_cache(model.name, name), str)
    )
