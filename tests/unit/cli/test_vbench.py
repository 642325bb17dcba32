"""`probekit vbench doctor`, `fetch` and `setup`; no network: addresses are files."""

import hashlib
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.vbench.official import extras, fetch
from probekit.evaluation.vbench.official.environment import PINS
from probekit.evaluation.vbench.weights import GRIT, MUSIQ, RAFT_THINGS, WEIGHTS, WeightFile
from probekit.suites.dimension_constants import VBENCH

CONTENT = b"weights"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PROBEKIT_VBENCH_ENVIRONMENT", str(tmp_path / "environment"))
    for name in ("HF_HUB_OFFLINE", "PROBEKIT_UNVERIFIED_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def vbench(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["vbench", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def put(file: WeightFile) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(CONTENT)


def published(file: WeightFile, source: Path, content: bytes = CONTENT) -> WeightFile:
    """The file as if it were published at `source` with that content."""
    return replace(file, url=source.as_uri(), sha256=hashlib.sha256(content).hexdigest())


def test_doctor_names_all_that_sixteen_dimensions_lack() -> None:
    found = {each["dimension"]: each for each in json.loads(vbench("doctor", "--json"))}
    assert list(found) == list(VBENCH)
    assert [name for name, each in found.items() if each["ready"]] == ["temporal_flickering"]
    for name, each in found.items():
        missing = {file["path"] for file in each["files"]}
        assert {str(file.path) for file in WEIGHTS[name]} <= missing
        assert all(file["url"].startswith("https://") for file in each["files"])
    for name in (name for name, files in WEIGHTS.items() if GRIT in files):
        assert "detectron2" in " ".join(found[name]["environment"])
        assert "operators" in " ".join(found[name]["environment"])
    assert found["subject_consistency"]["environment"] == []


def test_doctor_sees_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "imaging_quality: does not run" in vbench("doctor")
    put(MUSIQ)
    assert f"different: {MUSIQ.path} has 7 bytes" in vbench("doctor")
    assert MUSIQ.url in vbench("fetch", "imaging_quality", "--dry-run"), "a file that is not the published one"
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    put(GRIT)
    assert f"different: {GRIT.path} has 7 bytes" in vbench("doctor"), "what loads pickles takes nothing unverified"
    lines = vbench("doctor").splitlines()
    assert "imaging_quality: runs" in lines
    assert lines[-1] == "2 of 16 dimensions run."
    text = " ".join(lines)
    assert f"RAFT (things), 21.1 MB: {RAFT_THINGS.path} from {RAFT_THINGS.url}" in text
    assert "scene: does not run in its own environment" in text


def test_fetch_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MUSIQ.url in vbench("fetch", "imaging_quality", "--dry-run")
    assert not MUSIQ.path.exists()
    assert "Offline, and not there" in " ".join(vbench("fetch", "imaging_quality", "--offline", status=2).split())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "Offline, and not there" in " ".join(vbench("fetch", "imaging_quality", status=2).split())
    put(MUSIQ)
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    assert vbench("fetch", "imaging_quality") == ""
    assert "no dimension 'beauty'" in " ".join(vbench("fetch", "beauty", status=2).split())


def test_fetch_command_writes_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "published.pth"
    source.write_bytes(CONTENT)
    monkeypatch.setattr(fetch, "missing", lambda _: (published(MUSIQ, source),))
    assert f"wrote {MUSIQ.path}" in vbench("fetch", "imaging_quality")
    assert MUSIQ.path.read_bytes() == CONTENT


def test_what_is_not_the_published_file_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "changed.pth"
    source.write_bytes(b"something else")
    with pytest.raises(UserError, match="gave 14 bytes of SHA-256"):
        fetch.fetch(published(MUSIQ, source))
    assert not MUSIQ.path.exists()
    assert list(MUSIQ.path.parent.iterdir()) == []
    put(MUSIQ)
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch.fetch(published(MUSIQ, tmp_path / "absent.pth"))
    assert MUSIQ.path.read_bytes() == CONTENT, "what was there stays"


def test_members_of_archives(tmp_path: Path) -> None:
    archive = tmp_path / "models.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("models/raft-things.pth", CONTENT)
        content.writestr("dino-main/hubconf.py", "# code")
        content.writestr("dino-main/deep/utils.py", "# more code")
    assert fetch.fetch(published(RAFT_THINGS, archive)).read_bytes() == CONTENT
    fetch.fetch(replace(extras.DINO_CODE, url=archive.as_uri()))
    folder = extras.DINO_CODE.path.parent
    assert sorted(path.name for path in folder.rglob("*.py")) == ["hubconf.py", "utils.py"]
    assert extras.missing_code("subject_consistency") == ()
    with pytest.raises(UserError, match="no archive with"):
        fetch.fetch(replace(published(RAFT_THINGS, archive), member="other.pth"))
    (tmp_path / "no.zip").write_bytes(CONTENT)
    with pytest.raises(UserError, match="no archive with"):
        fetch.fetch(published(RAFT_THINGS, tmp_path / "no.zip"))


def test_archives_cannot_write_elsewhere(tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("dino-main/../../escaped.py", "# code")
    with pytest.raises(UserError, match="leave its folder"):
        fetch.fetch(replace(extras.DINO_CODE, url=archive.as_uri()))
    assert not list(tmp_path.rglob("escaped.py"))


def test_setup_says_what_it_would_do(tmp_path: Path) -> None:
    plain = vbench("setup", "--dry-run").splitlines()
    assert plain[0] == f"{sys.executable} -m venv {tmp_path / 'environment'}"
    assert plain[1].endswith(f"-r {PINS}")
    assert len(plain) == 2
    with_grit = vbench("setup", "--dry-run", "--detectron2", "somewhere", "--python", "python3.11").splitlines()
    assert with_grit[0].startswith("python3.11 -m venv")
    assert with_grit[2].endswith("--no-build-isolation --no-deps somewhere")
    assert not (tmp_path / "environment").exists()


def test_setup_runs_its_commands() -> None:
    assert "failed" in vbench("setup", "--python", "no-such-python", status=2)


def test_the_environment_is_pinned_and_names_no_place() -> None:
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0].lower() for line in lines]
    assert all(version and "/" not in version for _, _, version in (line.partition("==") for line in lines))
    assert len(names) == len(set(names))
    assert {"vbench", "torch", "torchvision", "numpy", "transformers", "timm"} <= set(names)
