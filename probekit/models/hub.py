"""Model folders by Hugging Face Hub id."""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from probekit.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_LONGEST_ID = 96
"""Of the Hub, which allows neither two dots nor two hyphens in a row."""
_PARTS = (
    "model_index.json",
    "causal.json",
    "transformer*/*",
    "vae/*",
    "text_encoder*/*",
    "tokenizer*/*",
    "scheduler/*",
)


def is_hub_id(model: str) -> bool:
    """Whether a name reads `owner/model` and its first part is no local folder, which a mistyped path would be."""
    if not _HUB_ID.fullmatch(model) or len(model) > _LONGEST_ID or ".." in model or "--" in model:
        return False
    return not Path(model.partition("/")[0]).exists()


def hub_folder(model: str) -> Path:
    """The local snapshot of a Hub model, downloaded if it is not cached; only safetensors and configurations.

    Raises:
        UserError: if it is neither cached nor to be had.
    """
    allowed = [pattern for part in _PARTS for pattern in ([part] if "*" not in part else _files_of(part))]
    try:
        return Path(snapshot_download(model, allow_patterns=allowed))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, HFValidationError) as error:
        raise UserError(
            f"{model} is not in the Hub cache and cannot be downloaded: {str(error).splitlines()[0]}",
            "Check the name and the connection, or give a local folder in diffusers layout.",
        ) from error


def _files_of(part: str) -> list[str]:
    return [f"{part}.{ending}" for ending in ("json", "safetensors", "model", "txt")]
