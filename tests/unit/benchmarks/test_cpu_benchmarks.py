"""The benchmarks of a CPU run to their end at small size, and their helpers count right."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import bootstrap, compare, growth, live, probing
from benchmarks.arithmetic import operations, product_speed
from benchmarks.children import Cost, cost_of_command, costs_in_child, print_costs
from benchmarks.growth_steps import STEPS
from benchmarks.machine import instruction_sets, machine_line
from benchmarks.rollout import bound_line, pays_after
from benchmarks.rollout_speed import CHUNKS, Measured, streaming_operations
from tests.helpers.places import REPOSITORY

REPORTS = REPOSITORY / "reports" / "benchmarks"


@pytest.fixture
def reports() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in REPORTS.glob("*.md")}


def small_run(module: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["benchmark", "--small"])
    vars(module)["main"]()
    return capsys.readouterr().out


@pytest.mark.long
def test_growth_runs_at_small_size_and_writes_no_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reports: dict[str, str]
) -> None:
    """In this process: eight that load torch would take half a minute."""
    monkeypatch.setattr(growth, "costs_in_child", lambda module, given: growth.measured(given[1], int(given[2])))
    text = small_run(growth, capsys, monkeypatch)
    for step in STEPS.values():
        assert f"| {step.unit} | {' | '.join(map(str, step.small))}".replace("3200", "3,200") in text
    for piece in (
        "import",
        "manifest check",
        "score",
        "score again",
        "stream",
        "read",
        "compare",
        "report",
        "load",
        "capture",
    ):
        assert f"| {piece}, s |" in text
        assert f"| {piece}, MB |" in text
    assert {path.name: path.read_text(encoding="utf-8") for path in REPORTS.glob("*.md")} == reports


@pytest.mark.long
def test_a_rollout_of_ours_has_fewer_operations_and_no_layer_is_left_out() -> None:
    """A chunk: 3 frames of 64 tokens; products: 4 of self-attention, 2 of cross-attention, 2 of 4 widths."""
    one, two = streaming_operations(1), streaming_operations(2)
    products = 2 * 192 * (4 + 2 + 8) * 256**2
    for way in ("plain", "ours"):
        passes = (two[way] - one[way]) / (products * CHUNKS)
        assert 4 < passes < 9, "4 passes of products, the clean one, and attention"
    assert two["ours"] < two["plain"]


def test_the_bound_is_operations_over_speed() -> None:
    line = bound_line({"plain": 14 * 10**9, "ours": 7 * 10**9}, 1e10)
    assert "2.0 GFLOP in the plain way and 1.0 in ours, 0.50 of it" in line
    assert "cannot take less than 100 ms" in line


def test_the_products_of_a_fit_are_counted_as_by_hand() -> None:
    """Nine decoders, 1,024 rows: three products forward, three of weights and two of inputs backward."""
    first, second, last = (a * b for a, b in ((probing.INPUTS, 128), (128, 128), (128, probing.OUTPUTS)))
    step = 9 * 1024 * 2 * (2 * first + 3 * second + 3 * last)
    assert probing.fit_operations() == probing.BUDGET.steps * step


@pytest.mark.long
def test_what_a_loop_could_lose_stands_beside_what_it_lost() -> None:
    text = "\n".join(probing.report(120.0, 20.0, 30.0, 44.0))
    assert "| one site, one by one | 30.0 | 1.50 |" in text
    assert "busy processes | 44.0 | 2.20 |" in text
    assert f"{probing.fit_operations() / 1e12:.2f} TFLOP" in text


@pytest.mark.long
def test_the_live_view_runs_at_small_size(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = small_run(live, capsys, monkeypatch)
    assert "| two models in step | 2 | 6 |" in text


def test_a_pace_is_frames_over_seconds() -> None:
    assert live.Pace([0.5, 1.0, 2.0], 12).row(16.0) == "12.0 | 6.0 | 0.75"


@pytest.mark.long
def test_compare_runs_at_small_size(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = small_run(compare, capsys, monkeypatch)
    assert "| every prompt in every dimension | 800 | paper |" in text
    assert "| VBench's own list | 160 | paper |" in text


def test_bootstrap_runs_at_small_size(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = small_run(bootstrap, capsys, monkeypatch)
    assert all(f"| {name} |" in text for name in ("paper", "joint", "two-level"))
    assert machine_line() in text


def test_the_plain_loops_spread_as_the_bootstraps_that_they_are_held_against() -> None:
    pairs = bootstrap.vbench_pairs()
    for seeds, resampling in ((False, "paper"), (True, "two-level")):
        loop = bootstrap.plain_loop(pairs, 200, seeds=seeds).std(ddof=1)
        assert loop == pytest.approx(bootstrap.measured(pairs, resampling, 400).error, rel=0.2)


def test_a_report_of_some_steps_keeps_the_sections_of_the_others(tmp_path: Path) -> None:
    sections = {"Report": ["On b.", "", "| prompts |"], "Videos": ["On a.", "", "| videos |", "", "| more |"]}
    (tmp_path / "growth.md").write_text("\n".join(growth.report(sections)))
    assert growth.read_sections(tmp_path / "growth.md") == sections
    assert growth.read_sections(tmp_path / "none.md") == {}
    text = (REPORTS / "growth.md").read_text(encoding="utf-8")
    assert "\n".join(growth.report(growth.read_sections(REPORTS / "growth.md"))) == text


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_exponent_is_found(power: float) -> None:
    sizes = (10, 100, 1000)
    assert growth.exponent(sizes, [3.0 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)
    assert math.isnan(growth.exponent(sizes, [0.0, 1.0, 2.0]))


def test_the_flags_of_a_processor_name_its_instruction_sets() -> None:
    found = instruction_sets("model name : x\nflags\t\t: fpu avx avx2 avx512f amx_tile\nflags : none\n")
    assert found == {"AVX2": True, "AVX-512": True, "AVX-512 bf16": False, "AMX": False}
    assert not any(instruction_sets("").values())


def test_operations_of_products_and_attention_are_counted() -> None:
    a, q = torch.rand(3, 5), torch.rand(2, 4, 6, 8)
    assert operations(lambda: a @ a.T) == 2 * 3 * 5 * 3
    with torch.no_grad():
        attention = operations(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))
    assert attention == 2 * 2 * (2 * 4) * 6 * 6 * 8
    assert product_speed((16,), 1) > 0


def test_memory_of_a_call_is_what_it_adds() -> None:
    """In a process of its own: in one that has freed as much before, memory need not rise."""
    code = (
        "import numpy as np\nfrom benchmarks.children import cost_of_call, print_costs\nkept = []\n"
        "cost = cost_of_call(lambda: kept.append(np.ones(4_000_000)))\n"
        "print_costs({'array': cost, 'nothing': cost_of_call(lambda: None)})\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = {name: Cost(*cost) for name, cost in json.loads(printed.stdout).items()}
    assert 25 < found["array"].megabytes < 60
    assert found["nothing"].megabytes < 5


def test_costs_travel_from_a_child_as_they_were_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {"read": Cost(0.25, 3.0), "compare": Cost(1.5, 0.0)}
    print_costs(costs)
    (tmp_path / "printing.py").write_text(f"print('first')\nprint({capsys.readouterr().out!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert costs_in_child("printing", []) == costs


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        cost_of_command([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
    assert isinstance(cost_of_command([sys.executable, "-c", ""], tmp_path), Cost)


def test_compiling_pays_when_it_has_saved_what_it_took() -> None:
    def one(warm_up: float, chunk: float) -> Measured:
        return Measured(warm_up, [chunk] * CHUNKS, torch.zeros(1))

    assert pays_after(one(0.7, 0.1), one(20.7, 0.05)) == "300 s"  # 20 s lost, 0.05 s won per chunk of 0.75 s
    assert pays_after(one(0.7, 0.1), one(20.7, 0.1)) == "never"
