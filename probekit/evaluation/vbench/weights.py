"""The weight files of VBench's dimensions: where they lie, where they come from, and whether they are the real ones.

Paths are those of the official package (`vbench/utils.py`, `init_submodules`, in its local mode), so that one cache
serves its command and this toolkit. CLIP's publisher puts the hash into the address, MUSIQ's its first digits into the
file name; the other sizes and hashes are those that people who downloaded the files recorded. A file that differs is
refused unless asked for, and scores always carry the hash of what was read.
"""

import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from probekit.atomic_files import write_json
from probekit.errors import UserError
from probekit.provenance import sha256_file
from probekit.suites.dimension_constants import VBENCH
from probekit.user_files.json_files import read_json

CACHE_VARIABLE: Final = "VBENCH_CACHE_DIR"
UNVERIFIED_VARIABLE: Final = "PROBEKIT_UNVERIFIED_WEIGHTS"
HASH_CACHE: Final = "probekit_sha256.json"
NO_WEIGHTS: Final = "noweights"

Root = Literal["vbench", "torch"]


@dataclass(frozen=True)
class WeightFile:
    """One published file.

    Attributes:
        name: name of the network.
        relative_path: below its root folder.
        url: where it is published.
        size_bytes: size in bytes of the published file; None where unknown.
        sha256: SHA-256 of the published file; None where unknown, and then any file of that name is taken.
        root: "vbench" is `weights_folder`, "torch" the folder of torch.hub's checkpoints.
        member: name inside the archive that `url` gives; None where it gives the file itself.
    """

    name: str
    relative_path: str
    url: str
    size_bytes: int | None
    sha256: str | None
    root: Root = "vbench"
    member: str | None = None

    @property
    def path(self) -> Path:
        """Where the official package looks for it."""
        folder = weights_folder() if self.root == "vbench" else torch_checkpoints_folder()
        return folder / self.relative_path


def weights_folder() -> Path:
    """The official package's cache: `$VBENCH_CACHE_DIR`, or `~/.cache/vbench`."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "vbench")


def torch_hub_folder() -> Path:
    """torch.hub's folder: below `$TORCH_HOME`, or `torch` in `$XDG_CACHE_HOME` or `~/.cache`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub"


def torch_checkpoints_folder() -> Path:
    """Where torch.hub keeps weights."""
    return torch_hub_folder() / "checkpoints"


_CLIP: Final = "https://openaipublic.azureedge.net/clip/models"
_VBENCH_HUB: Final = "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main"
_CLIP_B32_SHA256: Final = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14_SHA256: Final = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"

DINO: Final = WeightFile(
    name="DINO ViT-B/16",
    relative_path="dino_vitbase16_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
    size_bytes=343_242_485,
    sha256="bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
    root="torch",  # also in its local mode the official package loads what torch.hub has
)
CLIP_B32: Final = WeightFile(
    name="CLIP ViT-B/32",
    relative_path="clip_model/ViT-B-32.pt",
    url=f"{_CLIP}/{_CLIP_B32_SHA256}/ViT-B-32.pt",
    size_bytes=353_976_522,
    sha256=_CLIP_B32_SHA256,
)
CLIP_L14: Final = WeightFile(
    name="CLIP ViT-L/14",
    relative_path="clip_model/ViT-L-14.pt",
    url=f"{_CLIP}/{_CLIP_L14_SHA256}/ViT-L-14.pt",
    size_bytes=932_768_134,
    sha256=_CLIP_L14_SHA256,
)
AESTHETIC_HEAD: Final = WeightFile(
    name="LAION aesthetic predictor",
    relative_path="aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",
    url="https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/main/sa_0_4_vit_l_14_linear.pth",
    size_bytes=4_071,
    sha256="2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
)
MUSIQ: Final = WeightFile(
    name="MUSIQ (SPAQ)",
    relative_path="pyiqa_model/musiq_spaq_ckpt-358bb6af.pth",
    url="https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/musiq_spaq_ckpt-358bb6af.pth",
    size_bytes=108_610_983,
    sha256="358bb6af275e28ea56821d44fb55c6cb83645db11f394d3ad65b2d149965ab50",
)
AMT_S: Final = WeightFile(
    name="AMT-S",
    relative_path="amt_model/amt-s.pth",
    url="https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth",
    size_bytes=12_038_359,
    sha256="07e7e03405c213fe4405678db9b42d05671e48c56faf6a441b99bb0047d3cf77",
)
RAFT_THINGS: Final = WeightFile(
    name="RAFT (things)",
    relative_path="raft_model/models/raft-things.pth",
    url="https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip",
    size_bytes=21_108_000,
    sha256="fcfa4125d6418f4de95d84aec20a3c5f4e205101715a79f193243c186ac9a7e1",
    member="models/raft-things.pth",
)
VICLIP: Final = WeightFile(
    name="ViCLIP-L/14",
    relative_path="ViCLIP/ViClip-InternVid-10M-FLT.pth",
    url=f"{_VBENCH_HUB}/ViClip-InternVid-10M-FLT.pth",
    size_bytes=1_710_545_812,
    sha256="7a4d6ad6eac6632db3693f4b97f9f8f6445b65b1e139a6fc6686150522238c56",
)
VICLIP_VOCABULARY: Final = WeightFile(
    name="CLIP vocabulary",
    relative_path="ViCLIP/bpe_simple_vocab_16e6.txt.gz",
    url="https://raw.githubusercontent.com/openai/CLIP/main/clip/bpe_simple_vocab_16e6.txt.gz",
    size_bytes=1_356_917,
    sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
)
UMT: Final = WeightFile(
    name="UMT-L/16 (Kinetics-400)",
    relative_path="umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth",
    url=f"{_VBENCH_HUB}/l16_ptk710_ftk710_ftk400_f16_res224.pth",
    size_bytes=607_024_201,
    sha256="bfee78a03bf806fbc0c216309e8f92792011b7db6556fa860e9d869c1e69fecd",
)
GRIT: Final = WeightFile(
    name="GRiT-B",
    relative_path="grit_model/grit_b_densecap_objectdet.pth",
    url=f"{_VBENCH_HUB}/grit_b_densecap_objectdet.pth",
    size_bytes=417_381_733,
    sha256="53b6e9b3fd948eac55b574c9b6f94ad0743dff46ba449df7ac2d33009ee92ef1",
)
TAG2TEXT: Final = WeightFile(
    name="Tag2Text Swin-B",
    relative_path="caption_model/tag2text_swin_14m.pth",
    url="https://huggingface.co/spaces/xinyu1205/recognize-anything/resolve/main/tag2text_swin_14m.pth",
    size_bytes=4_478_705_095,
    sha256="4ce96f0ce98f940a6680d567f66a38ccc9ca8c4e638e5f5c5c2e881a0e3502ac",
)

_FILES: Final = {
    file.name: file
    for file in (
        DINO, CLIP_B32, CLIP_L14, AESTHETIC_HEAD, MUSIQ, AMT_S,
        RAFT_THINGS, VICLIP, VICLIP_VOCABULARY, UMT, GRIT, TAG2TEXT,
    )
}  # fmt: skip

WEIGHTS: Final[Mapping[str, tuple[WeightFile, ...]]] = MappingProxyType(
    {name: tuple(_FILES[file] for file in row.weights) for name, row in VBENCH.items()}
)
"""The files of each dimension, as its row of `VBENCH` names them."""


def weight_files(dimension: str) -> tuple[WeightFile, ...]:
    """The files of a dimension. Raises UserError where VBench has no such dimension."""
    if dimension not in WEIGHTS:
        raise UserError(f"VBench has no dimension {dimension!r}.", f"Choose from {', '.join(WEIGHTS)}.")
    return WEIGHTS[dimension]


def missing(dimension: str) -> tuple[WeightFile, ...]:
    """The files of a dimension that are not there. Raises UserError where VBench has no such dimension."""
    return tuple(file for file in weight_files(dimension) if not file.path.is_file())


def weight_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; read again only when its size or time of change differ from the last reading.

    The readings are kept in `HASH_CACHE` of `weights_folder`, where that can be written.

    Raises:
        UserError: if there is no such file.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UserError(f"There is no weight file {path}.", "Fetch it: probekit vbench fetch.") from error
    return _hash(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.cache
def _hash(path: Path, size: int, modified_ns: int) -> str:
    store, identity = weights_folder() / HASH_CACHE, [size, modified_ns]
    known = _known_hashes(store)
    reading = known.get(str(path))
    if isinstance(reading, dict) and reading.get("identity") == identity:
        return str(reading["sha256"])
    sha256 = sha256_file(path)
    try:
        write_json(store, {**known, str(path): {"identity": identity, "sha256": sha256}})
    except UserError:  # a cache that cannot be written costs the time of reading again, nothing else
        pass
    return sha256


def _known_hashes(store: Path) -> dict[str, Any]:
    try:
        known = read_json(store, fix="Delete it.")
    except UserError:
        return {}
    return known if isinstance(known, dict) else {}


def difference(file: WeightFile) -> str | None:
    """What tells a file that is there from the published one, by size and hash where they are known; None if nothing.

    Raises:
        UserError: if it is not there.
    """
    if file.path.is_file() and file.size_bytes is not None and file.path.stat().st_size != file.size_bytes:
        return f"{file.path} has {file.path.stat().st_size} bytes, the published {file.name} has {file.size_bytes}"
    sha256 = weight_hash(file.path)
    if file.sha256 is not None and sha256 != file.sha256:
        return f"{file.path} has SHA-256 {sha256}, the published {file.name} has {file.sha256}"
    return None


def weight_path(file: WeightFile, *, unverified: bool | None = None) -> Path:
    """The path of a file that is there and is, as far as known, the published one.

    Args:
        file: name of the file.
        unverified: whether to take another file of that name; scores carry the hash of what was read in any case. None
            asks the environment: `$PROBEKIT_UNVERIFIED_WEIGHTS` is 1.

    Raises:
        UserError: if it is not there, or another file and not `unverified`.
    """
    if not file.path.is_file():
        raise UserError(
            f"There is no {file.path}, the weights of {file.name}.",
            f"Fetch them: probekit vbench fetch; they are published at {file.url}.",
        )
    trusted = os.environ.get(UNVERIFIED_VARIABLE) == "1" if unverified is None else unverified
    different = None if trusted else difference(file)
    if different is not None:
        raise UserError(f"{different}.", f"Fetch it again, or set {UNVERIFIED_VARIABLE}=1 to score with this one.")
    return file.path


def weights_id(files: Iterable[WeightFile]) -> str:
    """First 12 digits of the hash of each file joined by "-", for scorer ids; "noweights" where there are none.

    Raises:
        UserError: if a file is not there.
    """
    return "-".join(weight_hash(file.path)[:12] for file in files) or NO_WEIGHTS
