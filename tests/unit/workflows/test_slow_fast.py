"""`probekit slow-fast` on small random networks: its scores by hand, its tables, and what a second call does."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.reading import VideoReading
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.slow_fast import consistency
from probekit.media.video_files import read_video, write_video
from probekit.sprite_world.episodes import episode

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("vbench") is None, reason="needs the package vbench"),
    pytest.mark.filterwarnings("ignore"),
]

FRAMES, FPS = 21, 4
KNOTS = {0.0: 0.0, 0.5: 0.2, 1.0: 0.9}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two videos of three clips, and the two networks."""
    from tests.equivalence.vbench_weights_folder import SMALL, write_weights

    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    write_weights(SMALL, only=frozenset({"subject_consistency", "background_consistency"}))
    lines = ["file,prompt_id,prompt,horizon,model"]
    for number in range(2):
        write_video(tmp_path / f"{number}.mp4", episode("test", 3, number, FRAMES).frames, FPS)
        lines.append(f"{number}.mp4,p{number},sprite {number},30s,Model")
    (tmp_path / "videos.csv").write_text("\n".join(lines))
    assert (
        CliRunner().invoke(app, ["score", str(tmp_path / "videos.csv"), "--out", str(tmp_path / "runs")]).exit_code == 0
    )
    return tmp_path / "runs" / "Model--30s"


def slow_fast(run: Path, *options: object) -> Result:
    arguments = ["slow-fast", run, "--out", run / "fused", "--device", "cpu", "--unverified-weights", *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_tables(folder: Path, knots: dict[float, float]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("subject", "background"):
        (folder / f"{name}_mapping_table.yaml").write_text("".join(f"{k}: {v}\n" for k, v in knots.items()))
    return folder


def test_scores_are_fused_from_clips_of_two_seconds(run: Path, tmp_path: Path) -> None:
    result = slow_fast(run, "--tables", write_tables(tmp_path / "tables", KNOTS), "--weights", "0.5,0.25")
    assert result.exit_code == 0, result.output
    assert "subject_consistency: " in result.output
    table = pd.read_csv(run / "fused" / "slow_fast.csv")
    assert len(table) == 4
    frames = read_video(tmp_path / "1.mp4").frames
    networks = NetworkSet(FastSettings(device="cpu", unverified_weights=True))
    reading = VideoReading(ScoringInput(frames, FPS, ""), networks, frozenset({"subject_consistency"}))
    features = reading.of_frames("subject_consistency").numpy()
    clips = [features[0:8], features[8:16], features[13:21]]  # the last reaches back
    inclip = np.mean([consistency(clip) for clip in clips])
    clip2clip = consistency(features[[0, 8, 13]])
    found = table[(table.prompt_id == "p1") & (table.dimension == "subject_consistency")].iloc[0]
    assert (found.clips, found.inclip) == (3, pytest.approx(inclip, abs=1e-5))
    mapped = np.interp(clip2clip, list(KNOTS), list(KNOTS.values()))
    assert found.clip2clip == pytest.approx(clip2clip, abs=1e-5)
    assert found.fused == pytest.approx(0.5 * inclip + 0.25 * mapped, abs=1e-5)


@pytest.mark.long
def test_a_second_call_scores_what_is_new(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert slow_fast(run).exit_code == 0
    first = (run / "fused" / "slow_fast.csv").read_text()
    read: list[Path] = []

    def reading(path: Path, **options: int) -> object:
        read.append(path)
        return read_video(path, **options)

    monkeypatch.setattr("probekit.workflows.slow_fast.read_video", reading)
    assert slow_fast(run).exit_code == 0
    assert (read, (run / "fused" / "slow_fast.csv").read_text()) == ([], first)
    tables = write_tables(tmp_path / "tables", KNOTS)
    assert slow_fast(run, "--tables", tables, "--weights", "0.5,0.5").exit_code == 0
    assert len(read) == 2, "other weights are other scores"
    write_tables(tables, {0.0: 0.0, 1.0: 1.0})
    assert slow_fast(run, "--tables", tables, "--weights", "0.5,0.5").exit_code == 0
    assert len(read) == 4, "another table gives other scores"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "0.5,0.5"], "two mapping tables"),
        (["--weights", "half"], "'half' is not two weights"),
        (["--tables", "nowhere"], "no mapping table"),
    ],
)
def test_what_is_missing_is_named(run: Path, options: list[str], message: str) -> None:
    result = slow_fast(run, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_without_weights_of_the_networks_nothing_is_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(run / "empty"))
    monkeypatch.setenv("TORCH_HOME", str(run / "empty"))
    result = slow_fast(run)
    assert result.exit_code == 0
    assert "2 dimensions not run: " in result.output
