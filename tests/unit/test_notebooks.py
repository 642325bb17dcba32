import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from probekit.reporting.comparison_io import write_comparison
from tests.helpers.places import REPOSITORY
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table

NOTEBOOKS = REPOSITORY / "notebooks"
METHOD = "Video-Mirai"


def test_comparison_notebook_runs_on_a_stored_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.05})])
    write_comparison(tmp_path, record_of(table, [METHOD]))
    monkeypatch.setenv("PROBEKIT_COMPARISON_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(NOTEBOOKS.parent), os.environ.get("PYTHONPATH", "")]))
    notebook = read_notebook(NOTEBOOKS / "compare_two_models.ipynb")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    shown = "\n".join(str(output.get("data", {})) for output in outputs)
    assert "higher in color" in shown
    assert f"color: {METHOD} - {BASELINE}" in shown


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    notebook = read_notebook(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[] for _ in code]
    assert [cell.execution_count for cell in code] == [None for _ in code]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert isinstance(notebook, nbformat.NotebookNode)
    return notebook
