"""The natural suite on run folders and folders of videos, with and without weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.natural import readers, scorers
from probekit.evaluation.natural.networks.efficientnet_lite import EfficientNetLite, Stage
from probekit.evaluation.natural.networks.st_lpips import StLpips
from probekit.evaluation.natural.networks.transnet import TransNet
from probekit.evaluation.natural.networks.xfeat import XFeat
from probekit.evaluation.natural.weight_files import CACHE_VARIABLE
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.scoring.backends import scorers_for
from probekit.media.video_files import write_video
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.score_table import SCORES_FOLDER, read_scores
from probekit.seeding import generator
from probekit.suites.registry import NATURAL, caution, constants_of, load_suite
from probekit.workflows.score import runs_to_score

WITHOUT_WEIGHTS = ("temporal_flickering", "moving_share")


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr("probekit.evaluation.natural.weight_files.PackagedFile._installed", lambda self: None)


def moving(seed: int, n_frames: int = 9) -> np.ndarray:
    start = generator("natural-suite", seed).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    return np.stack([np.roll(start, 2 * t, axis=1) for t in range(n_frames)])


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "Model A"
    folder.mkdir()
    for prompt in range(7):
        write_video(folder / f"prompt {prompt}-0.mp4", moving(prompt), 8)
    return folder


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_suite_has_a_constant_for_each_scorer_and_no_prompts_or_totals() -> None:
    names = {scorer.dimension for scorer in (*scorers.NETWORK_SCORERS, scorers.MOVING_SHARE)} | {"temporal_flickering"}
    assert {constant.dimension for constant in constants_of(NATURAL)} == names
    assert {constant.group for constant in constants_of(NATURAL)} == {"single"}
    assert caution("vbench") is None
    with pytest.raises(UserError, match="--suite natural"):
        load_suite(NATURAL)


def test_ids_name_weights_and_hash_and_say_that_they_are_not_vbenchs() -> None:
    for scorer in scorers.NETWORK_SCORERS:
        assert scorer.scorer_id.endswith("+not-vbench")
        assert all(file.sha256[:12] in scorer.scorer_id and file.name in scorer.scorer_id for file in scorer.files)


def test_without_weights_two_dimensions_run_and_the_others_name_one_command() -> None:
    found = scorers_for(NATURAL)
    assert tuple(scorer.dimension for scorer in found.scorers) == WITHOUT_WEIGHTS
    assert len(found.not_run) == 6
    assert {each.reason for each in found.not_run} == {"needs weights; `probekit natural setup` brings them"}


@pytest.mark.long
def test_a_folder_is_scored_compared_and_reported_without_weights(videos: Path, tmp_path: Path) -> None:
    other = videos.with_name("Model B")
    other.mkdir()
    for prompt in range(7):
        write_video(other / f"prompt {prompt}-0.mp4", np.repeat(moving(prompt)[:1], 9, axis=0), 8)
    said = call("score", videos, "--suite", "natural", "--out", tmp_path / "runs")
    assert "6 dimensions not run: needs weights; `probekit natural setup` brings them" in said
    call("score", other, "--suite", "natural", "--out", tmp_path / "runs")
    one, two = sorted((tmp_path / "runs").iterdir())
    table = read_scores(one / SCORES_FOLDER)
    assert set(table["suite"]) == {"natural"}
    assert set(table["dimension"]) == set(WITHOUT_WEIGHTS)
    card = read_protocol(one)
    assert card.prompts.suite == "natural"
    call("compare", one, two, "--out", tmp_path / "comparison")
    text = (tmp_path / "comparison/comparison.md").read_text()
    assert "not VBench's" in text
    assert "Total" not in text
    assert "| moving share" in text
    call("report", one, two, "--out", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "not VBench" in page
    assert "moving share" in page
    totals = call("total", one)
    assert "moving share" in totals
    assert "Quality" not in totals


def test_a_run_of_another_suite_gets_a_folder_of_its_own(videos: Path, tmp_path: Path) -> None:
    call("score", videos, "--out", tmp_path / "custom")
    (run,) = (tmp_path / "custom").iterdir()
    with pytest.raises(UserError, match="another suite"):
        runs_to_score(run, None, "natural")
    call("score", run, "--suite", "natural", "--out", tmp_path / "natural")
    (made,) = (tmp_path / "natural").iterdir()
    assert {row.suite for row in load_video_set(made).rows} == {"natural"}
    assert {row.suite for row in load_video_set(run).rows} == {"custom"}, "the run stays as it is"
    assert len(read_scores(made / SCORES_FOLDER)) == 7 * len(WITHOUT_WEIGHTS)
    assert runs_to_score(made, None, "natural") == ([made], [])
    with pytest.raises(UserError, match="run of the suite custom"):
        runs_to_score(videos, tmp_path / "custom", "natural")


def test_readers_have_a_value_per_frame_or_pair_whatever_the_weights() -> None:
    torch.manual_seed(0)
    frames = moving(0, 12)
    tiny = EfficientNetLite((Stage(3, 2, 1, 4, 1),), stem=4, head=8, classes=2).eval()
    assert readers.image_features(frames, tiny).shape == (12, 8)
    distances = readers.first_frame_distances(frames, StLpips(widths=(2, 2, 2, 2, 2)).eval())
    assert distances.shape == (11,)
    assert readers.shot_ends(frames, TransNet((1, 1, 1), 4, 8).eval()).shape == (12,)
    found = readers.matches(ScoringInput(frames, 8.0, ""), XFeat().eval())
    assert found.seconds == 0.25
    assert len(found.asked) == len(found.matched) == 5
    assert all(0 <= distance <= 1 for distance in found.distances)


def test_matches_of_a_still_are_all_points_that_do_not_move() -> None:
    torch.manual_seed(0)
    still = np.repeat(moving(0)[:1], 9, axis=0)
    found = readers.matches(ScoringInput(still, 8.0, ""), XFeat().eval())
    assert found.distances == [0.0] * 4


def test_moving_share_by_hand() -> None:
    frames = np.concatenate([np.repeat(moving(0)[:1], 3, axis=0), moving(0)[1:3]])
    assert scorers.MOVING_SHARE.score(ScoringInput(frames, 8.0, ""))[:3] == (0.5, 2.0, 4.0)
