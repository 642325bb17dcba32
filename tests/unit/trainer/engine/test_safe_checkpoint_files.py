"""Reading a checkpoint's index and entries: data classes and tensors alone, inside the folder."""

import collections
import io
import os
import pathlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, StorageMeta
from torch.distributed.checkpoint.planner import LoadItemType, ReadItem
from torch.distributed.checkpoint.state_dict_saver import save

from probekit.errors import UserError
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of one tensor."""
    save({"weight": torch.arange(3.0)}, storage_writer=FileSystemWriter(tmp_path / "checkpoint"), no_dist=True)
    return tmp_path / "checkpoint"


def rewritten(folder: Path, change: Any) -> SafeReader:
    """A reader of the checkpoint after a change of its index."""
    path = folder / ".metadata"
    path.write_bytes(pickle.dumps(change(pickle.loads(path.read_bytes()))))
    return SafeReader(folder)


def test_an_index_of_dcp_is_read(folder: Path) -> None:
    metadata = SafeReader(folder).read_metadata()
    assert metadata.state_dict_metadata["weight"].size == torch.Size([3])
    assert isinstance(metadata.storage_meta, StorageMeta)


def test_the_index_knows_the_reader_that_loads_it(folder: Path) -> None:
    """DCP compares the number of the load; an index without storage facts gets them."""

    def without(metadata: Metadata) -> Metadata:
        metadata.storage_meta = None
        return metadata

    for reader in (SafeReader(folder), rewritten(folder, without)):
        reader.reset()
        meta = reader.read_metadata().storage_meta
        assert meta is not None
        assert meta.load_id == reader.load_id


def kept(value: Any) -> Any:
    """An index that carries one more value."""

    def change(metadata: Metadata) -> Metadata:
        metadata.planner_data = value
        return metadata

    return change


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1), collections.defaultdict(None, a=1), pathlib.PurePosixPath("a"), Path("a"),
        torch.Size([2]), torch.device("cpu"), torch.strided, torch.float32, torch.float64, torch.float16,
        torch.bfloat16, torch.int64, torch.uint8, torch.bool, MetadataIndex("a"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_an_index_may_hold_is_opened(folder: Path, value: Any) -> None:
    assert rewritten(folder, kept(value)).read_metadata().planner_data == value


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (os.system, "posix.system"),
        (eval, "builtins.eval"),
        (torch.load, "torch.serialization.load"),
        (torch.nn.Linear, "torch.nn.modules.linear.Linear"),
        (torch.complex64, "torch.complex64"),
        (collections.Counter, "collections.Counter"),
        (pathlib.PureWindowsPath, "PureWindowsPath"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_any_other_class_or_function_is_refused_by_name(folder: Path, value: Any, name: str) -> None:
    reader = rewritten(folder, kept(value))
    with pytest.raises(pickle.UnpicklingError, match=rf"does not need .*{name}"):
        reader.read_metadata()


@pytest.mark.parametrize("content", [[], {"a": 1}, "text"])
def test_an_index_that_is_another_object_is_refused(folder: Path, content: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match="damaged"):
        rewritten(folder, lambda _: content).read_metadata()


def test_an_index_whose_files_have_no_names_is_refused(folder: Path) -> None:
    def nameless(metadata: Metadata) -> Metadata:
        for stored in metadata.storage_data.values():
            stored.relative_path = 7
        return metadata

    with pytest.raises(pickle.UnpicklingError, match="no index of a checkpoint"):
        rewritten(folder, nameless).read_metadata()


def test_every_cut_of_an_index_is_refused_as_a_damaged_one(folder: Path) -> None:
    path = folder / ".metadata"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises((pickle.UnpicklingError, EOFError, UnicodeDecodeError, ValueError)):
            SafeReader(folder).read_metadata()


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    def outside(metadata: Metadata) -> Metadata:
        for stored in metadata.storage_data.values():
            stored.relative_path = "../other.distcp"
        return metadata

    with pytest.raises(UserError, match="other"):
        rewritten(folder, outside).read_metadata()


def test_an_entry_that_is_no_tensor_is_refused() -> None:
    index = MetadataIndex("rng")
    item = ReadItem(LoadItemType.BYTE_IO, index, torch.Size([0]), index, torch.Size([0]), torch.Size([1]))
    with pytest.raises(pickle.UnpicklingError, match="rng is not a tensor"):
        TensorPlanner().load_bytes(item, io.BytesIO(b""))
