"""Which files of a folder hold a model's weights: each set of them once, and the one that is read. Torch-free.

A set is a file, or shards with or without their index. Trainers leave several in one folder: an average beside the
model, half precision beside full. The set that diffusers' `from_pretrained` opens is read; where diffusers would open
none, a set must be alone or named.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.provenance import sha256_of_settled
from probekit.user_files.json_files import read_json_object

_WEIGHTS: Final = (".safetensors", ".sft", ".bin", ".pt", ".pth", ".ckpt", ".gguf")
_INDEX: Final = ".index.json"
_SHARD: Final = re.compile(r"(.+)-\d{5}-of-\d{5}(.*)\.\w+")
_NOT_WEIGHTS: Final = re.compile(
    r"((optimizer|scheduler|training_args|random_states|rng_state|scaler|sampler)\b|models_(t5|clip)_|Wan2\.\d_VAE).*"
)
"""What stands beside a transformer under the same endings: training state, Wan's text encoder, its codec."""
_FIX: Final = "Copy or download the folder again, completely."


class WeightSet(NamedTuple):
    """Files that together hold the weights of one model.

    Attributes:
        name: name of the file or of the index; of shards without an index, what their names share.
        files: paths, in the order of their names; empty for shards that only a damaged index could name.
        index_file: path of the index; None without one.
        unread: names of the other sets of the folder.
    """

    name: str
    files: tuple[Path, ...]
    index_file: Path | None = None
    unread: tuple[str, ...] = ()


def chosen_set(folder: Path, name: str | None = None, stem: str = "diffusion_pytorch_model") -> WeightSet:
    """The set of a folder that is read: the named one, the one that diffusers opens, or the only one.

    Args:
        folder: folder of one model, e.g. `transformer/`.
        name: name of a file or an index in it.
        stem: beginning of the standard names; transformers use `model`.

    Raises:
        UserError: if there is no set, several and none is standard, or shards are missing; lists the sets.
    """
    sets = {found.name: found for found in weight_sets(folder)}
    if not sets:
        raise UserError(f"{folder} holds no weights: no safetensors and no file of torch.save.", _FIX)
    chosen = _named(folder, sets, name) if name else _standard(folder, sets, stem)
    _check_shards(folder, chosen)
    return chosen._replace(unread=tuple(other for other in sets if other != chosen.name))


def weight_sets(folder: Path) -> list[WeightSet]:
    """Every set in a folder, in the order of their names."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    indices = [name for name in names if name.endswith(_INDEX)]
    files = [name for name in names if name.endswith(_WEIGHTS) and not _NOT_WEIGHTS.fullmatch(name)]
    indexed = {name: _shards_of(folder / name) for name in indices}
    owned = {shard for shards in indexed.values() for shard in shards}
    sets = [WeightSet(name, _paths(folder, shards), folder / name) for name, shards in indexed.items()]
    without: dict[str, list[str]] = {}
    for name in files:
        if name not in owned:
            shard = _SHARD.fullmatch(name)
            without.setdefault(f"{shard[1]}-*{shard[2]}{Path(name).suffix}" if shard else name, []).append(name)
    sets += [WeightSet(name, _paths(folder, shards)) for name, shards in without.items()]
    return sorted(sets, key=lambda found: found.name)


def hash_set(chosen: WeightSet) -> str:
    """SHA-256 over the hashes of a set's files, in the order of their names."""
    digest = hashlib.sha256()
    for path in chosen.files:
        digest.update(bytes.fromhex(sha256_of_settled(path)))
    return digest.hexdigest()


def weight_map(index: Path) -> dict[str, str]:
    """The shard of each tensor, as an index states it.

    Raises:
        UserError: if the index is damaged, empty, or names anything but files beside it.
    """
    found = read_json_object(index, what="index of shards", fix=_FIX).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise UserError(f"{index} is an index that names no tensors: its weight_map is missing or empty.", _FIX)
    for tensor, shard in found.items():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(_WEIGHTS):
            raise UserError(f"{index}: the index keeps {tensor!r} in {shard!r}, which is no weight file there.", _FIX)
    return found


def _shards_of(index: Path) -> list[str]:
    """Shards that an index names; none for a damaged one, which is refused when it is the one to be read."""
    try:
        return sorted(set(weight_map(index).values()))
    except UserError:
        return []


def _paths(folder: Path, names: list[str]) -> tuple[Path, ...]:
    return tuple(folder / name for name in sorted(names))


def _named(folder: Path, sets: dict[str, WeightSet], name: str) -> WeightSet:
    if name not in sets:
        raise UserError(f"{folder} has no weights of the name {name!r}.", f"It has: {_listed(sets)}.")
    return sets[name]


def _standard(folder: Path, sets: dict[str, WeightSet], stem: str) -> WeightSet:
    """The order of diffusers 0.36 to 0.42: index, then one safetensors file, then one file of torch.save.

    That of transformers 5 differs in the first two.
    """
    index, single = f"{stem}.safetensors{_INDEX}", f"{stem}.safetensors"
    order = (single, index, "pytorch_model.bin") if stem == "model" else (index, single, f"{stem}.bin")
    for name in order:
        if name in sets:
            return sets[name]
    if len(sets) > 1:
        raise UserError(
            f"{folder} holds several sets of weights, none of which diffusers would open by itself: {_listed(sets)}.",
            "Name one: probekit weights convert FOLDER OUT --weights NAME.",
        )
    return next(iter(sets.values()))


def _listed(sets: dict[str, WeightSet]) -> str:
    return ", ".join(sets)


def _check_shards(folder: Path, chosen: WeightSet) -> None:
    if chosen.index_file is not None:
        weight_map(chosen.index_file)
    missing = [path.name for path in chosen.files if not path.is_file()]
    if chosen.index_file is None and "-*" in chosen.name:
        missing = list(_lacking(chosen))
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing[:6])}.", _FIX)


def _lacking(shards: WeightSet) -> Iterator[str]:
    """Names of shards without an index that the count in the others' names promises."""
    last = re.sub(r".*-of-(\d{5}).*", r"\1", shards.files[0].name)
    for number in range(1, int(last) + 1):
        name = re.sub(r"-\d{5}-of-", f"-{number:05d}-of-", shards.files[0].name)
        if shards.files[0].with_name(name) not in shards.files:
            yield name
