"""What follows a checkpoint is repeated by the next run if it was interrupted; one training writes a folder."""

from pathlib import Path

import pytest
import torch

from probekit import folder_lock
from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.models.loading import load_transformer
from tests.unit.trainer.engine.test_loop import clips, config  # noqa: F401
from trainer.config.recipe import BidirectionalConfig
from trainer.engine.checkpoint import checkpoint_paths
from trainer.engine.loop import Ending, run
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
