"""Journals: a damaged line costs itself."""

import json
import logging
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from probekit.errors import UserError
from probekit.journal import Journal, read_journal
from tests.helpers.refusals import CHANGES, Change, changed


def written(path: Path, values: list[object]) -> Path:
    journal = Journal(path, synced=False)
    for value in values:
        journal.append(value)
    journal.close()
    return path


def values_of(path: Path) -> list[object]:
    return [entry.value for entry in read_journal(path)]


def test_lines_come_back_and_numpys_numbers_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "new" / "a.jsonl", [1, "two\nlines", None, np.float64(0.5), [np.int64(3)]])
    assert values_of(path) == [1, "two\nlines", None, 0.5, [3]]
    assert values_of(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("damage", [b"\0\0\0\0\0\n", b"garbage\n", b"[1, \n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_line_is_named_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n' + damage + b'{"b": 2}\n')
    assert values_of(path) == [{"a": 1}, {"b": 2}]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{path}, line 2 is damaged and left out")


def test_who_appends_to_half_a_line_begins_a_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n[2, ")
    assert values_of(path) == [1]
    written(path, [3])
    assert path.read_bytes() == b"1\n[2, \n3\n"
    assert values_of(path) == [1, 3]


def test_a_full_disk_leaves_the_lines_before_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [1, 2])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal(path, synced=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Cannot write .*a\.jsonl: file size limit exceeded"):
            journal.append("x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        journal.close()
    assert values_of(path) == [1, 2]
    assert values_of(written(path, [3])) == [1, 2, 3]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_any_bytes_are_a_journal_and_untouched_lines_survive(tmp_path: Path, changes: list[Change]) -> None:
    values: list[object] = [{"step": number, "loss": number / 7} for number in range(12)]
    path = written(tmp_path / "a.jsonl", values)
    before = path.read_bytes()
    path.write_bytes(changed(before, changes))
    whole = set(path.read_bytes().split(b"\n")[:-1]) & set(before.splitlines())
    found = [json.dumps(value).encode() for value in values_of(path)]
    assert whole <= set(found)
    path.unlink()
