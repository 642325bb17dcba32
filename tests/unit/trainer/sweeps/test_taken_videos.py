"""Videos and scores that a run takes from another of the same weights are those that it would have made."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from probekit.atomic_files import write_json
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.score_table import read_scores, score_rows, write_scores
from probekit.suites.registry import load_suite
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run
from tests.helpers.model_folders import write_tiny_model
from trainer.commands.training import TAKEN
from trainer.engine.follow_up import EXPORT
from trainer.sweeps.taken_videos import take_videos

SUITE = load_suite("sprite-5s")
MADE, WANTED = SUITE.reduced(3, 2), SUITE.reduced(2, 1)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with videos and scores of more than is wanted, and one that was taken from it."""
    folder = tmp_path_factory.mktemp("shelf")
    origin, copy = folder / "one" / "ours", folder / "two" / "default"
    write_tiny_model(origin / EXPORT)
    shutil.copytree(origin / EXPORT, copy / EXPORT)
    write_json(copy / TAKEN, {"from": str(origin)})
    sample_suite(str(origin / EXPORT), MADE, origin / "videos")
    score_run(origin / "videos")
    return folder


@pytest.fixture
def own(shelf: Path, tmp_path: Path) -> Path:
    """The shelf, for a test that changes it."""
    shutil.copytree(shelf, tmp_path / "shelf")
    write_json(tmp_path / "shelf" / "two" / "default" / TAKEN, {"from": str(tmp_path / "shelf" / "one" / "ours")})
    return tmp_path / "shelf"


def takes(shelf: Path, run: str = "two/default", suite: str = "sprite-5s") -> bool:
    wanted = load_suite(suite).reduced(2, 1)
    return take_videos(shelf / run, shelf / run / "videos", wanted, shelf)


def described(run: Path) -> dict[str, Any]:
    return read_protocol(run).model_dump(exclude={"software", "hardware"})


def test_what_is_taken_is_what_the_run_would_have_made(own: Path) -> None:
    assert takes(own)
    found, alone = own / "two" / "default" / "videos", own / "default" / "videos"
    shutil.copytree(own / "two" / "default" / EXPORT, own / "default" / EXPORT)
    sample_suite(str(own / "default" / EXPORT), WANTED, alone)
    score_run(alone)
    assert load_video_set(found).rows == load_video_set(alone).rows
    assert {row.model for row in load_video_set(found).rows} == {"default"}
    assert described(found) == described(alone)
    assert read_scores(found).equals(read_scores(alone))
    for row in load_video_set(alone).rows:
        assert (found / row.path).read_bytes() == (alone / row.path).read_bytes()


def test_a_third_takes_from_a_copy_whose_origin_has_no_such_videos(own: Path) -> None:
    (own / "one" / "ours" / "videos").rename(own / "two" / "default" / "videos-of-mine")
    third = own / "three" / "_runs" / "1" / "default"
    shutil.copytree(own / "two" / "default" / EXPORT, third / EXPORT)
    shutil.copyfile(own / "two" / "default" / TAKEN, third / TAKEN)
    assert takes(own, "three/_runs/1/default")


def test_an_origin_takes_from_its_copy(own: Path) -> None:
    (own / "one" / "ours" / "videos").rename(own / "two" / "default" / "videos-of-mine")
    assert takes(own, "one/ours")


def test_a_run_that_was_trained_by_itself_takes_nothing(own: Path) -> None:
    (own / "two" / "default" / TAKEN).unlink()
    assert not takes(own)


def test_videos_of_ones_own_are_left_alone(own: Path) -> None:
    videos = own / "two" / "default" / "videos"
    sample_suite(str(own / "two" / "default" / EXPORT), SUITE.reduced(1, 1), videos)
    assert not takes(own)
    assert len(load_video_set(videos).rows) == 1


def test_another_suite_is_not_taken(own: Path) -> None:
    assert not takes(own, suite="sprite-30s")


def test_other_texts_are_not_taken(own: Path) -> None:
    origin = own / "one" / "ours" / "videos"
    first, *others = load_video_set(origin).rows
    write_manifest(origin, [first.model_copy(update={"prompt": "a red square"}), *others])
    assert not takes(own)


@pytest.mark.parametrize("lacking", ["a video", "scores of a video", "one score", "every score"])
def test_an_unfinished_run_is_not_taken(own: Path, lacking: str) -> None:
    origin = own / "one" / "ours" / "videos"
    rows, scores = load_video_set(origin).rows, score_rows(read_scores(origin))
    first = rows[0].prompt_id
    if lacking == "a video":
        write_manifest(origin, rows[1:])
    shutil.rmtree(origin / "scores")
    kept = {
        "a video": scores,
        "scores of a video": [row for row in scores if row.prompt_id != first],
        "one score": scores[1:],
        "every score": [],
    }[lacking]
    if kept:
        write_scores(origin / "scores" / "all-0000.parquet", kept)
    assert not takes(own)


def test_scores_of_a_video_that_was_made_again_are_not_taken(own: Path) -> None:
    origin = own / "one" / "ours" / "videos"
    first, *others = load_video_set(origin).rows
    write_manifest(origin, [first.model_copy(update={"sha256": "0" * 64}), *others])
    assert not takes(own)
