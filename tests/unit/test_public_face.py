"""The names for users from Python: they load when they are used, they are what they say, and the examples run."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.arrays import compare_means
from tests.helpers.places import REPOSITORY

FACES = ("models", "probing", "reporting", "rollout", "run_folder", "statistics", "suites")
PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
LIGHT = "import sys\n{}\nassert not {{'torch', 'pandas', 'matplotlib', 'diffusers'}} & set(sys.modules)"


def run(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_the_one_of_its_module(face: str) -> None:
    package = importlib.import_module(f"probekit.{face}")
    stub = ast.parse((REPOSITORY / "probekit" / face / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(package.__all__) == sorted(homes)
    for name, module in homes.items():
        assert getattr(package, name) is getattr(importlib.import_module(f"probekit.{face}.{module}"), name)
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018


@pytest.mark.parametrize("face", FACES)
def test_a_public_name_is_no_module_of_its_package(face: str) -> None:
    """Else importing the module would put it in the name's place."""
    modules = {path.stem for path in (REPOSITORY / "probekit" / face).glob("*.py")}
    assert modules & set(importlib.import_module(f"probekit.{face}").__all__) == set()


def test_importing_a_face_loads_nothing_that_is_not_used() -> None:
    run(LIGHT.format("\n".join(f"import probekit.{face}" for face in FACES)))


def test_the_page_names_every_face() -> None:
    assert set(re.findall(r"^\| `probekit\.(\w+)`", PAGE, flags=re.MULTILINE)) == set(FACES)


def test_the_bootstrap_example_takes_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    example = next(example for example in EXAMPLES if "compare_means" in example)
    assert len([line for line in example.splitlines() if line]) == 3
    rng = generator("arrays", 1)
    baseline = rng.uniform(size=40)
    names = {"baseline": baseline, "ours": baseline + 0.1 + 0.01 * rng.normal(size=40)}
    exec(example, names)
    printed = re.fullmatch(r"\+(\S+) \[\+(\S+), \+(\S+)\]\n", capsys.readouterr().out)
    assert printed is not None
    assert float(printed[2]) < float(printed[1]) < float(printed[3])
    assert float(printed[1]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.long
def test_the_probe_example_takes_ten_statements(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = next(example for example in EXAMPLES if "probe_values" in example)
    statements = [node for node in ast.parse(example).body if not isinstance(node, ast.ImportFrom)]
    assert len(statements) <= 10
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    values = names["values"]
    assert isinstance(values, pd.DataFrame)
    assert values[values.source == "trained"].prompt_id.nunique() == 2
    assert "copy of the current frame" in capsys.readouterr().out


def test_the_table_example_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    exec(next(example for example in EXAMPLES if "Column" in example), {})
    assert "| ours | 81.20 |" in capsys.readouterr().out


def test_arrays_are_compared_as_scipy_does() -> None:
    rng = generator("arrays", 2)
    a, b = rng.normal(0.3, 1.0, 60), rng.normal(0.0, 1.0, 60)
    found = compare_means(a, b, seed=3)
    expected = stats.bootstrap((a - b,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    assert found.difference == pytest.approx((a - b).mean())
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.05)
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.03)
    assert compare_means(b, a, seed=3).difference == pytest.approx((b - a).mean())
    assert compare_means(list(a), list(b), seed=3) == found


def test_five_prompts_have_no_interval() -> None:
    found = compare_means([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.5, 2.0, 3.0, 4.5])
    assert (found.low, found.star) == (None, False)
    assert found.reason is not None


@pytest.mark.parametrize(
    ("a", "b", "named"),
    [
        ([1.0, 2.0], [1.0], r"\(2,\) and \(1,\)"),
        ([[1.0], [2.0]], [[1.0], [2.0]], "cannot be paired"),
        ([1.0, float("nan")], [1.0, 2.0], "NaN"),
        ([1.0, float("inf")], [1.0, 2.0], "infinite"),
    ],
)
def test_arrays_that_cannot_be_paired_are_refused(a: list[float], b: list[float], named: str) -> None:
    with pytest.raises(UserError, match=named):
        compare_means(a, b)


@pytest.mark.parametrize("settings", [{"replicates": 1}, {"level": 1.0}, {"level": 0.0}])
def test_settings_without_an_interval_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match="give no interval"):
        compare_means([1.0, 2.0], [0.0, 1.0], **settings)  # type: ignore[arg-type]
