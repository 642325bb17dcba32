from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.evaluation.interchange.table import read_video_table, video_set_from_csv
from probekit.run_folder.protocol_card import mismatches
from probekit.run_folder.video_set_check import check_video_set
from tests.helpers.shared_data import video_page_path
from tests.helpers.video_set_files import write_sample

HEADER = "file,prompt_id,prompt,horizon,model,training_offsets\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos, a and b."""
    for number, name in enumerate("ab"):
        row = write_sample(tmp_path, name, seed=number)
        (tmp_path / row.path).rename(tmp_path / f"{name}.mp4")
    (tmp_path / "videos").rmdir()
    return tmp_path


def _table(folder: Path, text: str) -> Path:
    path = folder / "videos.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_one_set_for_each_model_and_horizon(folder: Path) -> None:
    path = _table(
        folder,
        HEADER
        + 'a.mp4,p1,"A cat, asleep.",5s,Mirai,\n'
        + 'b.mp4,p1,"A cat, asleep.",5s,Base,\n'
        + "b.mp4,p2,A dog.,30s,Mirai,\n"
        + "b.mp4,p0,A bird.,5s,Mirai,\n"
        + "a.mp4,p1,A cat.,5s,Mirai,0 1\n",
    )
    sets = video_set_from_csv(path)
    assert [[(row.model, row.horizon, row.prompt_id) for row in video_set.rows] for video_set in sets] == [
        [("Base", "5s", "p1")],
        [("Mirai", "30s", "p2")],
        [("Mirai", "5s", "p0"), ("Mirai", "5s", "p1")],
        [("Mirai[0,1]", "5s", "p1")],
    ]
    row = sets[0].rows[0]
    assert (row.prompt, row.path, row.suite, row.n_frames) == ("A cat, asleep.", "b.mp4", "custom", 5)
    assert [check_video_set(video_set) for video_set in sets] == [[], [], [], []]


def test_card_says_what_all_videos_share(folder: Path) -> None:
    base, ours = video_set_from_csv(_table(folder, HEADER + "a.mp4,p,A cat.,5s,Base,\nb.mp4,p,A cat.,5s,Ours,\n"))
    assert base.protocol.generation.model == "Base"
    assert (base.protocol.generation.frames, base.protocol.generation.seed) == (5, None)
    assert (base.protocol.prompts.n_prompts, base.protocol.prompts.samples) == (1, 1)
    assert mismatches(base.protocol, ours.protocol) == []


def test_other_prompt_texts_do_not_compare(folder: Path) -> None:
    base, ours = video_set_from_csv(_table(folder, HEADER + "a.mp4,p,A cat.,5s,Base,\nb.mp4,p,A dog.,5s,Ours,\n"))
    assert [mismatch.field for mismatch in mismatches(base.protocol, ours.protocol)] == ["prompts.file_hash"]


def test_lengths_that_differ_are_not_claimed(folder: Path) -> None:
    row = write_sample(folder, "long", n_frames=9)
    (video_set,) = video_set_from_csv(_table(folder, HEADER + f"a.mp4,p,A cat.,5s,M,\n{row.path},q,A dog.,5s,M,\n"))
    assert video_set.protocol.generation.frames is None
    assert video_set.protocol.generation.height == 32


def test_samples_and_byte_order_mark_are_read(folder: Path) -> None:
    text = "\ufefffile,prompt_id,prompt,horizon,model,sample\na.mp4,p,A cat.,5s,M,0\nb.mp4,p,A cat.,5s,M,1\n"
    (video_set,) = video_set_from_csv(_table(folder, text))
    assert [row.sample for row in video_set.rows] == [0, 1]
    assert video_set.protocol.prompts.samples == 2


def test_absolute_path_becomes_relative_to_the_table(folder: Path) -> None:
    (video_set,) = video_set_from_csv(_table(folder, HEADER + f"{folder.resolve() / 'a.mp4'},p,A cat.,5s,M,\n"))
    assert video_set.rows[0].path == "a.mp4"
    assert check_video_set(video_set) == []


def test_broken_videos_are_all_named_and_the_rest_is_read(folder: Path) -> None:
    (folder / "empty.mp4").touch()
    path = _table(folder, HEADER + "a.mp4,p,A.,5s,M,\nempty.mp4,q,B.,5s,M,\ngone.mp4,r,C.,5s,M,\n")
    table = read_video_table(path)
    assert [row.prompt_id for row in table.video_sets[0].rows] == ["p"]
    assert [problem.path.name for problem in table.problems] == ["empty.mp4", "gone.mp4"]
    with pytest.raises(UserError, match=r"2 videos that cannot be read: .*empty\.mp4.*gone\.mp4"):
        video_set_from_csv(path)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("b.mp4,a/b,A dog.,5s,M,", "'a/b' cannot be part of a file name"),
        ("b.mp4,..,A dog.,5s,M,", "'..' cannot be part of a file name"),
        (f"b.mp4,{'x' * 300},A dog.,5s,M,", "of 300 characters makes too long a name"),
        ("b.mp4,q,,5s,M,", "line 3: the cell prompt is empty"),
        ("b.mp4,q", "line 3: it has 2 cells for 6 columns"),
        ("b.mp4,q,A dog.,5s,M,\nb.mp4,q,A dog.,5s,M,", "lines 3 and 4 list 'q' of M at 5s twice"),
        (f"{'x' * 300}.mp4,q,A dog.,5s,M,", "File name too long"),
        ("../../../../../../etc/passwd,q,A dog.,5s,M,", "is not a video that can be decoded"),
    ],
)
def test_an_illegal_line_costs_itself_alone(folder: Path, line: str, named: str) -> None:
    table = read_video_table(_table(folder, HEADER + "a.mp4,p,A cat.,5s,M,\n" + line + "\n"))
    assert [row.prompt_id for video_set in table.video_sets for row in video_set.rows] == ["p"]
    (problem,) = table.problems
    assert named in problem.problem
    assert "\n" not in problem.problem


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no column file, prompt_id"),
        ("file,prompt_id,prompt,horizon\n", "no column model"),
        (HEADER, "lists no video"),
        ("file,prompt_id,promt,horizon,model\n", "unknown column 'promt'.*Did you mean 'prompt'"),
        (HEADER + "a.mp4,p,A cat, asleep.,5s,M,\n", "line 2: it has 7 cells for 6 columns"),
        (HEADER + "a.mp4,p\n", "line 2: it has 2 cells for 6 columns"),
        (HEADER + "a.mp4,p,A cat.,,M,\n", "line 2: the cell horizon is empty"),
        (HEADER + "a.mp4,p_/__q,A cat.,5s,M,\n", "prompt_id 'p_/__q' cannot be part"),
        (HEADER + "a.mp4,p,A cat.,5s,M,\nb.mp4,p,A cat.,5s,M,\n", "lines 2 and 3 list 'p' of M at 5s twice"),
        ("file,prompt_id,prompt,horizon,model,sample\na.mp4,p,A,5s,M,one\n", "sample = 'one' is not a number"),
        (HEADER + 'a.mp4,p,"A cat.,5s,M,\n', "not a CSV table"),
    ],
)
def test_broken_table_is_explained(folder: Path, text: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        video_set_from_csv(_table(folder, text))


def test_absent_table_and_binary_table_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no table of videos .*gone\.csv"):
        video_set_from_csv(tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UserError, match="text in UTF-16"):
        video_set_from_csv(tmp_path / "binary.csv")


@pytest.mark.long
def test_published_videos() -> None:
    sets = {
        (video_set.rows[0].model, video_set.rows[0].horizon): video_set
        for video_set in video_set_from_csv(video_page_path("videos.csv"))
    }
    assert {name: len(video_set.rows) for name, video_set in sets.items()} == {
        ("Causal-Forcing", "5s"): 7,
        ("Causal-Forcing", "30s"): 3,
        ("Video-Mirai", "5s"): 7,
        ("Video-Mirai", "30s"): 3,
        ("Video-Mirai[0]", "5s"): 2,
        ("Video-Mirai[1]", "5s"): 2,
        ("Video-Mirai[0,1]", "5s"): 2,
        ("Video-Mirai[0,1,2]", "5s"): 2,
    }
    assert {row.n_frames for row in sets["Video-Mirai", "5s"].rows} == {81}
    assert {row.n_frames for row in sets["Causal-Forcing", "30s"].rows} == {489}
    assert mismatches(sets["Causal-Forcing", "5s"].protocol, sets["Video-Mirai", "5s"].protocol) == []
