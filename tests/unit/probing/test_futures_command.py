"""`probekit futures` and `probekit planning`: from models to tables and figures, and refused in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.media.video_files import read_video
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.future_experiment import COLUMNS, FutureSettings
from probekit.probing.futures import continue_state, forked_videos
from probekit.probing.planning_gap import BEST
from probekit.probing.probe_settings import DecoderBudget, ProbeSettings
from probekit.reporting.future_figures import published_row
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from probekit.workflows.capture import capture_settings
from probekit.workflows.futures import compare_futures
from probekit.workflows.planning import PlanningSettings, planning_gap
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s").reduced(6, 1)
QUICK = ProbeSettings(
    horizons=(1,), budget=DecoderBudget(width=8, steps=4, validate_every=2, batch=16, seeds=(0,)), perceptual=False
)


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("students")
    for name, seed in (("base", 1), ("ours", 5)):
        write_tiny_model(root / name, seed=seed)
        card = CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
        write_causal_card(root / name, card)
    return root / "base", root / "ours"


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


def request() -> Request:
    key = SUITE.keys()[0]
    return Request(key, SUITE.texts()[key.prompt_id])


def test_forked_videos_are_those_of_whole_rollouts(students: tuple[Path, Path]) -> None:
    """The past is rolled out once and continuations share a pass; each is the video that it would be alone."""
    sampler = StreamingSampler(students[0], SUITE)
    assert sampler.batch_size > 2  # so all three share a pass
    found = forked_videos(sampler, request(), chunk=2, ahead=2, count=3)
    assert found.shape == (3, 9 + 12 * 4, 32, 32, 3)
    alone = continue_state(sampler, request(), chunk=2, horizons=(1, 2), count=3)
    np.testing.assert_array_equal(found[:, [44, 56]], alone.continuations)
    np.testing.assert_array_equal(found[0], sampler.generate([request()])[0, :57])
    assert (found[:, :33] == found[:1, :33]).all()
    assert not np.array_equal(found[1, 44], found[2, 44])


@pytest.fixture(scope="module")
def futures(students: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("futures")
    published = out / "published"
    published.mkdir()
    for index, name in enumerate(("current", "r1", "r2", "r3", "r4", "rollout_avg", "readout")):
        Image.fromarray(np.full((30 + index, 50, 3), 20 * index, np.uint8)).save(published / f"{name}.jpg")
    settings = FutureSettings(chunk=1, futures=3, states=2, probes=QUICK)
    captured = capture_settings(str(students[0]), ["blocks.1@step1"], untrained=False)
    compare_futures(
        *map(str, students), SUITE, out, settings=settings, captured=captured, published=published
    )  # fmt: skip
    return out


@pytest.mark.long
def test_tables_and_figures_of_futures_are_written(futures: Path) -> None:
    names = {path.name for path in futures.iterdir() if path.is_file()}
    assert names == {
        "futures_values.parquet", "pictures.npz", "futures.csv", "futures.md", "reliability.csv", "protocol.json",
        "futures.png", "ranks.png", "futures.mp4", "futures.gif",
    }  # fmt: skip
    values = pd.read_parquet(futures / "futures_values.parquet")
    assert tuple(values.columns) == COLUMNS
    assert len(values) == 4
    assert {len(places) for places in values.places} == {4}
    assert (values.sample_to_mean > 0).all()
    page = (futures / "futures.md").read_text()
    assert "3 futures per state" in page
    assert "Arms against each other" in page


def test_the_moving_figure_has_every_frame_after_the_fork(futures: Path) -> None:
    clip = read_video(futures / "futures.mp4")
    assert len(clip.frames) == 13
    assert clip.fps == 16
    with Image.open(futures / "futures.gif") as image:
        assert image.size == clip.frames.shape[2:0:-1]
    assert not np.array_equal(clip.frames[0], clip.frames[12])


def test_published_pictures_may_differ_in_size_and_must_all_be_there(futures: Path, tmp_path: Path) -> None:
    row = published_row(futures / "published")
    sizes = [None if part is None else part.shape[0] for part in row.pictures]
    assert sizes == [30, 31, 32, 33, 34, 35, None, 36]
    with pytest.raises(UserError, match=r"current\.jpg does not exist"):
        published_row(tmp_path)


def test_futures_that_a_video_has_no_room_for_are_refused(students: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "ends before chunk 9" in refused("futures", *students, "--out", out, "--prompts", 6, "--chunk", 6)
    assert "cannot be split" in refused("futures", *students, "--out", out, "--prompts", 2)
    assert "does not exist" in refused("futures", *students, "--out", out, "--prompts", 6, "--published", tmp_path)
    assert not out.exists()
    with pytest.raises(UserError, match="has no futures"):
        FutureSettings(probes=QUICK._replace(horizons=(0, 1))).check(7)
    with pytest.raises(UserError, match="no spread"):
        FutureSettings(futures=1, probes=QUICK).check(7)


@pytest.mark.long
def test_the_planning_gap_is_written_for_both_arms(students: tuple[Path, Path], tmp_path: Path) -> None:
    """Captions of another sprite state nothing of the one that is seen."""
    settings = PlanningSettings(episodes=32, seed=1, other_identity=True, probes=QUICK._replace(horizons=(2, 3)))
    captured = capture_settings(str(students[0]), ["blocks.1@commit"])
    result = planning_gap(*map(str, students), tmp_path, settings, captured)
    assert {path.name for path in tmp_path.iterdir()} == {
        "states", "planning_values.parquet", "planning_gap.csv", "planning_gap.md", "protocol.json",
    }  # fmt: skip
    assert set(result.values.arm) == {"base", "ours"}
    assert (result.values.error >= result.values.best - 1e-9).all()
    assert not result.values.stated.any()
    contrasts = set(pd.read_csv(tmp_path / "planning_gap.csv").contrast)
    assert contrasts == {f"base - {BEST}", f"ours - {BEST}", "ours - base"}


def test_one_model_has_no_gap_to_itself(students: tuple[Path, Path], tmp_path: Path) -> None:
    assert "are one model" in refused("planning", students[0], students[0], "--out", tmp_path / "out")
