import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import compare_videos, reference_metrics
from probekit.evaluation.reference.pairing import pair_folders
from probekit.evaluation.reference.scoring import PairScores, score_folder_pairs
from probekit.media.video_files import write_video
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import PromptsCard, protocol_card, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import ScoreRow, read_scores, write_scores
from probekit.run_folder.video_set import describe_video, video_path

METRICS = reference_metrics()
MSE, PSNR, _ = METRICS


def video(seed: int, shape: tuple[int, ...] = (3, 16, 16, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_set(root: Path, model: str, seeds: dict[str, int]) -> None:
    rows = []
    for prompt_id, seed in seeds.items():
        key = SampleKey("toy", prompt_id, 0)
        write_video(root / video_path(key), video(seed), 16.0)
        rows.append(
            describe_video(root, video_path(key), key, model=model, training_run="r", horizon="5s", prompt=prompt_id)
        )
    write_manifest(root, rows)
    write_protocol(root, protocol_card(PromptsCard(file_hash="0", suite="toy", n_prompts=len(seeds), samples=1)))


def by_prompt(scores: PairScores, dimension: str) -> dict[str, ScoreRow]:
    return {row.prompt_id: row for row in scores.rows if row.dimension == dimension}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    samples, reference = tmp_path / "student", tmp_path / "teacher"
    for name, seed in [("a clip", 1), ("b/c", 2)]:
        write_video(samples / f"{name}.mp4", video(seed), 16.0)
        write_video(reference / f"{name}.mkv", video(seed + 10), 16.0)
    return samples, reference


def test_files_are_paired_by_name_and_averaged_over_frames(folders: tuple[Path, Path]) -> None:
    scores = score_folder_pairs(*folders, METRICS)
    assert len(scores.rows) == 2 * len(METRICS)
    assert scores.unmatched_references == ()
    for metric in METRICS:
        rows = by_prompt(scores, metric.name)
        assert set(rows) == {"a clip", "b/c"}
        for prompt_id, seed in [("a clip", 1), ("b/c", 2)]:
            assert rows[prompt_id].value == compare_videos(metric, video(seed + 10), video(seed)).value
    row = scores.rows[0]
    assert (row.model, row.suite, row.sample, row.reason) == ("student", "custom", 0, None)


def test_rows_fit_the_score_table(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(folders[0] / "a clip.mp4", folders[1] / "a clip.mkv")  # PSNR becomes null with a reason
    rows = score_folder_pairs(*folders, METRICS).rows
    write_scores(tmp_path / "scores.parquet", rows)
    table = read_scores(tmp_path / "scores.parquet")
    assert len(table) == len(rows)
    null = table[table["value"].isna()]
    assert null["dimension"].tolist() == ["psnr"]
    assert null["reason"].tolist() == ["identical frames: 3 of 3"]


def test_missing_partners_are_rows_with_a_reason(folders: tuple[Path, Path]) -> None:
    samples, reference = folders
    (reference / "a clip.mkv").rename(reference / "other.mkv")
    scores = score_folder_pairs(samples, reference, [MSE])
    rows = by_prompt(scores, "mse")
    assert rows["a clip"].value is None
    assert rows["a clip"].reason == "no partner for a clip in the reference set"
    assert rows["b/c"].value is not None
    assert scores.unmatched_references == (reference / "other.mkv",)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((2, 16, 16, 3), "The sample has 3 frames, its reference 2."),
        ((3, 16, 32, 3), "The sample is 16x16 px, its reference 32x16 px."),
    ],
)
def test_unlike_videos_are_rows_with_a_reason(folders: tuple[Path, Path], shape: tuple[int, ...], reason: str) -> None:
    samples, reference = folders
    write_video(reference / "a clip.mkv", video(5, shape), 16.0)
    rows = by_prompt(score_folder_pairs(samples, reference, [MSE]), "mse")
    assert (rows["a clip"].value, rows["a clip"].reason) == (None, reason)
    assert rows["b/c"].value is not None


def test_broken_files_do_not_stop_the_others(folders: tuple[Path, Path]) -> None:
    samples, reference = folders
    (samples / "a clip.mp4").write_bytes(b"")
    rows = by_prompt(score_folder_pairs(samples, reference, [MSE]), "mse")
    assert rows["a clip"].reason is not None
    assert "a clip.mp4 is empty" in rows["a clip"].reason
    assert rows["b/c"].value is not None


def test_an_explicit_resize_is_recorded(folders: tuple[Path, Path]) -> None:
    samples, reference = folders
    write_video(reference / "a clip.mkv", video(5, (3, 32, 32, 3)), 16.0)
    rows = by_prompt(score_folder_pairs(samples, reference, [PSNR], resize="bilinear"), "psnr")
    assert rows["a clip"].value is not None
    assert "+resize-bilinear+reference-" in rows["a clip"].scorer_id
    assert rows["a clip"].scorer_id == rows["b/c"].scorer_id


def test_another_reference_is_another_scorer(folders: tuple[Path, Path], tmp_path: Path) -> None:
    samples, reference = folders
    copied = tmp_path / "copied"
    shutil.copytree(reference, copied)
    first, same = (score_folder_pairs(samples, folder, [MSE]).rows[0].scorer_id for folder in (reference, copied))
    assert first == same
    write_video(copied / "a clip.mkv", video(7), 16.0)
    assert score_folder_pairs(samples, copied, [MSE]).rows[0].scorer_id != first


def test_video_sets_are_paired_by_key(tmp_path: Path) -> None:
    write_set(tmp_path / "a", "student", {"p1": 1, "p2": 2})
    write_set(tmp_path / "b", "teacher", {"p2": 12, "p3": 13})
    scores = score_folder_pairs(tmp_path / "a", tmp_path / "b", [MSE])
    rows = by_prompt(scores, "mse")
    assert rows["p2"].value == compare_videos(MSE, video(12), video(2)).value
    assert (rows["p2"].model, rows["p2"].suite, rows["p2"].horizon) == ("student", "toy", "5s")
    assert rows["p1"].reason == "no partner for toy__p1__000.mp4 clip 0 in the reference set"
    assert [path.name for path in scores.unmatched_references] == ["toy__p3__000.mp4"]


@pytest.mark.parametrize("plain_side", ["a", "b"])
def test_a_set_and_a_plain_folder_are_paired_by_name(tmp_path: Path, plain_side: str) -> None:
    write_set(tmp_path / "a", "student", {"p1": 1})
    write_set(tmp_path / "b", "teacher", {"p1": 11})
    plain = tmp_path / "plain"
    shutil.copytree(tmp_path / plain_side / "videos", plain)
    sides = {"a": tmp_path / "a", "b": tmp_path / "b"} | {plain_side: plain}
    row = score_folder_pairs(sides["a"], sides["b"], [MSE]).rows[0]
    assert (row.suite, row.prompt_id, row.sample) == ("toy", "p1", 0)
    assert row.value == compare_videos(MSE, video(11), video(1)).value
    assert row.model == ("plain" if plain_side == "a" else "student")


def test_a_video_changed_after_its_manifest_is_not_scored(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_set(tmp_path / name, name, {"p1": 1, "p2": 2})
    write_video(tmp_path / "b" / video_path(SampleKey("toy", "p1", 0)), video(3), 16.0)
    rows = by_prompt(score_folder_pairs(tmp_path / "a", tmp_path / "b", [MSE]), "mse")
    assert rows["p1"].reason is not None
    assert "changed after its manifest" in rows["p1"].reason
    assert rows["p2"].value == 0.0


def test_two_references_for_one_video_are_refused(folders: tuple[Path, Path]) -> None:
    samples, reference = folders
    shutil.copy(reference / "a clip.mkv", reference / "a clip.mp4")
    with pytest.raises(UserError, match="would both be the reference of 'a clip'"):
        pair_folders(samples, reference)


def test_two_videos_of_one_row_are_refused(folders: tuple[Path, Path]) -> None:
    samples, reference = folders
    for folder in ("x", "y"):
        (samples / folder).mkdir()
        shutil.copy(samples / "a clip.mp4", samples / folder / "toy__p1__000.mp4")
    with pytest.raises(UserError, match="would both be scored as 'y/toy__p1__000'"):
        pair_folders(samples, reference)


def test_folders_without_videos_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder .*absent"):
        pair_folders(folders[0], tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".tmp-1.mp4").write_bytes(b"")
    with pytest.raises(UserError, match="empty holds no video"):
        pair_folders(folders[0], tmp_path / "empty")
