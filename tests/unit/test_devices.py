"""A device that is not there is refused before anything is loaded, in one line that says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.devices import chosen_device, usable_device
from probekit.errors import UserError
from tests.helpers.places import REPOSITORY

ABSENT = ("cuda:99", "gpu", "cuda:-1", "cuda:", "CUDA", "mps:0", "", "cpu0", "cuda:999999999999999999999")


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"There is no device {name!r}") as caught:
        usable_device(name)
    assert "cpu" in caught.value.fix


def test_what_is_there_is_taken() -> None:
    assert usable_device("cpu") == "cpu"
    assert usable_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert chosen_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES is empty") as caught:
        usable_device("cuda")
    cpu_build = torch.version.cuda is None and torch.version.hip is None
    assert ("a build for CPUs alone" in str(caught.value)) == cpu_build
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr("probekit.devices._DRIVER", Path("/nowhere"))
    with pytest.raises(UserError, match=r"No NVIDIA driver was found"):
        usable_device("cuda")


@pytest.mark.parametrize(
    "command",
    [
        ("sample", "--model", "no-such-model", "--out", "out"),
        ("score", "no-such-run", "--backend", "fast"),
        ("slow-fast", "no-such-run", "--out", "out"),
        ("static-filter", "no-such-run", "--out", "out"),
    ],
)
@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_every_command_looks_at_the_device_first(command: tuple[str, ...], device: str) -> None:
    result = CliRunner().invoke(app, [*command, "--device", device])
    assert result.exit_code == 2
    assert f"There is no device {device!r}" in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.long
def test_the_command_itself_ends_in_one_line(tmp_path: Path) -> None:
    arguments = ["sample", "--model", "sprite-dmd-baseline", "--out", str(tmp_path / "out"), "--device", "gpu"]
    command = [sys.executable, "-c", "from probekit.cli.main import app; app()", *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: There is no device 'gpu'")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
