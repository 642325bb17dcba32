"""VBench's list by entry: counts known from the package itself, identifiers that never move, and its options."""

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.suites.registry import load_suite, planned_dimensions
from probekit.suites.vbench import list_path, read_entries, vbench_entries

pytestmark = pytest.mark.skipif(importlib.util.find_spec("vbench") is None, reason="needs the package vbench")

ENTRIES_OF = {
    "subject_consistency": 72,
    "background_consistency": 86,
    "temporal_flickering": 75,
    "motion_smoothness": 72,
    "dynamic_degree": 72,
    "aesthetic_quality": 93,
    "imaging_quality": 93,
    "object_class": 79,
    "multiple_objects": 82,
    "human_action": 100,
    "color": 85,
    "spatial_relationship": 84,
    "scene": 86,
    "appearance_style": 90,
    "temporal_style": 100,
    "overall_consistency": 93,
}


def test_entries_are_946_of_944_texts() -> None:
    entries = vbench_entries()
    assert len(entries) == len({entry.prompt_id for entry in entries}) == 946
    texts = Counter(entry.text for entry in entries)
    assert len(texts) == 944
    twins = [[entry.prompt_id for entry in entries if entry.text == text] for text, n in texts.items() if n > 1]
    assert twins == [["0495", "0748"], ["0503", "0746"]]
    assert sum(bool(entry.auxiliary) for entry in entries) == 506
    assert Counter(dimension for entry in entries for dimension in entry.dimensions) == ENTRIES_OF


def test_an_entry_is_scored_for_its_own_dimensions() -> None:
    assert planned_dimensions("vbench", "0503") == frozenset({"appearance_style"})
    three = frozenset({"overall_consistency", "aesthetic_quality", "imaging_quality"})
    assert planned_dimensions("vbench", "0746") == three
    with pytest.raises(UserError, match="'0946'"):
        planned_dimensions("vbench", "0946")


def test_the_list_is_read_without_the_package_itself() -> None:
    program = (
        "import sys; from probekit.suites.vbench import vbench_entries; "
        "sys.exit(not vbench_entries() or 'vbench' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_another_version_of_the_list_is_refused(tmp_path: Path) -> None:
    documents = json.loads(list_path().read_text(encoding="utf-8"))
    path = tmp_path / "list.json"
    path.write_text(json.dumps(documents[1:]))
    with pytest.raises(UserError, match=r"other prompts than VBench 0\.1\.5"):
        read_entries(path)
    path.write_text("[3]")
    with pytest.raises(UserError, match="not VBench's list"):
        read_entries(path)


def test_a_missing_package_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"not installed.*pip install --no-deps vbench==0\.1\.5"):
        list_path()


def test_plan_has_five_videos_an_entry_and_25_for_flickering_if_asked() -> None:
    plain, many = load_suite("vbench"), load_suite("vbench", ["flickering_samples=25"])
    assert len(plain.keys()) == len(set(plain.keys())) == 946 * 5 == 4730
    assert len(many.keys()) == 4730 + 75 * 20
    assert many.samples_of("0000") == 25, "the first entry is one of temporal flickering"
    assert plain.card().file_hash != many.card().file_hash
    assert (plain.frames, plain.height, plain.width, plain.fps, plain.horizon) == (81, 480, 832, 16, "5s")


def test_plan_of_some_dimensions() -> None:
    suite = load_suite("vbench", ["dimensions=color, scene"])
    assert len(suite.prompts) == 85 + 86
    with pytest.raises(UserError, match="'colour'"):
        load_suite("vbench", ["dimensions=colour"])


def test_generators_and_scorers_may_see_different_texts(tmp_path: Path) -> None:
    path = tmp_path / "extended.txt"
    path.write_text("".join(f"long {entry.prompt_id}\n" for entry in vbench_entries()), encoding="utf-8")
    given = f"extended_prompts={path}"
    suite = load_suite("vbench", [given, "generation_variant=extended", "dimensions=color"])
    first = suite.prompts[0]
    assert suite.generation_texts()[first.prompt_id] == f"long {first.prompt_id}"
    assert suite.texts()[first.prompt_id] == first.text
    card = suite.card()
    assert (card.generation_variant, card.scoring_variant) == ("extended", "short")
    assert card.file_hash != load_suite("vbench", ["dimensions=color"]).card().file_hash
    assert load_suite("vbench", [given]).card() == load_suite("vbench").card(), "texts that nobody sees do not count"


def test_extended_texts_by_identifier(tmp_path: Path) -> None:
    path = tmp_path / "extended.csv"
    lines = [f'{entry.prompt_id},"long, {entry.prompt_id}"\n' for entry in reversed(vbench_entries())]
    path.write_text("prompt_id,extended\n" + "".join(lines), encoding="utf-8")
    options = [f"extended_prompts={path}", "scoring_variant=extended"]
    assert load_suite("vbench", options).texts()["0123"] == "long, 0123"
    path.write_text("prompt_id,extended\n" + "".join(lines[1:]), encoding="utf-8")
    with pytest.raises(UserError, match="'0945' has no line"):
        load_suite("vbench", options)
    path.write_text("prompt_id,extended\n" + "".join([*lines, lines[0]]), encoding="utf-8")
    with pytest.raises(UserError, match="'0945' appears twice"):
        load_suite("vbench", options)


def test_a_variant_without_texts_is_refused(tmp_path: Path) -> None:
    for variant in ("generation_variant", "scoring_variant"):
        with pytest.raises(UserError, match=r"extended prompts of vbench are not known.*extended_prompts=FILE"):
            load_suite("vbench", [f"{variant}=extended"])
    path = tmp_path / "short.txt"
    path.write_text("one\ntwo\n")
    with pytest.raises(UserError, match="2 lines for 946 prompts"):
        load_suite("vbench", [f"extended_prompts={path}"])


def test_misspelt_options_name_their_neighbours() -> None:
    with pytest.raises(UserError, match="Did you mean 'flickering_samples'"):
        load_suite("vbench", ["flickering_sample=25"])
    with pytest.raises(UserError, match="flickering_samples"):
        load_suite("vbench", ["flickering_samples=none"])


def test_a_cut_suite_keeps_its_texts_and_numbers_together(tmp_path: Path) -> None:
    path = tmp_path / "extended.txt"
    path.write_text("".join(f"long {entry.prompt_id}\n" for entry in vbench_entries()), encoding="utf-8")
    suite = load_suite("vbench", [f"extended_prompts={path}", "scoring_variant=extended", "flickering_samples=25"])
    cut = suite.reduced(2, None)
    assert len(cut.keys()) == 50
    assert cut.texts() == {"0000": "long 0000", "0001": "long 0001"}
    assert len(suite.reduced(2, 3).keys()) == 6
