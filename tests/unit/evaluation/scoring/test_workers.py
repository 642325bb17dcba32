"""Scoring by several processes, killed ones, broken scorers: the table is the same, and nothing is done twice."""

import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.evaluation.scorer import Score, ScorerSet, WeightFreeScorer
from probekit.evaluation.scoring.runner import ScoringSummary, score_video_set
from probekit.evaluation.scoring.worker_pool import Died, Finished, Message, WorkerPool
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.score_store import ScoreStore
from probekit.run_folder.score_table import ScoreRow, read_scores
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoSet
from probekit.visible_gpus import gpu_of, take_own_gpu
from tests.helpers.logged_scorers import DIMENSIONS, Plan, scorers_of
from tests.helpers.places import REPOSITORY
from tests.helpers.video_set_files import write_set

PROMPTS = tuple(f"p{number}" for number in range(6))
KILLED_RUN = """
import os, sys
from functools import partial
from pathlib import Path
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.shard import Shard
from probekit.evaluation.scoring.runner import score_video_set
from tests.helpers.logged_scorers import Plan, scorers_of
if __name__ == "__main__":
    root, out, log, kill_after, workers, shard = sys.argv[1:]
    os.environ["KILL"] = str(os.getpid())
    plan = Plan(Path(log), kill_after=int(kill_after))
    score_video_set(
        load_video_set(Path(root)), Path(out), Shard(0, 2) if shard == "shard" else None,
        workers=int(workers) or None, scorers=partial(scorers_of, plan),
    )
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoSet:
    root = tmp_path_factory.mktemp("set")
    write_set(root, PROMPTS)
    return load_video_set(root)


@pytest.fixture(scope="module")
def table(videos: VideoSet, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("scores")
    run(videos, out, Plan(out / "log"))
    return read_scores(out)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path / "log")


def run(
    videos: VideoSet, out: Path, plan: Plan, shard: Shard | None = None, *, workers: int | None = None, batch: int = 25
) -> ScoringSummary:
    scorers = partial(scorers_of, plan)
    return score_video_set(videos, out, shard, workers=workers, scorers=scorers, videos_per_file=batch)


def broken(plan: Plan, **faults: str) -> Plan:
    return Plan(plan.log, {name.replace("_", " "): fault.replace("_", " ") for name, fault in faults.items()})


def expect_table(out: Path, table: pd.DataFrame, without: tuple[tuple[str, str], ...] = ()) -> None:
    lost = [(row.dimension, row.prompt_id) in without for row in table.itertuples()]
    expected = table[[not this for this in lost]].reset_index(drop=True)
    pd.testing.assert_frame_equal(read_scores(out), expected, check_exact=True)


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_makes_the_same_table(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, workers: int
) -> None:
    assert run(videos, tmp_path, plan, workers=workers, batch=2) == (len(PROMPTS), (), ())
    expect_table(tmp_path, table)
    assert Counter(plan.calls()) == Counter(f"{name} {prompt}" for name in DIMENSIONS for prompt in PROMPTS)


@pytest.mark.long
def test_shards_in_processes_of_their_own_merge_to_the_same_table(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path
) -> None:
    """Three machines, as it were, at the same time; the last has two workers."""
    script = KILLED_RUN.replace('Shard(0, 2) if shard == "shard" else None', "Shard(int(shard), 3)")
    arguments = [(videos.root, tmp_path, tmp_path / "log", 10_000, 2 if i == 2 else 0, i) for i in range(3)]
    started = [start(script, *map(str, each)) for each in arguments]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    expect_table(tmp_path, table)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["killed", "ended", "defect"])
def test_a_video_that_kills_its_worker_is_named_and_the_rest_is_scored(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, fault: str
) -> None:
    summary = run(videos, tmp_path, broken(plan, b_p1=fault), workers=2)
    how = {"killed": "killed by SIGKILL", "ended": "exit status 3", "defect": "exit status 1"}[fault]
    assert [failure.path for failure in summary.failures] == [videos.root / videos.rows[1].path]
    assert "before b was scored" in summary.failures[0].problem
    assert summary.failures[0].problem.endswith(how)
    assert summary.n_scored == len(PROMPTS) - 1
    expect_table(tmp_path, table, (("b", "p1"), ("c", "p1")))
    assert Counter(plan.calls())["a p1"] == 1  # what the dead process had finished is not done again


@pytest.mark.long
def test_a_worker_that_dies_once_is_reported_and_its_video_scored(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "probekit")
    assert run(videos, tmp_path, broken(plan, b_p1="once_killed", a_p4="once_ended"), workers=2).failures == ()
    expect_table(tmp_path, table)
    reported = [record.getMessage() for record in caplog.records]
    assert len(reported) == 2
    assert any(videos.rows[1].path in line and "SIGKILL" in line for line in reported)


@pytest.mark.long
@pytest.mark.parametrize("workers", [None, 1])
def test_a_broken_dimension_does_not_take_the_others(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, workers: int | None
) -> None:
    summary = run(videos, tmp_path, broken(plan, b_p1="refused", c_p2="not_a_number"), workers=workers)
    first, second = (failure.problem for failure in summary.failures)
    assert first == "b: ValueError: this video is strange"
    assert "value is not finite" in second
    expect_table(tmp_path, table, (("b", "p1"), ("c", "p2")))
    before = plan.calls()
    assert run(videos, tmp_path, plan).failures == ()  # mended: only what is missing is scored
    assert plan.calls()[len(before) :] == ["b p1", "c p2"]
    expect_table(tmp_path, table)


@pytest.mark.parametrize(("workers", "shard"), [(0, "all"), (0, "shard"), (2, "all")])
def test_killed_at_half_and_run_again_repeats_nothing(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, workers: int, shard: str
) -> None:
    """SIGKILL to the process that scores or hands out; what a worker has in hand then may be done twice, no more."""
    arguments = (videos.root, tmp_path, plan.log, 8, workers, shard)
    assert start(KILLED_RUN, *map(str, arguments)).wait(timeout=120) == -9
    assert len(plan.calls()) >= 8
    run(videos, tmp_path, plan)
    expect_table(tmp_path, table)
    calls = Counter(plan.calls())
    assert len(calls) == len(DIMENSIONS) * len(PROMPTS)
    assert calls.total() - len(calls) <= workers
    assert run(videos, tmp_path, plan).n_scored == len(PROMPTS)
    assert Counter(plan.calls()) == calls


def test_half_a_line_of_a_killed_writer_is_passed_over(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan
) -> None:
    journal = tmp_path / "scores" / "shard-1-of-7.journal.jsonl"
    journal.parent.mkdir()
    journal.write_text('["base", "r0", "sprite-t')
    run(videos, tmp_path, plan)
    expect_table(tmp_path, table)


def test_a_second_run_reads_no_video_and_makes_no_worker(
    videos: VideoSet, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(videos, tmp_path, plan)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("nothing is missing")

    monkeypatch.setattr("probekit.evaluation.scoring.video.read_video", refuse)
    monkeypatch.setattr("probekit.evaluation.scoring.worker_pool._CONTEXT.Process", refuse)
    for workers in (None, 2):
        assert run(videos, tmp_path, plan, workers=workers).n_scored == len(PROMPTS)


@pytest.mark.long
def test_a_second_run_of_the_command_loads_neither_torch_nor_a_decoder(videos: VideoSet, tmp_path: Path) -> None:
    shutil.copytree(videos.root, tmp_path / "run")
    card = tmp_path / "run" / "protocol.json"
    card.write_text(card.read_text().replace("sprite-test", "custom"))
    script = (
        "import sys; from probekit.cli.main import app;"
        "import probekit.evaluation.scoring.video as scoring; reads = []; read = scoring.read_video;"
        "scoring.read_video = lambda *a, **k: (reads.append(a), read(*a, **k))[1];"
        "code = 0\ntry: app()\nexcept SystemExit as end: code = end.code\n"
        "print(code, len(reads), sorted({'torch', 'diffusers', 'lpips'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, "score", str(tmp_path / "run")]
    lines = [
        subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        for _ in range(2)
    ]
    assert lines == [f"0 {len(PROMPTS)} []", "0 0 []"]


def test_a_video_is_scored_in_its_planned_dimensions_alone(videos: VideoSet, tmp_path: Path, plan: Plan) -> None:
    from probekit.suites.vbench import dimensions_by_entry

    named = tuple(sorted({name for names in dimensions_by_entry().values() for name in names}))
    ids = ("0000", "0500", "9999")
    rows = [
        row.model_copy(update={"suite": "vbench", "prompt_id": prompt_id})
        for row, prompt_id in zip(videos.rows, ids, strict=False)
    ]
    all_dimensions = Plan(plan.log, dimensions=named)
    summary = run(videos._replace(rows=tuple(rows)), tmp_path, all_dimensions)
    found = read_scores(tmp_path).groupby("prompt_id")["dimension"].agg(frozenset).to_dict()
    assert found == {prompt_id: dimensions_by_entry()[prompt_id] for prompt_id in ids[:2]}
    assert len(plan.calls()) == sum(map(len, found.values()))
    assert ["9999" in failure.problem for failure in summary.failures] == [True]


def test_shards_after_a_killed_whole_run_repeat_nothing(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan
) -> None:
    arguments = (videos.root, tmp_path, plan.log, 7, 0, "all")
    assert start(KILLED_RUN, *map(str, arguments)).wait(timeout=120) == -9
    for index in range(3):
        run(videos, tmp_path, plan, shard=Shard(index, 3))
    expect_table(tmp_path, table)
    assert set(Counter(plan.calls()).values()) == {1}


def test_workers_take_turns_with_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert [gpu_of(slot) for slot in range(3)] == ["3", "5", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_of(0) is None


def test_a_rank_of_torchrun_sees_its_own_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    take_own_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,6"
    monkeypatch.setenv("LOCAL_RANK", "2")
    take_own_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"


@pytest.mark.long
def test_each_process_of_the_pool_sees_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with WorkerPool[str, str](device_reader, 2) as pool:
        for task in ("x", "y"):
            pool.submit(task)
        events = list(pool.events())
    seen = {event.content for event in events if isinstance(event, Message)}
    assert seen == {"3", "5"}
    assert [type(event) for event in events].count(Finished) == 2
    assert not any(isinstance(event, Died) for event in events)


def device_reader() -> "partial[list[str]]":
    return partial(read_device)


def read_device(task: str) -> list[str]:
    return [os.environ["CUDA_VISIBLE_DEVICES"]]


def start(script: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Run a script file, which spawned processes can import again."""
    folder = Path(arguments[1])
    folder.mkdir(exist_ok=True)
    path = folder / f"run-{arguments[-1]}.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, str(path), *arguments], env=environment)


def test_a_scorer_knows_which_dimensions_are_asked_of_its_video(videos: VideoSet, tmp_path: Path) -> None:
    asked: list[frozenset[str] | None] = []

    def noting() -> ScorerSet:
        scorers = [
            WeightFreeScorer(name, "rgb.1", frozenset({"frames"}), lambda video: note(video.dimensions))
            for name in ("a", "b")
        ]
        return ScorerSet(tuple(scorers), ())

    def note(dimensions: frozenset[str] | None) -> Score:
        asked.append(dimensions)
        return Score(0.5)

    one = videos._replace(rows=videos.rows[:1])
    run(one, tmp_path, Plan(tmp_path / "log", dimensions=("a",)))
    score_video_set(one, tmp_path, scorers=noting)
    assert asked == [frozenset({"b"})]


def test_the_commands_options_reach_the_scorers(
    videos: VideoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, ...]] = []

    def scorers(*arguments: object) -> ScorerSet:
        seen.append(arguments)
        return ScorerSet((), ())

    monkeypatch.setattr("probekit.evaluation.scoring.runner.scorers_for", scorers)
    target = tmp_path / "run"
    shutil.copytree(videos.root, target)
    options = ["--backend", "fast", "--device", "cpu", "--bf16", "--unverified-weights"]
    result = CliRunner().invoke(app, ["score", str(target), *options])
    assert result.exit_code == 0, result.output
    settings = FastSettings(device="cpu", precision="bfloat16", unverified_weights=True)
    assert seen == [("sprite-test", "fast", settings)]
    refused = CliRunner().invoke(app, ["score", str(target), "--device", "tpu"])
    assert refused.exit_code == 2
    assert "device" in refused.output


@pytest.mark.long
@pytest.mark.dist
def test_ranks_of_torchrun_share_the_videos(videos: VideoSet, tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    for target in (one, many):
        shutil.copytree(videos.root, target)
        card = target / "protocol.json"
        card.write_text(card.read_text().replace("sprite-test", "custom"))
    assert CliRunner().invoke(app, ["score", str(one)]).exit_code == 0
    script = tmp_path / "run_command.py"
    script.write_text("from probekit.cli.main import app\napp()\n")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, str(script), "score", str(many)], env=environment, check=True, timeout=120)
    writers = {path.name.rpartition("-")[0] for path in (many / "scores").iterdir()}
    assert writers == {"shard-0-of-2", "shard-1-of-2"}
    pd.testing.assert_frame_equal(read_scores(many), read_scores(one), check_exact=True)


@pytest.mark.parametrize("workers", [None, 1])
def test_a_scorer_that_takes_too_long_is_given_up_and_reported(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, workers: int | None
) -> None:
    slow = partial(scorers_of, broken(plan, b_p1="slow"))
    summary = score_video_set(videos, tmp_path, workers=workers, scorers=slow, seconds=1)
    (failure,) = summary.failures
    assert failure == (videos.root / videos.rows[1].path, "b: no score within 1 s; it was given up")
    expect_table(tmp_path, table, (("b", "p1"),))


@pytest.mark.long
def test_a_scorer_that_never_comes_back_is_ended_with_its_process(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a video on which two dimensions hang, the third is not tried; of another, only the dimension is lost."""
    monkeypatch.setattr("probekit.evaluation.scoring.queue.SECONDS_OF_GRACE", 1.0)
    plan = Plan(plan.log, {"a p1": "stuck", "b p1": "stuck", "a p3": "stuck"})
    started = time.monotonic()
    summary = score_video_set(videos, tmp_path, workers=2, scorers=partial(scorers_of, plan), seconds=8)
    assert time.monotonic() - started < 300
    problems = {failure.path: failure.problem for failure in summary.failures}
    assert set(problems) == {videos.root / videos.rows[number].path for number in (1, 3)}
    assert re.fullmatch(
        r"a: no score within \d+ s; its process did not answer and was ended",
        problems[videos.root / videos.rows[3].path],
    )
    expect_table(tmp_path, table, (("a", "p1"), ("b", "p1"), ("c", "p1"), ("a", "p3")))
    assert multiprocessing.active_children() == []
    run(videos, tmp_path, Plan(plan.log))
    expect_table(tmp_path, table)


@pytest.mark.long
def test_an_interruption_ends_the_workers_and_keeps_what_they_did(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ScoreStore.add
    kept: list[ScoreRow] = []

    def interrupted(store: ScoreStore, row: ScoreRow) -> None:
        if len(kept) == 5:
            raise KeyboardInterrupt
        kept.append(row)
        add(store, row)

    monkeypatch.setattr(ScoreStore, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(videos, tmp_path, plan, workers=2)
    assert multiprocessing.active_children() == []
    assert len(read_scores(tmp_path)) == 5
    monkeypatch.setattr(ScoreStore, "add", add)
    run(videos, tmp_path, plan)
    expect_table(tmp_path, table)


def test_files_that_another_writer_removes_meanwhile_are_passed_over(
    videos: VideoSet, table: pd.DataFrame, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [tmp_path / "scores" / name for name in ("shard-0-of-2-0000.parquet", "shard-0-of-2.journal.jsonl")]
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [*glob(folder, pattern), *named(gone, pattern)])
    run(videos, tmp_path, plan)
    monkeypatch.undo()
    expect_table(tmp_path, table)


def named(paths: list[Path], pattern: str) -> list[Path]:
    return [path for path in paths if path.match(pattern)]
