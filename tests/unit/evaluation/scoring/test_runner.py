"""Scoring a set: sharing, resuming and breaking it must not change the table."""

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from probekit.choices import ClipRule
from probekit.errors import UserError
from probekit.evaluation.scorer import Scorer, ScoringInput
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.scoring.runner import score_video_set
from probekit.media.video_files import read_video, write_video
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.protocol_card import (
    GenerationCard,
    PromptsCard,
    ProtocolCard,
    mismatches,
    read_protocol,
    write_protocol,
)
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import read_scores, score_rows, write_scores
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow, VideoSet, describe_video, video_path
from probekit.sprite_world.episodes import episode
from probekit.workflows.score import score_run

pytestmark = pytest.mark.slow

N_FRAMES = 13
SCORERS = scorers_for("sprite-test").scorers


def write_episode(root: Path, number: int, *, index: int | None = None) -> VideoRow:
    """Write an episode as the video of prompt `number`; another `index` makes it another video of the same key."""
    truth = episode("test", 2, number if index is None else index, n_frames=N_FRAMES)
    key = SampleKey("sprite-test", f"p{number}", 0)
    write_video(root / video_path(key), truth.frames, 16.0)
    return describe_video(root, video_path(key), key, model="m", training_run="r", horizon="5s", prompt=truth.caption)


def make_set(root: Path, count: int = 5) -> VideoSet:
    write_manifest(root, [write_episode(root, number) for number in range(count)])
    prompts = PromptsCard(file_hash="ab", suite="sprite-test", n_prompts=count, samples=1)
    write_protocol(root, ProtocolCard(prompts=prompts, generation=GenerationCard(frames=N_FRAMES)))
    return load_video_set(root)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoSet:
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def table(videos: VideoSet, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("scores")
    score_video_set(videos, out)
    return read_scores(out)


def test_scores_what_the_scorers_say(videos: VideoSet, table: pd.DataFrame) -> None:
    assert len(table) == 5 * len(SCORERS)
    truth = episode("test", 2, 3, n_frames=N_FRAMES)
    for scorer in SCORERS:
        expected = scorer.score(ScoringInput(truth.frames, 16.0, truth.caption))
        row = table[(table.prompt_id == "p3") & (table.dimension == scorer.dimension)].iloc[0]
        assert (None if pd.isna(row.value) else row.value) == expected.value
        assert (row.reason is None or pd.isna(row.reason)) == (expected.value is not None)
        assert (row.scorer_id, row.video_sha256) == (scorer.scorer_id, videos.rows[3].sha256)


def test_summary_and_protocol(videos: VideoSet, tmp_path: Path) -> None:
    summary = score_video_set(videos, tmp_path)
    assert summary == (5, (), ())
    card = read_protocol(tmp_path)
    assert card.scorers == {scorer.dimension: scorer.scorer_id for scorer in SCORERS}
    assert card.generation == videos.protocol.generation


def test_shards_merge_to_the_same_table(videos: VideoSet, table: pd.DataFrame, tmp_path: Path) -> None:
    counts = [score_video_set(videos, tmp_path, Shard(index, 2), videos_per_file=1).n_scored for index in (1, 0)]
    assert counts == [2, 3]
    pd.testing.assert_frame_equal(read_scores(tmp_path), table, check_exact=True)


def test_resumes_after_an_interruption(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def interrupted(path: Path, *, expect_frames: int | None = None) -> object:
        opened.append(path.name)
        if len(opened) == 4:
            raise KeyboardInterrupt
        return read_video(path, expect_frames=expect_frames)

    monkeypatch.setattr("probekit.evaluation.scoring.video.read_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_video_set(videos, tmp_path, videos_per_file=2)
    assert len(read_scores(tmp_path)) == 3 * len(SCORERS)
    assert score_video_set(videos, tmp_path).n_scored == 5
    assert len(opened) == 6
    pd.testing.assert_frame_equal(read_scores(tmp_path), table, check_exact=True)
    assert score_video_set(videos, tmp_path).n_scored == 5
    assert len(opened) == 6


def test_one_broken_video_costs_one_line(tmp_path: Path) -> None:
    videos = make_set(tmp_path, 4)
    broken, swapped = videos.root / videos.rows[1].path, videos.root / videos.rows[2].path
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    write_video(swapped, np.zeros((N_FRAMES, 32, 32, 3), np.uint8), 16.0)
    summary = score_video_set(videos, tmp_path)
    assert [failure.path for failure in summary.failures] == [broken, swapped]
    assert all("\n" not in failure.problem for failure in summary.failures)
    assert "changed" in summary.failures[1].problem
    assert (summary.n_scored, len(read_scores(tmp_path))) == (2, 2 * len(SCORERS))
    broken.write_bytes(whole)
    assert score_video_set(videos, tmp_path).n_scored == 3


def test_a_prompt_of_another_world_fails_alone(videos: VideoSet, tmp_path: Path) -> None:
    rows = (videos.rows[0].model_copy(update={"prompt": "a koala"}), *videos.rows[1:])
    summary = score_video_set(videos._replace(rows=rows), tmp_path)
    assert ["koala" in failure.problem for failure in summary.failures] == [True]
    assert summary.n_scored == 4


def test_a_video_made_again_is_scored_again(tmp_path: Path) -> None:
    score_video_set(make_set(tmp_path, 2), tmp_path)
    before = read_scores(tmp_path)
    write_manifest(tmp_path, [write_episode(tmp_path, 0), write_episode(tmp_path, 1, index=9)])
    score_video_set(load_video_set(tmp_path), tmp_path)
    after = read_scores(tmp_path)
    assert len(after) == len(before)
    pd.testing.assert_frame_equal(after[after.prompt_id == "p0"], before[before.prompt_id == "p0"])
    assert set(after.video_sha256) == {row.sha256 for row in load_video_set(tmp_path).rows}


def test_another_scorer_version_replaces_scores(videos: VideoSet, table: pd.DataFrame, tmp_path: Path) -> None:
    """Scores of older versions go; those of dimensions from elsewhere stay."""
    records = score_rows(table)
    old = [
        row._replace(scorer_id=row.scorer_id + ".older", value=None, numerator=None, denominator=None, reason="old")
        for row in records
    ]
    foreign = [row._replace(dimension="psnr", scorer_id="psnr") for row in records[:1]]
    write_scores(tmp_path / "scores" / "old.parquet", [*old, *foreign])
    score_video_set(videos, tmp_path)
    found = read_scores(tmp_path)
    assert found.dimension.tolist().count("psnr") == 1
    pd.testing.assert_frame_equal(found[found.dimension != "psnr"].reset_index(drop=True), table)


def test_another_set_does_not_take_over_the_folder(videos: VideoSet, tmp_path: Path) -> None:
    score_video_set(videos, tmp_path)
    other = videos.protocol.model_copy(update={"generation": GenerationCard(frames=N_FRAMES, seed=1)})
    with pytest.raises(UserError, match="seed"):
        score_video_set(videos._replace(protocol=other), tmp_path)


def test_a_real_suite_names_what_it_cannot_score(videos: VideoSet, tmp_path: Path) -> None:
    prompts = videos.protocol.prompts.model_copy(update={"suite": "custom"})
    custom = videos._replace(protocol=videos.protocol.model_copy(update={"prompts": prompts}))
    summary = score_video_set(custom, tmp_path)
    assert set(read_scores(tmp_path).dimension) == {"temporal_flickering"}
    assert len(summary.not_run) == 15


def test_scorers_keep_the_protocol() -> None:
    scorers: tuple[Scorer, ...] = SCORERS
    assert all(scorer.unit and scorer.range == (0.0, 1.0) and scorer.needs for scorer in scorers)


def make_long_set(root: Path, n_frames: int = 41) -> VideoSet:
    """Two videos of more than two clips of 2 s at 8 frames per second."""
    rows = []
    for number in range(2):
        truth, key = episode("test", 2, number, n_frames=n_frames), SampleKey("sprite-test", f"p{number}", 0)
        write_video(root / video_path(key), truth.frames, 8.0)
        path = video_path(key)
        rows.append(describe_video(root, path, key, model="m", training_run="r", horizon="5s", prompt=truth.caption))
    write_manifest(root, rows)
    write_protocol(root, ProtocolCard(prompts=PromptsCard(file_hash="ab", suite="sprite-test", n_prompts=2, samples=1)))
    return load_video_set(root)


def test_clips_are_scored_each_and_named(tmp_path: Path) -> None:
    videos, out = make_long_set(tmp_path / "set"), tmp_path / "scores"
    assert score_video_set(videos, out, clips="vbench-long").n_scored == 2
    table = read_scores(out)
    assert len(table) == 2 * 3 * len(SCORERS)
    truth = episode("test", 2, 1, n_frames=41)
    for scorer in SCORERS:
        rows = table[(table.prompt_id == "p1") & (table.dimension == scorer.dimension)]
        spans = ((0, 16), (16, 32), (25, 41))
        expected = [scorer.score(ScoringInput(truth.frames[a:b], 8.0, truth.caption)).value for a, b in spans]
        assert [None if pd.isna(value) else value for value in rows.value] == expected
        assert set(rows.scorer_id) == {f"{scorer.scorer_id}+clips=vbench-long-2s"}
    card = read_protocol(out)
    assert (card.clip_rule, set(card.scorers.values())) == ("vbench-long", set(table.scorer_id))


def test_another_clip_rule_replaces_the_scores(tmp_path: Path) -> None:
    videos = make_long_set(tmp_path / "set")
    orders: list[list[ClipRule]] = [["whole", "vbench-long"], ["vbench-long", "whole"]]
    for number, rules in enumerate(orders):
        out, fresh = tmp_path / f"changed{number}", tmp_path / f"fresh{number}"
        for rule in rules:
            score_video_set(videos, out, clips=rule)
        score_video_set(videos, fresh, clips=rules[-1])
        pd.testing.assert_frame_equal(read_scores(out), read_scores(fresh), check_exact=True)


def test_clip_rules_do_not_compare(tmp_path: Path) -> None:
    videos = make_long_set(tmp_path / "set")
    for rule in get_args(ClipRule):
        score_video_set(videos, tmp_path / rule, clips=rule)
    cards = [read_protocol(tmp_path / rule) for rule in get_args(ClipRule)]
    assert mismatches(*cards)[0] == ("clip_rule", "whole", "vbench-long")


def test_clip_boundaries_stand_beside_the_scores(tmp_path: Path) -> None:
    run = make_long_set(tmp_path / "set").root
    score_run(run, clips="vbench-long")
    lines = (run / "clips.csv").read_text().splitlines()
    assert lines[0] == "video,clip,start,stop"
    assert lines[1:4] == [f"sprite-test__p0__000.mp4,{clip}" for clip in ("0,0,16", "1,16,32", "2,25,41")]
    score_run(run)
    assert not (run / "clips.csv").exists()
