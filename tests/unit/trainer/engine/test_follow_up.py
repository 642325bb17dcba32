"""What follows a checkpoint is repeated by the next run if interrupted: exports, logs, evaluations, selection."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from probekit import folder_lock
from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.models.loading import load_transformer
from tests.unit.trainer.engine.test_loop import clips, config  # noqa: F401
from tests.unit.trainer.stages.test_asymmetric_dmd import dmd_config, dmd_stage, folders  # noqa: F401
from trainer.config.recipe import BidirectionalConfig
from trainer.config.watch import WatchConfig
from trainer.distributed.world import SINGLE
from trainer.engine.checkpoint import CheckpointWriter, checkpoint_paths
from trainer.engine.evaluation_hook import Watcher
from trainer.engine.follow_up import FollowUp
from trainer.engine.loop import Ending, run
from trainer.engine.tracking import Tracker
from trainer.launch import LOCK, train_from_recipe
from trainer.stages.bidirectional import BidirectionalStage


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs, whoever catches what."""


class KilledAtExport(BidirectionalStage):
    """Comes to its end when it should export for the n-th time."""

    exports_left = 0

    def export(self, folder: Path) -> None:
        if not self.exports_left:
            raise Killed
        self.exports_left -= 1
        super().export(folder)


def expect_last_export(stage: BidirectionalStage, run_folder: Path) -> None:
    exported, average = load_transformer(run_folder / "export").state_dict(), stage.ema.model.state_dict()
    for name, tensor in exported.items():
        assert torch.equal(tensor, average[name].bfloat16().float()), name


@pytest.mark.long
@pytest.mark.parametrize("exports", [0, 1])
def test_killed_between_checkpoint_and_export_ends_with_the_last_export(
    config: BidirectionalConfig,  # noqa: F811
    tmp_path: Path,
    exports: int,
) -> None:
    """Checkpoints are at steps 3 and 6: without mending, the folder would keep no export, or that of step 3."""
    victim = KilledAtExport(config)
    victim.exports_left = exports
    with pytest.raises(Killed):
        run(victim, config, tmp_path)
    assert (tmp_path / "export").exists() == bool(exports)
    assert checkpoint_paths(tmp_path / "checkpoints")[-1].name == f"step-000000{3 * (1 + exports)}"
    stage = BidirectionalStage(config)
    assert run(stage, config, tmp_path) is Ending.COMPLETE
    expect_last_export(stage, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("content", ["{", '{"step": 3}'])
def test_a_damaged_note_costs_one_export(
    config: BidirectionalConfig,  # noqa: F811
    tmp_path: Path,
    content: str,
) -> None:
    stage = BidirectionalStage(config)
    run(stage, config, tmp_path)
    first = exported_at(tmp_path)
    run(BidirectionalStage(config), config, tmp_path)
    assert exported_at(tmp_path) == first, "a finished run exports nothing again"
    (tmp_path / "followed_up.json").write_text(content)
    run(BidirectionalStage(config), config, tmp_path)
    assert exported_at(tmp_path) > first
    expect_last_export(stage, tmp_path)


def exported_at(folder: Path) -> int:
    return (folder / "export" / "model_index.json").stat().st_mtime_ns


def test_what_is_no_export_is_not_replaced(config: BidirectionalConfig, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"mine holds thesis\.tex, and no earlier export"):
        BidirectionalStage(config).export(tmp_path / "mine")


WATCH = {"samples_every": 2, "evaluate_every": 1, "prompts": 2, "sheet_prompts": 1, "select": "best_total"}


@pytest.mark.long
@pytest.mark.parametrize("place", ["_draw", "_select"])
def test_a_killed_evaluation_is_repeated(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    settings = dmd_config(folders, steps=2, critic_updates=1, checkpoint_every=2, watch=WATCH)
    whole = vars(Watcher)[place]

    def killed(watcher: Watcher, *arguments: Any) -> None:
        step = arguments[0].step if place == "_select" else arguments[0]
        if step == 2:
            raise Killed
        whole(watcher, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Watcher, place, killed)
        with pytest.raises(Killed):
            run(dmd_stage(settings), settings, tmp_path)
    run(dmd_stage(settings), settings, tmp_path)
    chosen = json.loads((tmp_path / "selection.json").read_text())
    assert [entry["step"] for entry in chosen["evaluated"]] == [1, 2]
    assert (tmp_path / "samples" / "step-0000002.png").exists()
    assert {path.name for path in (tmp_path / "exports").iterdir()} == {"step-0001", "step-0002"}
    of_evaluations = [
        all(name.startswith("evaluation_") for name in record.keys() - {"step"}) for record in log_of(tmp_path)
    ]
    assert sum(of_evaluations) == 2, "each evaluation is logged once"
    (tmp_path / "selection.json").write_text("{")
    (tmp_path / "followed_up.json").unlink()
    run(dmd_stage(settings), settings, tmp_path)
    assert json.loads((tmp_path / "selection.json").read_text()) == chosen, "made again from the scores"


def log_of(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_resumed_run_logs_every_step_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Tracker(tmp_path) as tracker:
        for step in range(1, 6):
            tracker.log(step, loss=1 / step)
        tracker.log(3, evaluation_total=7.0)
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('\0\0\0\n{"step": 2}garbage\n["step"]\n{"step": 6, "lo')
    with Tracker(tmp_path, first=3) as tracker:
        tracker.log(3, evaluation_total=7.0)
        for step in range(4, 7):
            tracker.log(step, loss=2 / step)
    losses = [{"step": step, "loss": (1 if step < 4 else 2) / step} for step in range(1, 7)]
    assert log_of(tmp_path) == [*losses[:3], {"step": 3, "evaluation_total": 7.0}, *losses[3:]]
    superseded = (tmp_path / "metrics.superseded.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in superseded] == [{"step": step, "loss": 1 / step} for step in (4, 5)]
    assert {int(line.split("line ")[1].split(" ")[0]) for line in caplog.messages} == {7, 8, 10}
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss")] == list(range(1, 7))


def test_a_second_training_in_a_folder_is_refused_before_anything_is_loaded(
    config: BidirectionalConfig,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folder_lock, "_SECONDS_TO_TRY", 0.0)
    monkeypatch.setattr("trainer.launch.build_stage", lambda *arguments: pytest.fail("loads"))
    with sole_writer(tmp_path / "run" / LOCK, tmp_path / "run"):
        with pytest.raises(UserError, match="run is being written by process"):
            train_from_recipe(tmp_path / "tiny.yaml", tmp_path / "run", [])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_checkpoint_that_does_not_fit_is_one_line_and_leaves_the_one_before(
    config: BidirectionalConfig,  # noqa: F811
    tmp_path: Path,
    asynchronous: bool,
) -> None:
    stage = BidirectionalStage(config)
    folder = tmp_path / "checkpoints"
    (folder / "step-0000000.partial").mkdir(parents=True)
    writer = CheckpointWriter(folder, SINGLE, keep=1, asynchronous=asynchronous)
    writer.save(1, stage.training_state(), "")
    writer.finish()
    problem = r"Cannot write .*step-0000002: file size limit exceeded"
    with largest_file(20_000), pytest.raises(UserError, match=problem):  # noqa: PT012 (it may come from either)
        writer.save(2, stage.training_state(), "")
        writer.finish()
    assert [path.name for path in folder.iterdir()] == ["step-0000001"]


class DrawsAtExport:
    """A stage whose export draws random numbers, as opening a model does."""

    def export(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.rand(3)


def test_what_follows_a_checkpoint_leaves_the_random_state_as_it_was(tmp_path: Path) -> None:
    watcher = Watcher(WatchConfig(), tmp_path, "model")
    follow_up = FollowUp(DrawsAtExport(), tmp_path, watcher, SINGLE, lambda done, values: None)
    before = torch.get_rng_state()
    follow_up.after_checkpoint(3)
    assert torch.equal(torch.get_rng_state(), before)
