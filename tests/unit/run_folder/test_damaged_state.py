"""Property tests of state files: whatever their bytes, a reader succeeds or names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit.evaluation.scoring.absent_videos import AbsentVideo, AbsentVideos, read_absent, write_absent
from probekit.reporting.comparison_io import read_comparison
from probekit.run_folder.manifest import load_video_set, readable_rows
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.score_table import read_scores, write_scores
from tests.helpers.refusals import CHANGES, Change, changed, is_one_line_about, refusal
from tests.helpers.video_set_files import write_set
from tests.unit.test_power_cut import ROW

READERS: dict[str, Callable[[Path], object]] = {
    "manifest.json": lambda path: load_video_set(path.parent),
    "protocol.json": lambda path: read_protocol(path.parent),
    "absent.json": lambda path: read_absent(path.parent),
    "comparison.json": read_comparison,
    "scores.parquet": read_scores,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("state")
    write_set(root, ("a", "b", "c"))
    write_absent(root, AbsentVideos(planned=4, videos=(AbsentVideo(prompt_id="d", sample=0, reason="lost"),)))
    write_scores(root / "scores.parquet", [ROW])
    (root / "comparison.json").write_text('{"rows": [], "settings": {"seed": 0}}')
    return root


@pytest.mark.long
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(READERS)), changes=CHANGES)
def test_any_bytes_are_state_or_a_named_mistake(whole: Path, tmp_path: Path, name: str, changes: list[Change]) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    path = tmp_path / name
    path.write_bytes(changed(path.read_bytes(), changes))
    found = refusal(READERS[name], path)
    assert is_one_line_about(found, path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), zeros=st.integers(0, 200))
def test_rows_outside_the_damage_are_read(whole: Path, tmp_path: Path, cut: float, zeros: int) -> None:
    """Zeros over a part of a manifest, as after a power cut: every row that they do not touch is there."""
    data = (whole / "manifest.json").read_bytes()
    at = int(cut * len(data))
    path = tmp_path / "manifest.json"
    path.write_bytes(data[:at] + bytes(min(zeros, len(data) - at)) + data[at + zeros :])
    whole_rows = load_video_set(whole).rows
    untouched = [row for row in whole_rows if json_of(row.sha256, data) not in touched(data, at, zeros)]
    rows, mistakes = readable_rows(path)
    assert set(untouched) <= set(rows) <= set(whole_rows)
    assert bool(mistakes) or rows == list(whole_rows)


def json_of(sha256: str, data: bytes) -> tuple[int, int]:
    """Where a row stands in a manifest."""
    inside = data.index(sha256.encode())
    return data.rindex(b"{", 0, inside), data.index(b"}", inside)


def touched(data: bytes, at: int, zeros: int) -> list[tuple[int, int]]:
    """Places of the rows that the zeros reach."""
    places = [json_of(row["sha256"], data) for row in json.loads(data)]
    return [(start, end) for start, end in places if at <= end and at + zeros > start and zeros]
