"""DCP's files without its pickles: metadata may name data classes alone, entries may be tensors alone.

`torch.distributed.checkpoint` reads its index with `pickle.load` and entries that are no tensors with
`torch.load(weights_only=False)`; both would run whatever a foreign file says.
"""

import io
import pickle
from pathlib import Path
from typing import Any, Final

from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import ReadItem

from probekit.user_files.inside import inside

_ALLOWED: Final = {
    "collections": {"OrderedDict", "defaultdict"},
    "pathlib": {"PosixPath", "PurePosixPath", "Path"},
    "pathlib._local": {"PosixPath", "PurePosixPath", "Path"},
    "torch": {"Size", "device", "strided"},
    "torch.serialization": {"_get_layout"},
}
_ALLOWED_PACKAGE: Final = "torch.distributed.checkpoint."


class _MetadataUnpickler(pickle.Unpickler):
    """Opens the data classes of DCP's index."""

    def find_class(self, module: str, name: str) -> Any:
        """A class that an index may hold.

        Raises:
            pickle.UnpicklingError: for any other.
        """
        is_type = module == "torch" and name in ("float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool")
        if not (is_type or name in _ALLOWED.get(module, ()) or module.startswith(_ALLOWED_PACKAGE)):
            raise pickle.UnpicklingError(f"a checkpoint's index does not need {module}.{name}")
        return super().find_class(module, name)


class SafeReader(FileSystemReader):
    """Reads a checkpoint folder."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The index of a checkpoint.

        Raises:
            pickle.UnpicklingError: if it holds anything else.
            UserError: if it names a file outside the folder.
        """
        path = self._get_metadata_path(kwargs.get("rank"))
        with self.fs.create_stream(path, "rb") as file:
            metadata = _index(file)
        for stored in metadata.storage_data.values():
            inside(Path(self.path), stored.relative_path, str(path))
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


def _index(file: Any) -> Metadata:
    """The metadata in a file. Raises pickle.UnpicklingError where it is damaged, however that shows."""
    try:
        metadata = _MetadataUnpickler(file).load()
        stored = [entry.relative_path for entry in metadata.storage_data.values()]
    except (AttributeError, ImportError, IndexError, KeyError, MemoryError, OverflowError, TypeError) as error:
        raise pickle.UnpicklingError(f"its index is damaged ({type(error).__name__})") from error
    if not isinstance(metadata, Metadata) or not all(isinstance(name, str) for name in stored):
        raise pickle.UnpicklingError("its index is no index of a checkpoint")
    return metadata


class TensorPlanner(DefaultLoadPlanner):
    """Loads tensors."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Refuse. Raises pickle.UnpicklingError."""
        raise pickle.UnpicklingError(f"{read_item.dest_index.fqn} is not a tensor")
