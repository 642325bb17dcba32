import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from probekit.atomic_files import atomic_path, is_temporary, write_bytes, write_json, write_text
from probekit.errors import UserError

LIMITED_WRITE = """
import resource, sys
from pathlib import Path
from probekit.atomic_files import write_bytes
from probekit.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), bytes(5000))
except UserError as error:
    sys.stdout.write(error.problem)
"""


def test_target_appears_complete_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    write_text(target, "größe\n")
    assert target.read_bytes() == "größe\n".encode()
    assert list(target.parent.iterdir()) == [target]


def test_temporary_file_is_a_hidden_sibling_of_the_same_kind(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        temporary.write_bytes(b"x")
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".mp4")
        assert is_temporary(temporary)
        assert not (tmp_path / "clip.mp4").exists()
    assert not is_temporary(tmp_path / "clip.mp4")


def test_failure_keeps_the_old_file_and_leaves_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="broke"):
        _break_half_way(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def _break_half_way(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("broke")


def test_full_target_names_the_file_and_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", LIMITED_WRITE, str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"Cannot write {target}: file size limit exceeded."
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"taken/a\.txt: a file stands where a folder is needed"):
        write_bytes(tmp_path / "taken" / "a.txt", b"")


def test_target_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match="a folder stands where the file should be"):
        write_bytes(tmp_path / "a.txt", b"")


def test_unrelated_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()


def test_json_is_stable_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, None], "a": "é"})
    assert path.read_text(encoding="utf-8") == '{\n "a": "é",\n "b": [\n  1,\n  null\n ]\n}\n'


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_json_refuses_what_json_cannot_say(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"score": number})
    assert list(tmp_path.iterdir()) == []


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"x": 0.1, "rows": [{"a": True}, {}]}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == value
