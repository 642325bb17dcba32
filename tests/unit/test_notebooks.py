"""Notebooks answer what they open with: they run from any folder, draw where they are told, and hold no mathematics."""

import ast
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from probekit.errors import UserError
from probekit.reporting.comparison_io import write_comparison
from probekit.workflows.notebook import OUT_VARIABLE, RESULTS_VARIABLE, chosen_folder, out_folder, results_folder
from tests.helpers.places import REPOSITORY
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table

NOTEBOOKS = REPOSITORY / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
REPORTS = REPOSITORY / "reports" / "sprite"
METHOD = "Video-Mirai"

WRITES = {
    "compare_two_models": {"5s/differences.png"},
    "significance": {
        "5s/differences.png", "5s/resampling.csv", "5s/resampling.md", "5s/significance.csv", "5s/significance.md",
    },
    "vbench_tables": {
        "table08/table08.md", "table09/table09.md", "table15/table15.md", "drop/drop.csv", "drop/drop.md",
    },
    "future_frame_probes": {
        "probing/probes/frame/probes.png", "figure05/figure05-right.png", "appendixF/appendixF.pdf",
    },
    "futures": {
        "probing/futures/ranks.png", "probing/futures/futures.csv", "figure01/figure01.png", "figure06/figure06.svg",
    },
    "training_and_cost": {"training/curves.png", "training/cost_sprite.csv", "training/cost_wan.tex"},
    "your_videos": {
        "your_videos/differences.png", "your_videos/horizon/curves.png", "your_videos/horizon/curves.parquet",
        "your_videos/report/index.html",
    },
}  # fmt: skip
"""What each notebook writes, or some of it."""

SAME = {
    "5s/resampling.csv", "5s/significance.csv", "table08/table08.csv", "table09/table09.csv", "table15/table15.csv",
    "training/cost_sprite.csv", "training/cost_wan.csv", "probing/futures/futures.csv",
}  # fmt: skip
"""Tables of the reports that notebooks make again, number by number."""


def test_every_notebook_is_listed_here() -> None:
    assert {path.stem for path in PATHS} == WRITES.keys()
    assert all((REPORTS / name).is_file() for name in SAME)


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """A kernel that stays: what one notebook has imported, the next need not load."""
    manager = KernelManager(kernel_name="python3")
    places = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    manager.start_kernel(env=os.environ | {"PYTHONPATH": places})
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.mark.long
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_any_folder_and_draws_where_it_is_told(
    path: Path, tmp_path: Path, kernel: KernelManager
) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    outputs = executed(kernel, path, elsewhere, {OUT_VARIABLE: out})
    written = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert WRITES[path.stem] - written == set()
    assert list(elsewhere.iterdir()) == []
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert "text/markdown" in shown
    assert ("image/png" in shown) == any(name.endswith(".png") for name in WRITES[path.stem])
    for name in SAME & written:
        assert same_table(out / name, REPORTS / name), f"{name} of the reports is not what is drawn now"


def same_table(drawn: Path, stored: Path) -> bool:
    """Whether two CSV files agree; the last digits of a sum depend on the processor's instructions."""
    ours, theirs = ([line.split(",") for line in path.read_text().splitlines()] for path in (drawn, stored))
    return list(map(len, ours)) == list(map(len, theirs)) and all(
        _same_cell(one, other)
        for row, twin in zip(ours, theirs, strict=True)
        for one, other in zip(row, twin, strict=True)
    )


def _same_cell(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9)
    except ValueError:
        return False


def test_tables_agree_to_the_last_digits_and_no_further(tmp_path: Path) -> None:
    stored = tmp_path / "stored.csv"
    stored.write_text("name,mean\na,0.14508342761769016\n")
    for text, same in (
        ("name,mean\na,0.14508342761769\n", True), ("name,mean\na,0.1450834\n", False),
        ("name,mean\nb,0.14508342761769016\n", False), ("name,mean\n", False),
        ("name,mean\na,0.14508342761769016,1\n", False),
    ):  # fmt: skip
        drawn = tmp_path / "drawn.csv"
        drawn.write_text(text)
        assert same_table(drawn, stored) == same, text


@pytest.mark.slow
def test_the_comparison_notebook_reads_the_results_that_are_chosen(tmp_path: Path, kernel: KernelManager) -> None:
    results = tmp_path / "results" / "5s"
    table = score_table(results, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.05})])
    write_comparison(results, record_of(table, [METHOD]))
    places = {RESULTS_VARIABLE: tmp_path / "results", OUT_VARIABLE: tmp_path / "out"}
    outputs = executed(kernel, NOTEBOOKS / "compare_two_models.ipynb", tmp_path, places)
    shown = "\n".join(str(output.get("data", {})) for output in outputs)
    assert "higher in color" in shown
    assert f"color: mean over the videos of each prompt, in percent; {METHOD} - {BASELINE}" in shown


def executed(
    kernel: KernelManager, path: Path, folder: Path, places: Mapping[str, Path]
) -> list[nbformat.NotebookNode]:
    """The outputs of a notebook that ran in a folder, with variables for its places and no names of others."""
    notebook = read_notebook(path)
    variables = {name: str(place) for name, place in places.items()}
    others = [name for name in (OUT_VARIABLE, RESULTS_VARIABLE) if name not in places]
    start = "%reset -f\nimport os\n"
    start += f"os.chdir({str(folder)!r}); os.environ.update({variables!r})\n"
    start += f"for name in {others!r}: os.environ.pop(name, None)\n"
    notebook.cells.insert(0, new_code_cell(start))  # type: ignore[no-untyped-call]
    NotebookClient(notebook, km=kernel, timeout=300).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    notebook = read_notebook(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[] for _ in code]
    assert [cell.execution_count for cell in code] == [None for _ in code]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_what_it_answers(path: Path) -> None:
    first = read_notebook(path).cells[0]
    assert first.cell_type == "markdown"
    title, answers, *_ = first.source.split("\n\n")
    assert title.startswith("# ")
    assert answers.startswith("**Answers:** ")
    assert answers.endswith("?")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_and_its_script_agree(path: Path) -> None:
    """`jupytext --sync notebooks/*.py` makes them agree."""
    script = jupytext.read(path.with_suffix(".py"))
    both = [[(cell.cell_type, cell.source) for cell in one.cells] for one in (read_notebook(path), script)]
    assert both[0] == both[1]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_is_thin(path: Path) -> None:
    """No cell computes: it asks functions that have tests of their own. A slash joins paths."""
    code = [cell.source for cell in read_notebook(path).cells if cell.cell_type == "code"]
    assert arithmetic("\n".join(code)) == []


def arithmetic(source: str) -> list[str]:
    """Operations on numbers, and imports of packages that compute."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Div):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name in ("numpy", "scipy", "torch")]
    return found


def test_arithmetic_would_be_found() -> None:
    assert arithmetic("import numpy\nx = 100 * (a - b)\np = folder / 'name'") == ["numpy", "100 * (a - b)", "a - b"]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert isinstance(notebook, nbformat.NotebookNode)
    return notebook


@pytest.mark.long
def test_places_are_those_of_the_checkout_or_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (RESULTS_VARIABLE, OUT_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    assert (results_folder(), out_folder()) == (REPORTS, REPORTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(OUT_VARIABLE, "mine")
    assert out_folder() == tmp_path / "mine"
    monkeypatch.setenv(RESULTS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="There is no folder of results"):
        results_folder()
    monkeypatch.setenv(RESULTS_VARIABLE, "")
    assert chosen_folder(RESULTS_VARIABLE) is None
