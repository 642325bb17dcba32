"""The GPU benchmarks at tiny size: the same code, a table for each step, and a failure that costs one step alone."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import facts, parity, streaming
from benchmarks.gpu.__main__ import STEPS, all_steps
from benchmarks.gpu.distillation import StageTimes
from benchmarks.gpu.sizes import TINY


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]


def test_facts_name_the_speed_of_products_and_copies(tmp_path: Path) -> None:
    found = dict(cells(facts.run(TINY, tmp_path, 60)))
    assert float(found["fp32 product"].split()[0]) >= 0
    assert {"bf16 product", "TF32 product", "copy", "torch"} <= set(found)


@pytest.mark.long
def test_the_device_gives_the_streams_of_the_cpu(tmp_path: Path) -> None:
    found = {(against, precision): float(value) for against, precision, value in cells(parity.run(TINY, tmp_path, 60))}
    assert all(value < 1e-4 for (_, precision), value in found.items() if precision == "float32")
    assert all(value < 0.2 for value in found.values())


def test_streaming_counts_cache_writes_and_frames() -> None:
    times = streaming.ChunkTimes(denoise=[0.4, 0.5], write=[0.1, 0.1], decode=[0.0, 0.0])
    assert times.totals(counted=True) == pytest.approx([0.5, 0.6])
    assert times.totals(counted=False) == pytest.approx([0.4, 0.5])
    line = streaming.row("eager", times, counted=True)
    assert line[2] == f"{(12 + 9) / 1.1:.1f}"  # the first latent frame of a video gives one frame, not four
    assert line[3] == f"{12 / 0.6:.1f}"


@torch.no_grad()
def test_a_streamed_video_has_a_time_for_every_chunk() -> None:
    model, noise = streaming.random_student(TINY), streaming.StoredNoise(TINY)
    text = torch.randn(1, TINY.text_tokens, TINY.student["text_dim"])
    found = streaming.eager_times(streaming.new_rollout(model, text, noise, TINY), None, TINY)
    assert len(found.denoise) == len(found.write) == TINY.chunks
    assert min(found.denoise) > 0


def test_a_line_through_two_depths_gives_the_whole_model() -> None:
    two, four = StageTimes(3, 2, 1, 10, 10), StageTimes(5, 3, 1, 14, 12)
    assert two.at_depth(four, (2, 4), 30) == StageTimes(31, 16, 1, 66, 38)
    assert two.cycle == 3 + 5 * 2 + 4 * 1


@pytest.mark.long
def test_a_failing_step_costs_itself_alone_and_finished_steps_are_passed_over(tmp_path: Path) -> None:
    for name in STEPS:
        if name not in {"facts", "parity"}:
            (tmp_path / f"{name}.md").write_text("measured before\n")
    (tmp_path / "facts.md").mkdir()  # its table cannot be written
    lines = dict(line.split(": ", 1) for line in all_steps(tmp_path, minutes=5, tiny=True))
    assert lines["facts"].startswith("failed: exit status")
    assert not lines["parity"].startswith("failed")
    assert "largest difference" in (tmp_path / "parity.md").read_text()
    assert {lines[name] for name in STEPS if name not in {"facts", "parity"}} == {"done before"}


def test_without_time_nothing_is_started(tmp_path: Path) -> None:
    lines = all_steps(tmp_path, minutes=0, tiny=True)
    assert all(line.endswith("no time left") for line in lines)


@pytest.mark.long
def test_no_step_needs_what_a_bare_gpu_machine_lacks() -> None:
    """PyAV is a wheel of 35 MB, so it does not travel with the checkout."""
    modules = [f"benchmarks.gpu.{path.stem}" for path in Path(facts.__file__).parent.glob("[a-z]*.py")]
    names = [*modules, "trainer.cli", "trainer.launch", "trainer.engine.loop"]
    program = f"""
import importlib, sys
sys.modules["av"] = None
for name in {names}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
