"""The registry of VBench's weight files: paths, hashes, and what is refused."""

import hashlib
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.evaluation.vbench import weights
from probekit.evaluation.vbench.weights import (
    CLIP_B32,
    DINO,
    HASH_CACHE,
    MUSIQ,
    WEIGHTS,
    WeightFile,
    difference,
    missing,
    weight_hash,
    weight_path,
    weights_folder,
    weights_id,
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def put(file: WeightFile, content: bytes) -> Path:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(content)
    return file.path


def test_every_file_is_named_as_the_official_package_names_it() -> None:
    package = find_spec("vbench")
    if package is None or package.origin is None:
        pytest.skip("needs the vbench package")
    source = (Path(package.origin).parent / "utils.py").read_text()
    aesthetic = (Path(package.origin).parent / "aesthetic_quality.py").read_text()
    vocabulary = (Path(package.origin).parent / "third_party" / "ViCLIP" / "simple_tokenizer.py").read_text()
    for files in WEIGHTS.values():
        for file in files:
            name = file.relative_path.rpartition("/")[2]
            assert name in source + aesthetic + vocabulary
            if file.root == "vbench" and "aesthetic" not in file.relative_path:
                assert f"{{CACHE_DIR}}/{file.relative_path}" in source or file.relative_path in vocabulary


def test_hashes_agree_with_what_publishers_put_into_names() -> None:
    assert MUSIQ.sha256 is not None
    assert f"-{MUSIQ.sha256[:8]}." in MUSIQ.relative_path
    assert f"/{CLIP_B32.sha256}/" in CLIP_B32.url
    for files in WEIGHTS.values():
        for file in files:
            assert file.sha256 is not None
            assert len(bytes.fromhex(file.sha256)) == 32


def test_files_lie_in_the_official_cache_and_dino_in_torch_hub(cache: Path) -> None:
    assert CLIP_B32.path == cache / "vbench" / "clip_model" / "ViT-B-32.pt"
    assert DINO.path == cache / "torch" / "hub" / "checkpoints" / "dino_vitbase16_pretrain.pth"


def test_missing_names_what_is_not_there(cache: Path) -> None:
    assert missing("temporal_flickering") == ()
    assert [file.name for file in missing("aesthetic_quality")] == ["CLIP ViT-L/14", "LAION aesthetic predictor"]
    put(weights.AESTHETIC_HEAD, b"x")
    assert [file.name for file in missing("aesthetic_quality")] == ["CLIP ViT-L/14"]
    with pytest.raises(UserError, match="beauty"):
        missing("beauty")


def test_a_hash_is_read_again_only_when_the_file_changes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(CLIP_B32, b"one")
    assert weight_hash(path) == hashlib.sha256(b"one").hexdigest()
    assert str(path) in json.loads((weights_folder() / HASH_CACHE).read_text())
    weights._hash.cache_clear()  # as another process would find it
    with monkeypatch.context() as patch:
        patch.setattr(weights, "sha256_file", lambda path: pytest.fail("read again"))
        assert weight_hash(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"other")
    assert weight_hash(path) == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}'])
def test_a_damaged_hash_cache_costs_nothing_but_time(content: str, cache: Path) -> None:
    path = put(CLIP_B32, content.encode())
    (weights_folder() / HASH_CACHE).write_text(content)
    assert weight_hash(path) == hashlib.sha256(content.encode()).hexdigest()


def test_another_file_is_refused_unless_asked_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"seeded random numbers"
    put(CLIP_B32, content)
    assert "353976522" in (difference(CLIP_B32) or "")
    right_size = replace(CLIP_B32, size_bytes=len(content))
    assert "SHA-256" in (difference(right_size) or "")
    with pytest.raises(UserError, match="PROBEKIT_UNVERIFIED_WEIGHTS=1"):
        weight_path(CLIP_B32)
    assert weight_path(CLIP_B32, unverified=True) == CLIP_B32.path
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    assert weight_path(CLIP_B32) == CLIP_B32.path
    with pytest.raises(UserError, match="353976522"):
        weight_path(CLIP_B32, unverified=False)
    real = replace(right_size, sha256=hashlib.sha256(content).hexdigest())
    assert difference(real) is None
    assert weight_path(real) == real.path


def test_absent_files_are_named_with_their_address(cache: Path) -> None:
    for action in (lambda: weight_path(MUSIQ), lambda: difference(MUSIQ), lambda: weights_id([MUSIQ])):
        with pytest.raises(UserError, match="musiq_spaq"):
            action()
    assert MUSIQ.url in str(_error(MUSIQ))


def _error(file: WeightFile) -> UserError:
    with pytest.raises(UserError) as caught:
        weight_path(file, unverified=True)
    return caught.value


def test_scorer_ids_carry_what_was_read(cache: Path) -> None:
    assert weights_id([]) == "noweights"
    put(CLIP_B32, b"a")
    put(MUSIQ, b"b")
    expected = [hashlib.sha256(content).hexdigest()[:12] for content in (b"a", b"b")]
    assert weights_id([CLIP_B32, MUSIQ]) == "-".join(expected)
