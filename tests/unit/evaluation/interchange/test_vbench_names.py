"""Runs under VBench's names and back: the same keys and the same bytes, or a line that says why not."""

import importlib.util
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.interchange.vbench_names import export_named, ignores_case, record_path
from probekit.evaluation.scoring.absent_videos import read_absent
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.video_set import VideoRow, video_path
from probekit.run_folder.video_set_check import check_video_set
from probekit.suites.vbench import vbench_prompts
from probekit.workflows.export_vbench import export_vbench
from probekit.workflows.import_videos import import_named_videos

if importlib.util.find_spec("vbench") is None:
    pytest.skip("needs the package vbench", allow_module_level=True)

from tests.helpers.vbench_videos import TEXTS, small_vbench, write_different_video, write_run

PLAIN = ("0000", "0100", "0945")
ACCENTED = next(name for name, text in TEXTS.items() if not text.isascii())
TWINS = ("0503", "0746")
CASES = ("0713", "0734")
ALL = (*PLAIN, ACCENTED, *TWINS, *CASES)


def _content(rows: tuple[VideoRow, ...] | list[VideoRow]) -> list[tuple[object, ...]]:
    return [(row.key(), row.sha256, row.prompt, row.n_frames) for row in sorted(rows, key=VideoRow.key)]


def _import(folders: list[Path], out: Path, ids: tuple[str, ...] = ALL, model: str | None = None) -> Path:
    done = import_named_videos(folders, small_vbench(ids), vbench_prompts(), out, model=model)
    assert done.run is not None, (done.problems, done.lost)
    return done.run


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


def test_export_and_import_give_the_same_keys_and_hashes(tmp_path: Path) -> None:
    rows = write_run(tmp_path / "run", small_vbench(ALL))
    done = export_vbench(tmp_path / "run", tmp_path / "out")
    assert (done.n_videos, done.n_copied, done.problems) == (len(rows), 0, [])
    back = _import([tmp_path / "out"], tmp_path / "back")
    video_set = load_video_set(back)
    assert _content(video_set.rows) == _content(rows)
    assert {row.model for row in video_set.rows} == {"tiny"}
    assert check_video_set(video_set, small_vbench(ALL).keys()) == []
    assert video_set.protocol.prompts == load_video_set(tmp_path / "run").protocol.prompts


def test_names_alone_lead_back_where_no_text_stands_twice(tmp_path: Path) -> None:
    ids = (*PLAIN, ACCENTED, *CASES)
    rows = write_run(tmp_path / "run", small_vbench(ids))
    export_vbench(tmp_path / "run", tmp_path / "out")
    record_path(tmp_path / "out").unlink()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{TEXTS[row.prompt_id]}-{row.sample}.mp4" for row in rows
    )
    back = load_video_set(_import([tmp_path / "out"], tmp_path / "back", ids, model="tiny"))
    assert _content(back.rows) == _content(rows)


def test_texts_that_stand_twice_do_not_overwrite_one_another(tmp_path: Path) -> None:
    write_run(tmp_path / "run", small_vbench(TWINS))
    done = export_vbench(tmp_path / "run", tmp_path / "out")
    name = f"{TEXTS['0503']}-0.mp4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.2", "out.export.json", "run"]
    assert (tmp_path / "out" / name).read_bytes() != (tmp_path / "out.2" / name).read_bytes()
    assert len(done.collisions) == 2
    assert "(0503)" in done.collisions[0]
    assert "(0746)" in done.collisions[0]


def test_a_flat_folder_of_vbench_shows_both_entries_of_a_text(tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    for sample in range(2):
        write_different_video(folder / f"{TEXTS['0503']}-{sample}.mp4", sample)
    run = _import([folder], tmp_path / "run", TWINS)
    video_set = load_video_set(run)
    assert [row.prompt_id for row in video_set.rows] == ["0503", "0503", "0746", "0746"]
    assert len({row.sha256 for row in video_set.rows}) == 2
    assert check_video_set(video_set, small_vbench(TWINS).keys()) == []
    done = export_vbench(run, tmp_path / "again")
    assert done.collisions == []
    assert len(list((tmp_path / "again").iterdir())) == 2


def test_dimensions_have_folders_without_collisions(tmp_path: Path) -> None:
    rows = write_run(tmp_path / "run", small_vbench((*PLAIN, *TWINS)))
    done = export_vbench(tmp_path / "run", tmp_path / "out", by_dimension=True)
    assert done.collisions == []
    assert (tmp_path / "out" / "appearance_style" / f"{TEXTS['0503']}-0.mp4").is_file()
    assert (tmp_path / "out" / "imaging_quality" / f"{TEXTS['0746']}-0.mp4").is_file()
    back = load_video_set(_import([tmp_path / "out"], tmp_path / "back", (*PLAIN, *TWINS)))
    assert _content(back.rows) == _content(rows)


def test_names_that_differ_only_in_case_are_kept_apart_on_disks_that_ignore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_run(tmp_path / "run", small_vbench(CASES))
    done = export_vbench(tmp_path / "run", tmp_path / "plain")
    assert len(list((tmp_path / "plain").iterdir())) == (2 if ignores_case(tmp_path) else 4)
    assert len(done.collisions) == 2, "named even where the disk keeps them apart"
    monkeypatch.setattr("probekit.evaluation.interchange.vbench_names.ignores_case", lambda _: True)
    export_vbench(tmp_path / "run", tmp_path / "mac")
    assert [len(list((tmp_path / name).iterdir())) for name in ("mac", "mac.2")] == [2, 2]
    back = load_video_set(_import([tmp_path / "mac"], tmp_path / "back", CASES))
    assert _content(back.rows) == _content(rows)


def test_files_are_linked_and_copied_where_links_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (row, *_) = write_run(tmp_path / "run", small_vbench(PLAIN))
    export_vbench(tmp_path / "run", tmp_path / "linked")
    name = f"{TEXTS['0000']}-0.mp4"
    assert (tmp_path / "linked" / name).samefile(tmp_path / "run" / row.path)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    done = export_vbench(tmp_path / "run", tmp_path / "copied")
    assert done.n_copied == 6
    assert not (tmp_path / "copied" / name).samefile(tmp_path / "run" / row.path)
    assert (tmp_path / "copied" / name).read_bytes() == (tmp_path / "run" / row.path).read_bytes()


def test_changed_and_missing_videos_are_not_exported_but_named(tmp_path: Path) -> None:
    rows = write_run(tmp_path / "run", small_vbench(PLAIN))
    (tmp_path / "run" / rows[0].path).unlink()
    write_different_video(tmp_path / "run" / rows[1].path, 99)
    result = _run("export-vbench", tmp_path / "run", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "there is no such file" in result.output
    assert "its content changed" in result.output
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_exports_are_refused_where_they_would_mislead(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (row, *_) = write_run(run, small_vbench(PLAIN))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.mp4").touch()
    with pytest.raises(UserError, match="is there already"):
        export_vbench(run, tmp_path / "full")
    write_different_video(run / "videos" / "a.mkv", 5)
    text = (run / "manifest.json").read_text()
    from probekit.provenance import sha256_file

    changed = text.replace(row.path, "videos/a.mkv").replace(row.sha256, sha256_file(run / "videos" / "a.mkv"))
    (run / "manifest.json").write_text(changed)
    with pytest.raises(UserError, match=r"different suffixes: \.mkv, \.mp4"):
        export_vbench(run, tmp_path / "out")
    protocol = run / "protocol.json"
    protocol.write_text(protocol.read_text().replace('"vbench"', '"custom"'))
    with pytest.raises(UserError, match="run of custom"):
        export_vbench(run, tmp_path / "out")


def test_a_file_that_changed_after_the_export_is_lost(tmp_path: Path) -> None:
    write_run(tmp_path / "run", small_vbench(PLAIN))
    export_vbench(tmp_path / "run", tmp_path / "out")
    (tmp_path / "out" / f"{TEXTS['0000']}-0.mp4").unlink()
    done = import_named_videos([tmp_path / "out"], small_vbench(PLAIN), vbench_prompts(), tmp_path / "back")
    assert done.run is None
    assert [key.prompt_id for key in done.lost] == ["0000"]
    assert not (tmp_path / "back").exists()


def test_import_refuses_until_missing_videos_are_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    color = [name for name, text in TEXTS.items() if text == "a red bicycle"]
    for sample in range(4):
        write_different_video(folder / f"{TEXTS[color[0]]}-{sample}.mp4", sample)
    (folder / f"{TEXTS[color[0]]}-4.mp4").write_text("no video")
    arguments = ("import-vbench", folder, "--out", tmp_path / "run", "--suite-option", "dimensions=color")
    refused = _run(*arguments)
    assert refused.exit_code == 1
    assert not (tmp_path / "run").exists()
    assert f"lost: {color[0]} sample 4: " in refused.output
    assert refused.output.count("lost: ") == 85 * 5 - 4
    assert "nothing was written" in refused.output
    allowed = _run(*arguments, "--allow-missing", "--model", "Theirs")
    assert allowed.exit_code == 0, allowed.output
    assert "coverage 4/425" in allowed.output
    video_set = load_video_set(tmp_path / "run")
    assert {row.model for row in video_set.rows} == {"Theirs"}
    assert len(video_set.rows) == 4
    absent = read_absent(tmp_path / "run")
    assert absent is not None
    assert absent.coverage() == "4/425"


@pytest.mark.parametrize(("beginning", "variant"), [("At dusk, ", "extended"), ("", "short")])
def test_names_of_extended_texts_are_imported_as_generated_from_them(
    beginning: str, variant: str, tmp_path: Path
) -> None:
    extended = tmp_path / "extended.txt"
    extended.write_text("".join(f"At dusk, {text}\n" for text in TEXTS.values()), encoding="utf-8")
    folder = tmp_path / "theirs"
    folder.mkdir()
    write_different_video(folder / f"{beginning}a red bicycle-0.mp4", 0)
    options = ("--suite-option", "dimensions=color", "--suite-option", f"extended_prompts={extended}")
    done = _run("import-vbench", folder, "--out", tmp_path / "run", *options, "--allow-missing")
    assert done.exit_code == 0, done.output
    assert load_video_set(tmp_path / "run").protocol.prompts.generation_variant == variant
    assert ("recorded as generated from those" in done.output) == (variant == "extended")


def test_every_way_of_generating_and_naming_can_be_checked(tmp_path: Path) -> None:
    """Generated from extended texts, named by short ones: all 946 prompts are found."""
    extended = tmp_path / "extended.txt"
    extended.write_text("".join(f"At dusk, {text}\n" for text in TEXTS.values()), encoding="utf-8")
    from probekit.evaluation.interchange.name_matching import assign_by_name
    from probekit.suites.registry import load_suite

    suite = load_suite("vbench", [f"extended_prompts={extended}", "generation_variant=extended"])
    folder = tmp_path / "videos"
    folder.mkdir()
    for text in TEXTS.values():
        for sample in range(5):
            (folder / f"{text}-{sample}.mp4").touch()
    found = assign_by_name([folder], suite, vbench_prompts())
    assert len(list(folder.iterdir())) == 4720
    assert (len(found.files), found.lost, found.problems) == (4730, {}, [])


def test_cut_names_name_the_videos_that_they_lose(tmp_path: Path) -> None:
    """Self-Forcing's names: 21 of 946 overwritten at each index, 20 prompts of them by one name."""
    from probekit.evaluation.interchange.name_matching import assign_by_name
    from probekit.suites.registry import load_suite

    folder = tmp_path / "videos"
    folder.mkdir()
    for text in TEXTS.values():
        (folder / f"{text[:100]}-0.mp4").touch()
    suite = load_suite("vbench")._replace(samples=1)
    found = assign_by_name([folder], suite, vbench_prompts())
    assert len(list(folder.iterdir())) == 946 - 21
    assert found.naming == "self-forcing"
    (problem,) = found.problems
    assert "may show any of 20 prompts" in problem.problem
    assert len(found.lost) == 20
    assert len(found.files) == 926
    assert all("20 prompts share its name" in reason for reason in found.lost.values())


def test_videos_of_another_length_are_found_after_an_import(tmp_path: Path) -> None:
    run = _import_with_one_long(tmp_path)
    (problem,) = check_video_set(load_video_set(run))
    assert problem.problem == "frames is 3, the protocol says 2"


def _import_with_one_long(tmp_path: Path) -> Path:
    from tests.helpers.bad_videos import write_frames

    folder = tmp_path / "theirs"
    for number, name in enumerate(PLAIN):
        write_different_video(folder / f"{TEXTS[name]}-0.mp4", number)
        write_different_video(folder / f"{TEXTS[name]}-1.mp4", number + 10)
    write_frames(folder / f"{TEXTS['0945']}-1.mp4", n_frames=3, height=16, width=16)
    return _import([folder], tmp_path / "run", PLAIN)


def test_export_of_an_empty_choice_writes_an_empty_record(tmp_path: Path) -> None:
    rows = write_run(tmp_path / "run", small_vbench(("0000",), samples=1))
    (tmp_path / "run" / video_path(rows[0].key())).unlink()
    done = export_named(load_video_set(tmp_path / "run"), tmp_path / "out", TEXTS)
    assert (done.n_videos, len(done.problems)) == (0, 1)
