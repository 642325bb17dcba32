"""Official modules in a child process: this environment's own Python, a real process each time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.official.child import ChildSession, worker_environment
from probekit.evaluation.vbench.official.environment import (
    OPERATORS,
    environment_python,
    has_environment,
    make_environment,
)
from probekit.evaluation.vbench.official.inputs import OfficialInput
from probekit.evaluation.vbench.official.readiness import readiness
from probekit.evaluation.vbench.official.scorers import OfficialScorer
from probekit.media.video_files import read_video
from probekit.suites.dimension_constants import VBENCH
from tests.helpers.official_weights import write_clip, write_clip_video

HERE = Path(sys.executable)

# What this toolkit needs and VBench's environment lacks, or has in another version.
FOREIGN = ("pydantic", "pyarrow", "diffusers", "typer", "av", "huggingface_hub")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("PROBEKIT_UNVERIFIED_WEIGHTS", "1")
    monkeypatch.setenv("PROBEKIT_VBENCH_ENVIRONMENT", str(tmp_path / "environment"))
    return tmp_path


def on(path: Path) -> OfficialInput:
    return OfficialInput(str(path), "a cat")


@pytest.mark.long
def test_one_process_scores_many_videos_and_survives_a_bad_one(tmp_path: Path) -> None:
    good, other = write_clip_video(tmp_path / "good.mp4"), write_clip_video(tmp_path / "other.mp4", 7)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video")
    with ChildSession(HERE, "temporal_flickering", "cpu") as session:
        first = session(on(good))
        process = session._process
        with pytest.raises(UserError, match="temporal_flickering failed: AssertionError"):
            session(on(bad))
        assert session(on(other)) != first
        assert session(on(good)) == first
        assert session._process is process
    assert process is not None
    assert process.returncode == 0
    video = read_video(good)
    here = OfficialScorer(VBENCH["temporal_flickering"], "cpu")
    score = here.score(ScoringInput(video.frames, video.fps, "a cat", None, good))
    assert first == {"video_path": str(good), "video_results": score.value}


@pytest.mark.long
def test_a_process_that_died_is_started_again(tmp_path: Path) -> None:
    good = write_clip_video(tmp_path / "good.mp4")
    with ChildSession(HERE, "temporal_flickering", "cpu") as session:
        first = session(on(good))
        assert session._process is not None
        os.kill(session._process.pid, signal.SIGKILL)
        session._process.wait()
        assert session(on(good)) == first


@pytest.mark.long
def test_a_process_that_cannot_score_at_all_says_why(tmp_path: Path) -> None:
    with ChildSession(HERE, "background_consistency", "cpu") as session:
        with pytest.raises(UserError, match=r"ViT-B-32\.pt"):
            session(on(tmp_path / "any.mp4"))
        process = session._process
        with pytest.raises(UserError, match=r"ViT-B-32\.pt"):
            session(on(tmp_path / "another.mp4"))
        assert session._process is process, "no second try"
    with ChildSession(HERE, "color", "cpu") as session:
        with pytest.raises(UserError, match="compiled operators"):
            session(on(tmp_path / "any.mp4"))
    with ChildSession(tmp_path / "no-python", "color", "cpu") as session:
        with pytest.raises(UserError, match="cannot be started"):
            session(on(tmp_path / "any.mp4"))


def test_a_process_that_dies_while_loading_leaves_its_last_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    python.chmod(0o755)
    with ChildSession(python, "temporal_flickering", "cpu") as session:
        with pytest.raises(UserError, match="exit status 3; out of luck"):
            session(on(tmp_path / "any.mp4"))


def test_a_video_that_kills_its_process_twice_is_the_failure(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '{\"ready\": true}'\nread line\nkill -9 $$\n")
    python.chmod(0o755)
    with ChildSession(python, "temporal_flickering", "cpu") as session:
        with pytest.raises(UserError, match="died twice: signal 9"):
            session(on(tmp_path / "any.mp4"))


@pytest.mark.long
def test_the_worker_needs_nothing_of_ours(tmp_path: Path) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in FOREIGN)
    run = "from probekit.evaluation.vbench.official.worker import main; sys.exit(main(['color', '--check']))"
    command = [str(HERE), "-c", f"import sys; {blocked}{run}"]
    environment = worker_environment(tmp_path)
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert '"detectron2"' in result.stdout


@pytest.mark.long
def test_an_environment_of_its_own_is_asked_what_it_lacks(tmp_path: Path) -> None:
    assert "its own environment" in readiness(VBENCH["scene"]).environment[0]
    assert len(readiness(VBENCH["color"]).environment) == 3
    make_environment([["mkdir", "-p", str(environment_python().parent)]])
    assert not has_environment()
    environment_python().write_text(f'#!/bin/sh\nexec "{HERE}" "$@"\n')
    environment_python().chmod(0o755)
    assert readiness(VBENCH["scene"]).environment == ()
    assert readiness(VBENCH["object_class"]).environment == ("detectron2", OPERATORS)
    write_clip()
    assert readiness(VBENCH["background_consistency"]).ready


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(UserError, match="`false` failed"):
        make_environment([["false"]])
    with pytest.raises(UserError, match="no-such-command"):
        make_environment([["no-such-command"]])
