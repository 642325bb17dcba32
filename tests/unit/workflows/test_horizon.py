"""From run folders, tables and files to the tables and figures of `probekit horizon`."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.long_horizon.curves import FirstLast, first_last
from probekit.evaluation.long_horizon.diagnosis import DiagnosisSettings, VideoDiagnosis, diagnose
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES, frame_statistics
from probekit.media.video_files import write_video
from probekit.reporting.horizon_figures import curves_figure, similarity_figure
from probekit.reporting.horizon_record import HorizonRecord
from probekit.reporting.horizon_tables import detection_rows, horizon_markdown
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import describe_video, video_path
from probekit.seeding import generator
from probekit.sprite_world.episodes import episode
from probekit.statistics.interval_choice import TOO_FEW_FOR_INTERVAL
from probekit.statistics.paired_means import paired_means
from probekit.workflows.horizon import diagnose_sources, horizon_record, open_sources

N_FRAMES = 97
FPS = 8.0


def frames_of(prompt: int, drift: float = 0.0) -> NDArray[np.uint8]:
    frames = episode("test", 3, prompt, n_frames=N_FRAMES).frames
    shifted: NDArray[np.uint8] = (
        (frames + np.linspace(0, drift, N_FRAMES)[:, None, None, None]).clip(0, 255).astype("u1")
    )
    return shifted


def make_run(root: Path, model: str, drift: float, prompts: int = 2, horizon: str = "12s") -> Path:
    rows = []
    for number in range(prompts):
        key = SampleKey("sprite-test", f"p{number}", 0)
        write_video(root / video_path(key), frames_of(number, drift), FPS)
        path = video_path(key)
        rows.append(describe_video(root, path, key, model=model, training_run="r", horizon=horizon, prompt="a"))
    write_manifest(root, rows)
    card = ProtocolCard(prompts=PromptsCard(file_hash="ab", suite="sprite-test", n_prompts=prompts, samples=1))
    write_protocol(root, card)
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("runs")
    return make_run(root / "base", "base", 0.0), make_run(root / "ours", "ours", 60.0)


@cache
def small_diagnosis(prompt: int, drift: float) -> VideoDiagnosis:
    statistics = frame_statistics(frames_of(prompt, drift + prompt)[::2], FPS / 2)
    return diagnose("m", f"p{prompt}", 0, statistics, settings=DiagnosisSettings(window=2.0))


def small_diagnoses(prompts: int, drift: float, label: str) -> list[VideoDiagnosis]:
    return [small_diagnosis(prompt, drift)._replace(label=label) for prompt in range(prompts)]


@pytest.mark.long
def test_command_writes_tables_and_figures(runs: tuple[Path, Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["horizon", *map(str, runs), "--out", str(tmp_path), "--replicates", "200"])
    assert result.exit_code == 0, result.output
    assert "ours, p0 0: drift: " in result.output
    assert "diagnosed 4 of 4 videos" in result.output
    for name in ("curves.png", "similarity.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    curves = pd.read_parquet(tmp_path / "curves.parquet")
    assert len(curves) == 4 * len(QUANTITIES) * 12
    one = curves[(curves.label == "ours") & (curves.prompt_id == "p1") & (curves.quantity == "brightness")]
    expected = frame_statistics(frames_of(1, 60.0), FPS).curves["brightness"]
    np.testing.assert_allclose(one.value, [expected[k * 8 : k * 8 + 8].mean() for k in range(12)])
    for name in ("curves", "similarity", "detections", "changes"):
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            assert len(list(csv.reader(file))) == 1 + len(pd.read_parquet(tmp_path / f"{name}.parquet"))
    page = (tmp_path / "horizon.md").read_text()
    assert "| video | freeze (≥ 1 s) |" in page
    assert "| brightness | ours - base |" in page


@pytest.mark.long
def test_changes_are_paired_over_prompts() -> None:
    base, ours = small_diagnoses(7, 5.0, "base"), small_diagnoses(7, 40.0, "ours")
    record = horizon_record([*base, *ours], seed=3, replicates=500)
    rows = {(row.label, row.baseline): row for row in record.changes if row.quantity == "brightness"}
    brightness = [frame_statistics(frames_of(n, 40.0 + n)[::2], FPS).curves["brightness"] for n in range(7)]
    ends = [first_last(curve, FPS / 2, 2.0) for curve in brightness]
    changes = [end.change for end in ends if end is not None]
    assert rows["ours", None].change == pytest.approx(np.mean(changes))
    difference = rows["ours", "base"]
    ours_change, base_change = rows["ours", None].change, rows["base", None].change
    assert ours_change is not None
    assert base_change is not None
    assert difference.change == pytest.approx(ours_change - base_change)
    assert difference.star
    assert (difference.n_prompts, difference.first, difference.last) == (7, None, None)
    again = horizon_record([*ours, *base], seed=3, replicates=500)
    mirrored = next(row for row in again.changes if row.baseline == "ours" and row.quantity == "brightness")
    assert difference.low is not None
    assert mirrored.high == pytest.approx(-difference.low)


def test_three_prompts_have_no_interval() -> None:
    record = horizon_record(small_diagnoses(3, 40.0, "ours"), replicates=200)
    assert all((row.low, row.star, row.reason) == (None, False, TOO_FEW_FOR_INTERVAL) for row in record.changes)
    assert TOO_FEW_FOR_INTERVAL in horizon_markdown(record)


def test_samples_of_a_prompt_count_once() -> None:
    first, second = small_diagnoses(2, 0.0, "m")
    twin = second._replace(prompt_id="p0", sample=1)
    row = next(r for r in horizon_record([first, twin], replicates=100).changes if r.quantity == "contrast")
    ends = [one.changes["contrast"] for one in (first, twin)]
    assert row.n_prompts == 1
    assert row.change == pytest.approx(np.mean([end.change for end in ends if end is not None]))


def test_paired_means_equal_the_two_step_calculation() -> None:
    a, b = generator("paired", 1).normal(size=(2, 9))
    found = paired_means("x", a, b, rng=generator("rng"), replicates=4000)
    assert found.difference == pytest.approx((a - b).mean())
    assert found.standard_error == pytest.approx((a - b).std() / 3, rel=0.05)
    assert paired_means("x", a[:0], b[:0], rng=generator("rng")).n_prompts == 0


@pytest.mark.long
def test_a_broken_video_costs_one_line(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "broken", "broken", 0.0)
    video = next(iter(sorted((run / "videos").iterdir())))
    video.write_bytes(video.read_bytes()[:500])
    result = CliRunner().invoke(app, ["horizon", str(run), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert f"error: {video}" in result.stderr
    assert "diagnosed 1 of 2 videos" in result.output


def test_sources_are_labelled_apart(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, "m", 0.0, prompts=1, horizon=long) for name, long in (("a", "5s"), ("b", "30s"))]
    assert [source.label for source in open_sources(runs).sources] == ["m 5s", "m 30s"]
    same = [runs[0], make_run(tmp_path / "c", "m", 0.0, prompts=1, horizon="5s")]
    assert [source.label for source in open_sources(same).sources] == ["a", "c"]
    with pytest.raises(UserError, match="called 'a'"):
        open_sources([runs[0], runs[0]])


def test_a_single_file_and_a_table_are_read_too(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", frames_of(0), FPS)
    (tmp_path / "videos.csv").write_text(
        "file,prompt_id,prompt,horizon,model\nclip.mp4,a,A clip,5s,m\nabsent.mp4,b,None,5s,m\n"
    )
    opened = open_sources([tmp_path / "clip.mp4", tmp_path / "videos.csv"])
    assert [(source.label, len(source.rows)) for source in opened.sources] == [("clip", 1), ("m", 1)]
    assert [problem.path.name for problem in opened.problems] == ["absent.mp4"]
    diagnoses, problems = diagnose_sources(opened.sources)
    assert problems == []
    np.testing.assert_equal(diagnoses[0].seconds, diagnoses[1].seconds)


def test_features_replace_pixels_in_the_similarity(runs: tuple[Path, Path], tmp_path: Path) -> None:
    sources = open_sources([runs[0]]).sources
    folder = tmp_path / "base"
    folder.mkdir()
    for number, frames in enumerate((N_FRAMES, N_FRAMES - 1)):
        vectors = generator("features", number).normal(size=(frames, 4))
        np.save(folder / f"{SampleKey('sprite-test', f'p{number}', 0).filename().removesuffix('.mp4')}.npy", vectors)
    diagnoses, problems = diagnose_sources(sources, features=tmp_path)
    assert [problem.problem for problem in problems] == ["Features of shape (96, 4) do not fit a video of 97 frames."]
    unit = generator("features", 0).normal(size=(N_FRAMES, 4))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert diagnoses[0].similarity[0].cosine == pytest.approx((unit[1:] * unit[:-1]).sum(axis=1).mean())
    assert diagnoses[0].similarity[0].ssim is None
    assert len(similarity_figure(horizon_record(diagnoses, replicates=100)).axes) == 1


def test_chunk_length_and_window_are_used() -> None:
    statistics = frame_statistics(frames_of(0, 9.0), FPS)
    long, short = (diagnose("m", "p", 0, statistics, settings=DiagnosisSettings(n, 2.0 * n)) for n in (3, 1))
    assert long.detections[3].where != short.detections[3].where
    changes = long.changes["brightness"], short.changes["brightness"]
    assert changes == (first_last(statistics.curves["brightness"], FPS, 6.0), short.changes["brightness"])
    assert changes[0] != changes[1]
    assert isinstance(changes[1], FirstLast)


def test_figures_draw_every_video_and_mean() -> None:
    record = horizon_record([*small_diagnoses(2, 0.0, "a"), *small_diagnoses(2, 9.0, "b$")], replicates=100)
    panels = [axes for axes in curves_figure(record).axes if axes.get_visible()]
    assert len(panels) == len(QUANTITIES)
    assert all(len(axes.lines) == 4 + 2 for axes in panels)
    assert [len(axes.lines) for axes in similarity_figure(record).axes] == [4 + 2, 4 + 2]


def test_too_short_videos_say_so() -> None:
    short = diagnose("m", "p", 0, frame_statistics(frames_of(0)[:12], FPS))
    record = horizon_record([short], replicates=100)
    assert all(row.n_prompts == 0 and row.change is None for row in record.changes)
    assert "n/a: shorter than 10 s" in horizon_markdown(record)
    assert len(list(detection_rows(record))) == 5


def test_nothing_to_diagnose_is_an_error() -> None:
    with pytest.raises(UserError, match="No video"):
        horizon_record([])
    assert HorizonRecord._fields[0] == "labels"
