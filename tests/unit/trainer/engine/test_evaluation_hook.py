"""What a run shows of itself: logs, contact sheets, evaluations, the selected export, a tracking service."""

import json
import sys
import types
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.score_table import read_scores
from probekit.suites.registry import load_suite
from tests.unit.trainer.stages.test_asymmetric_dmd import FORESIGHT, dmd_config, dmd_stage, folders  # noqa: F401
from trainer.cli import app
from trainer.config.choices import ServiceName
from trainer.engine.evaluation_hook import Evaluated, selection
from trainer.engine.loop import run
from trainer.engine.tracking import Tracker, open_service


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
def test_a_run_draws_evaluates_and_selects(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    watch = {"samples_every": 1, "evaluate_every": 2, "prompts": 2, "sheet_prompts": 1, "select": "best_total"}
    config = dmd_config(folders, foresight=FORESIGHT, steps=2, latent_frames=6, watch=watch)
    run(dmd_stage(config), config, tmp_path)
    for step in (1, 2):
        assert (tmp_path / "samples" / f"step-000000{step}.png").read_bytes().startswith(b"\x89PNG")
        assert len(load_video_set(tmp_path / "samples" / f"step-000000{step}").rows) == 1
    assert (tmp_path / "exports" / "step-0002" / "causal.json").is_file()
    chosen = json.loads((tmp_path / "selection.json").read_text())
    assert (chosen["rule"], chosen["selected"]["step"], chosen["runner_up"]) == ("best_total", 2, None)
    assert len(read_scores(tmp_path / "evaluations" / "step-0000002" / "scores")) == 2 * 10


@pytest.mark.long
def test_the_suite_of_the_recipe_is_sampled(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    """`sprite-30s`, not the default; the same prompts and noise at every step, so that sheets can be compared."""
    watch = {"samples_every": 1, "suite": "sprite-30s", "sheet_prompts": 1}
    config = dmd_config(folders, steps=1, watch=watch)
    run(dmd_stage(config), config, tmp_path)
    found = load_video_set(tmp_path / "samples" / "step-0000001")
    assert found.protocol.generation.frames == 489
    assert [row.prompt for row in found.rows] == [load_suite("sprite-30s").prompts[0].text]


def test_every_step_logs_what_it_took_and_every_rate(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    config = dmd_config(folders, foresight=FORESIGHT, steps=1)
    run(dmd_stage(config), config, tmp_path)
    first = records(tmp_path)[0]
    tokens = 2 * 6 * 16 * (1 + config.critic_updates)
    assert first["tokens_per_second"] * first["seconds"] == pytest.approx(tokens)
    assert first["peak_memory_mib"] > 10
    assert 0 < first["processor_seconds"] < first["seconds"] * torch.get_num_threads() * 2
    assert first["critic_generator_ratio"] == pytest.approx(first["critic_loss"] / first["dmd_loss"])
    names = {
        "learning_rate",
        "critic_learning_rate",
        "foresight_learning_rate",
        "gradient_norm",
        "critic_gradient_norm",
    }
    assert names | {"foresight_gradient_norm", "foresight_gate_0", "foresight_cosine_chunk_0"} <= first.keys()


def test_the_rule_selects_and_the_runner_up_is_recorded() -> None:
    entries = [Evaluated(1, 1.0, 1.0, 5.0), Evaluated(2, 1.0, 1.0, 7.0), Evaluated(3, None, None, None)]
    best = selection(entries, "best_total")
    assert (best["selected"]["step"], best["runner_up"]["step"]) == (2, 1)
    last = selection(entries, "last")
    assert (last["selected"]["step"], last["runner_up"]["step"]) == (3, 2)
    assert selection([Evaluated(1, 0, 0, 5.0), Evaluated(2, 0, 0, 5.0)], "best_total")["selected"]["step"] == 2


class Recorder(types.ModuleType):
    """A service in memory, with the calls that W&B and trackio share."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[Any] = []

    def init(self, **values: Any) -> None:
        self.calls.append(("init", values))

    def log(self, values: dict[str, float], step: int) -> None:
        self.calls.append(("log", values, step))

    def finish(self) -> None:
        self.calls.append(("finish",))


@pytest.mark.parametrize("name", get_args(ServiceName))
def test_a_service_gets_every_record_of_the_main_process(
    name: ServiceName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(name)
    monkeypatch.setitem(sys.modules, name, recorder)
    with Tracker(tmp_path / "run", True, open_service(name), {"seed": 0}) as tracker:
        tracker.log(3, loss=0.5)
    expected = ("init", {"project": "probekit", "name": "run", "config": {"seed": 0}})
    assert recorder.calls == [expected, ("log", {"loss": 0.5}, 3), ("finish",)]
    with Tracker(tmp_path / "other", False, open_service(name)) as tracker:
        tracker.log(3, loss=0.5)
    assert len(recorder.calls) == 3


def test_a_missing_service_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="needs the package wandb") as missing:
        open_service("wandb")
    assert missing.value.fix == "Run `pip install wandb`."


@pytest.mark.long
def test_the_same_seed_gives_the_same_log_and_another_does_not(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    """What the numbers are is held by the logs under `tests/golden/training`."""
    config = dmd_config(folders, foresight=FORESIGHT, steps=2)
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        run(dmd_stage(config.model_copy(update={"seed": seed})), config, tmp_path / name)
    reference = str(tmp_path / "first")
    agreed = CliRunner().invoke(app, ["compare-logs", str(tmp_path / "again"), reference, "--rtol", "1e-6"])
    assert agreed.exit_code == 0, agreed.output
    differing = CliRunner().invoke(app, ["compare-logs", str(tmp_path / "other"), reference, "--rtol", "0.02"])
    assert differing.exit_code == 1
    assert differing.output.startswith("step 1: ")
