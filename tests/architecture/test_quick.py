"""What `make quick` runs is found from imports alone, and it loads no network."""

import subprocess
import sys

import pytest

from tests.helpers.places import REPOSITORY
from tests.helpers.quick import is_quick, left_out_text

TESTS = REPOSITORY / "tests"


@pytest.mark.parametrize(
    ("file", "quick"),
    [
        ("architecture/test_code_rules.py", True),
        ("unit/test_seeding.py", True),
        ("unit/statistics/test_paired_bootstrap.py", True),
        ("unit/reporting/test_table.py", True),
        ("unit/models/test_video_codecs.py", False),
        ("unit/trainer/test_commands.py", False),
        ("unit/test_notebooks.py", False),
        ("equivalence/test_vbench_long.py", False),
        ("distributed/test_two_processes.py", False),
    ],
)
def test_files_are_told_apart_by_what_they_import(file: str, quick: bool) -> None:
    assert is_quick(TESTS / file) == quick


def test_a_file_that_reaches_torch_through_a_helper_is_not_quick() -> None:
    """`model_folders` imports the models, and the test imports nothing else that is heavy."""
    text = "from tests.helpers.model_folders import write_tiny_model\n"
    path = TESTS / "unit" / "test_reaching.py"
    assert not is_quick(path, text)
    assert is_quick(path, "from tests.helpers.places import REPOSITORY\n")
    assert not is_quick(path, "def test_x():\n    import torch\n")


@pytest.mark.long
def test_importing_the_quick_files_loads_no_torch() -> None:
    """The choice by reading agrees with what importing does."""
    files = [path for path in sorted(TESTS.rglob("test_*.py")) if is_quick(path)]
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files]
    code = f"import sys, importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    code += "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def test_what_is_left_out_is_counted_by_folder() -> None:
    files = [TESTS / "unit/models/test_a.py", TESTS / "unit/models/test_b.py", TESTS / "browser/test_c.py"]
    assert left_out_text(files).startswith("left out: 3 test files")
    assert "(browser 1, unit/models 2)" in left_out_text(files)
