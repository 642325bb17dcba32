"""DCP's files without its pickles: metadata may name data classes alone, entries may be tensors alone.

`torch.distributed.checkpoint` reads its index with `pickle.load` and entries that are no tensors with
`torch.load(weights_only=False)`; both would run whatever a foreign file says.
"""

import io
import pickle
from typing import Any, Final

from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import ReadItem

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
        """
        path = self._get_metadata_path(kwargs.get("rank"))
        with self.fs.create_stream(path, "rb") as file:
            metadata: Metadata = _MetadataUnpickler(file).load()
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class TensorPlanner(DefaultLoadPlanner):
    """Loads tensors."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Refuse. Raises pickle.UnpicklingError."""
        raise pickle.UnpicklingError(f"{read_item.dest_index.fqn} is not a tensor")
