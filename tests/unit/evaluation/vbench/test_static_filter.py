"""VBench's static filter: its rule by hand, which videos it keeps, and the whole command with RAFT."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.scoring.absent_videos import read_absent
from probekit.evaluation.vbench.static_filter import DECISIONS_FILE, Motion, fastest_motion, filter_static, is_static
from probekit.media.video_files import read_video
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.protocol_card import mismatches
from probekit.run_folder.video_set import VideoSet

pytestmark = pytest.mark.skipif(importlib.util.find_spec("vbench") is None, reason="needs the package vbench")

LENGTH = 81


def _motion(moving: int, pixels: float, wrap: float = 0.0) -> Motion:
    return Motion([pixels] * moving + [0.0] * (LENGTH - 1 - moving), [0.0, wrap])


def test_81_frames_of_480_rows_may_move_in_10_pairs() -> None:
    """round(2 * 81 / 16) = 10 pairs, by more than 3 * 480 / 256 = 5.625 pixels; wraps by 20 times as much."""
    assert is_static(_motion(10, 6.0), 480, 832)
    assert not is_static(_motion(11, 6.0), 480, 832)
    assert is_static(_motion(80, 5.625), 480, 832)
    assert is_static(_motion(0, 0.0, wrap=112.5), 480, 832)
    assert not is_static(_motion(0, 0.0, wrap=112.6), 480, 832)
    assert is_static(_motion(11, 6.0), 832, 832), "the threshold follows the shorter side"
    assert not is_static(_motion(11, 10.0), 832, 832)


@given(st.lists(st.floats(0, 50), min_size=3, max_size=40), st.floats(0, 50), st.integers(64, 1024))
def test_the_rule_does_not_depend_on_the_order_of_pairs(pairs: list[float], wrap: float, side: int) -> None:
    verdict = is_static(Motion(pairs, [wrap, 0.0]), side, 2 * side)
    assert verdict == is_static(Motion(sorted(pairs), [0.0, wrap]), 2 * side, side)
    assert is_static(Motion([0.0] * len(pairs), [0.0, 0.0]), side, side)


def test_the_fastest_fiftieth_is_averaged() -> None:
    lengths = np.zeros((2, 10, 20))
    lengths[0, 3, 4:8] = [10, 20, 30, 40]
    lengths[1] = 7
    assert fastest_motion(lengths).tolist() == [25.0, 7.0]
    with pytest.raises(ValueError, match="2 %"):
        fastest_motion(np.zeros((1, 5, 5)))


def test_the_first_static_samples_stay_and_verdicts_are_kept(tmp_path: Path) -> None:
    from tests.helpers.vbench_videos import small_vbench, write_run

    rows = write_run(tmp_path, small_vbench(("0000", "0001", "0100"), samples=8))
    still = {read_video(tmp_path / row.path).frames.tobytes() for row in rows if row.sample % 3 == 0}
    calls: list[bytes] = []

    def measure(frames: NDArray[np.uint8]) -> Motion:
        calls.append(frames.tobytes())
        return Motion([0.0 if calls[-1] in still else 100.0], [0.0, 0.0])

    video_set = load_video_set(tmp_path)
    done = filter_static(video_set, measure, "by hand", keep=2)
    assert [row.sample for row in done.rows if row.prompt_id == "0000"] == [0, 3]
    assert [row.sample for row in done.rows if row.prompt_id == "0100"] == list(range(8)), "another dimension"
    assert (done.lacking, done.problems) == ({}, [])
    assert len(calls) == 2 * 4, "nothing is measured after the last that is kept"
    again = filter_static(video_set, measure, "by hand", keep=4)
    assert len(calls) == 2 * 8, "the first four verdicts of each prompt are known"
    assert [row.sample for row in again.rows if row.prompt_id == "0001"] == [0, 3, 6]
    assert {(key.prompt_id, key.sample) for key in again.lacking} == {("0000", 1), ("0001", 1)}
    assert set(again.lacking.values()) == {"only 3 of 8 videos are static"}
    filter_static(video_set, measure, "another network", keep=2)
    assert len(calls) == 16 + 8
    (tmp_path / rows[0].path).write_bytes(b"")
    broken = filter_static(video_set, measure, "a third", keep=2)
    assert [problem.path.name for problem in broken.problems] == ["vbench__0000__000.mp4"]
    assert [row.sample for row in broken.rows if row.prompt_id == "0000"] == [3, 6]
    (tmp_path / DECISIONS_FILE).write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        filter_static(video_set, measure, "by hand")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two videos of an entry of temporal flickering and one of another, and RAFT of random weights."""
    from probekit.media.video_files import write_video
    from probekit.run_folder.sample_key import SampleKey
    from probekit.run_folder.video_set import describe_video, video_path
    from tests.helpers.vbench_videos import TEXTS, small_vbench, write_run

    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "weights"))
    root = tmp_path / "run"
    write_run(root, small_vbench(("0000", "0100"), samples=1))
    rows = []
    for prompt_id, sample in (("0000", 0), ("0000", 1), ("0100", 0)):
        key = SampleKey("vbench", prompt_id, sample)
        pixels = np.random.default_rng(sample).integers(0, 256, (5, 128, 128, 3), dtype=np.uint8)
        write_video(root / video_path(key), pixels, 16.0)
        about = {"model": "m", "training_run": "r", "horizon": "5s", "prompt": TEXTS[prompt_id]}
        rows.append(describe_video(root, video_path(key), key, **about))
    write_manifest(root, rows)
    return root


def _write_raft(still: bool) -> None:
    """Random weights; `still` ones never see any motion."""
    import torch

    from probekit.evaluation.vbench.weights import RAFT_THINGS
    from tests.equivalence.vbench_weights_folder import write_weights

    write_weights(only=frozenset({"dynamic_degree"}))
    if still:
        state = torch.load(RAFT_THINGS.path, weights_only=True)
        for name in ("weight", "bias"):
            state[f"module.update_block.flow_head.conv2.{name}"] *= 1e-9
        torch.save(state, RAFT_THINGS.path)


def _filter(run: Path) -> Result:
    out = run.with_name("filtered")
    given = ("static-filter", run, "--out", out, "--device", "cpu", "--unverified-weights")
    return CliRunner().invoke(app, [str(argument) for argument in given], terminal_width=200)


@pytest.mark.long
def test_what_raft_sees_no_motion_in_stays(run: Path) -> None:
    _write_raft(still=True)
    result = _filter(run)
    assert result.exit_code == 0, result.output
    kept = load_video_set(run.with_name("filtered"))
    assert _content(kept) == _content(load_video_set(run))
    assert "lacking" not in result.output
    assert mismatches(kept.protocol, load_video_set(run).protocol)[0].field == "prompts.static_filter"


@pytest.mark.long
def test_what_moves_goes_and_counts_as_unscored(run: Path) -> None:
    """The verdict on the second video is known from a run before; RAFT of random weights sees motion in the first."""
    from probekit.run_folder.score_table import read_scores
    from probekit.workflows.score import score_run

    _write_raft(still=False)
    known = {"scorer_id": "vbench-static-filter:raft-things:v1:float32", "static": {}}
    known["static"] = {load_video_set(run).rows[1].sha256: True}
    (run / DECISIONS_FILE).write_text(json.dumps(known))
    result = _filter(run)
    assert result.exit_code == 0, result.output
    assert "lacking: 0000: only 1 of 2 videos are static" in result.output
    out = run.with_name("filtered")
    assert [row.key().filename() for row in load_video_set(out).rows] == [
        "vbench__0000__001.mp4",
        "vbench__0100__000.mp4",
    ]
    absent = read_absent(out)
    assert absent is not None
    assert absent.coverage() == "2/3"
    score_run(out)
    table = read_scores(out)
    flickering = table[(table["dimension"] == "temporal_flickering") & (table["prompt_id"] == "0000")]
    assert flickering["value"].notna().tolist() == [False, True]
    assert flickering["reason"].iloc[0] == "no video: only 1 of 2 videos are static"


def test_missing_weights_and_other_suites_are_refused(run: Path) -> None:
    result = _filter(run)
    assert result.exit_code == 2
    assert "raft-things.pth" in result.output
    protocol = run / "protocol.json"
    protocol.write_text(protocol.read_text().replace('"vbench"', '"custom"'))
    assert "The static filter is VBench's" in _filter(run).output


def _content(video_set: VideoSet) -> list[tuple[object, ...]]:
    return [(row.key(), row.sha256) for row in video_set.rows]
