"""No name that a file gives leads out of the folder that it is meant for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.user_files.inside import folder_names, inside

FOLDER = Path("/data/out")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a\\..\\..\\x",
        "..\\x",
        "C:\\x",
        "C:x",
        "\\\\server\\x",
        "a\0b",
        "a/..",
    ],
)
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"index\.json names .* no file inside /data/out"):
        inside(FOLDER, name, "index.json")


@given(st.text(max_size=30))
def test_any_name_stays_inside_or_is_refused(name: str) -> None:
    try:
        path = inside(FOLDER, name, "index.json")
    except UserError:
        return
    assert path.resolve().is_relative_to(FOLDER)
    assert path != FOLDER


@given(st.lists(st.lists(st.text(st.characters(), max_size=200), min_size=1, max_size=2), max_size=4, unique_by=tuple))
def test_folders_of_any_texts_are_legal_and_different(rows: list[list[str]]) -> None:
    names = folder_names(rows)
    assert len({name.casefold() for name in names}) == len(rows)
    for name in names:
        assert (FOLDER / name).resolve().parent == FOLDER
        assert len(name) <= 100
        assert not name.startswith("-")


def test_readable_names_stay_readable() -> None:
    rows = [
        ("Model A", "5s"),
        ("Video-Mirai[0,1]", "30s"),
        ("../../x", "../y"),
        ("日本", "5s"),
        ("m b", "1"),
        ("M-b", "1"),
    ]
    names = folder_names(rows)
    assert names[:3] == ["Model-A--5s", "Video-Mirai-0,1--30s", "..-..-x--..-y"]
    assert all("-" in name for name in names[3:])
    assert names[4].startswith("m-b--1-")
