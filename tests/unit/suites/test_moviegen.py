"""MovieGen's 30 s suite: which lines are drawn, from where, and how long the videos are."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.interchange.name_matching import assign_by_name
from probekit.run_folder.manifest import load_video_set
from probekit.suites.moviegen import DATASET, ENVIRONMENT
from probekit.suites.registry import all_prompts, load_suite
from tests.helpers.bad_videos import write_frames
from tests.helpers.shared_data import shared_path

LINES = [f"A prompt of number {number}." for number in range(1003)]


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of 1,003 prompts, of which one stands twice, in the environment variable."""
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"{line} \n" for line in [*LINES[:-1], LINES[0]]), encoding="utf-8")
    monkeypatch.setenv(ENVIRONMENT, str(path))
    return path


def test_two_hundred_prompts_are_drawn_by_the_seed(listed: Path) -> None:
    suite = load_suite("moviegen-30s")
    assert suite.prompts == load_suite("moviegen-30s", ["prompt_seed=0"]).prompts
    assert len(suite.keys()) == len({prompt.text for prompt in suite.prompts}) == 200
    assert suite.prompts != load_suite("moviegen-30s", ["prompt_seed=1"]).prompts
    assert list(suite.prompts) == sorted(suite.prompts)
    for prompt_id, text in suite.prompts:
        assert text == LINES[int(prompt_id.removeprefix("line-")) - 1]
    assert suite.card().generation_variant == "short"


def test_a_repeated_text_is_never_drawn_twice(listed: Path) -> None:
    suite = load_suite("moviegen-30s", ["prompts=1002"])
    assert len({prompt.text for prompt in suite.prompts}) == 1002
    assert "line-1003" not in suite.texts()
    with pytest.raises(UserError, match="1002 different prompts, not 1003"):
        load_suite("moviegen-30s", ["prompts=1003"])


def test_lengths_of_both_protocols(listed: Path) -> None:
    assert load_suite("moviegen-30s").frames == 489
    assert load_suite("moviegen-30s", ["frames=501"]).frames == 501
    with pytest.raises(UserError, match="frames"):
        load_suite("moviegen-30s", ["frames=500"])


def test_a_given_file_goes_before_the_environment(listed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("".join(f"Other {number}\n" for number in range(1003)), encoding="utf-8")
    options = [f"prompt_file={other}", "prompts=3"]
    suite = load_suite("moviegen-30s", options)
    assert all(text.startswith("Other ") for text in suite.texts().values())
    assert len(all_prompts(suite, options)) == 1003


def test_extended_texts_stay_with_their_lines(listed: Path, tmp_path: Path) -> None:
    path = tmp_path / "extended.txt"
    path.write_text("".join(f"long {number:04d}\n" for number in range(1, 1004)), encoding="utf-8")
    suite = load_suite("moviegen-30s", [f"extended_prompts={path}", "generation_variant=extended"])
    assert all(text == f"long {name.removeprefix('line-')}" for name, text in suite.generation_texts().items())


@pytest.mark.parametrize(("lines", "problem"), [(LINES[:200], "200 prompts"), (["a", "", "b"], "line 2")])
def test_a_cut_list_is_refused(tmp_path: Path, lines: list[str], problem: str) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        load_suite("moviegen-30s", [f"prompt_file={path}"])


def test_the_dataset_is_read_from_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout of a cache in which the dataset was fetched; offline, as on a cluster."""
    commit, folder = "0" * 40, tmp_path / f"datasets--{DATASET.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    data = folder / "snapshots" / commit / "data"
    data.mkdir(parents=True)
    pq.write_table(pa.table({"prompt": LINES}), data / "test-00000-of-00001.parquet")
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert set(load_suite("moviegen-30s", ["prompts=5"]).texts().values()) <= set(LINES)


def test_without_a_list_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=f"cannot be fetched.*{ENVIRONMENT}"):
        load_suite("moviegen-30s")


def test_the_real_list() -> None:
    path = shared_path("data", "MovieGenVideoBench.txt")
    options = [f"prompt_file={path}", "prompts=998"]
    assert len(load_suite("moviegen-30s", options).prompts) == 998, "five of 1,003 texts stand twice"
    with pytest.raises(UserError, match="998 different prompts"):
        load_suite("moviegen-30s", [f"prompt_file={path}", "prompts=999"])


def _import(folder: Path, out: Path, *more: str) -> Result:
    given = ["import", str(folder), "--suite", "moviegen-30s", "--suite-option", "prompts=3", "--out", str(out), *more]
    return CliRunner().invoke(app, given, terminal_width=200)


@pytest.mark.parametrize("by_line", [False, True])
def test_all_prompts_may_have_been_generated(listed: Path, tmp_path: Path, by_line: bool) -> None:
    """A folder of Rolling-Forcing with videos of other prompts too; 2 frames stand for 489."""
    suite = load_suite("moviegen-30s", ["prompts=3"])
    drawn = {int(prompt_id.removeprefix("line-")) - 1 for prompt_id in suite.texts()}
    others = [line for line in range(50) if line not in drawn]
    for line in [*drawn, *others]:
        name = f"{line}-0_ema" if by_line else f"{LINES[line][:100]}-0"
        write_frames(tmp_path / "theirs" / f"{name}.mp4", n_frames=2)
    result = _import(tmp_path / "theirs", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert f"{len(others)} files show prompts that the suite does not use" in result.output
    assert "coverage 3/3" in result.output
    videos = load_video_set(tmp_path / "run")
    assert {row.prompt_id: row.prompt for row in videos.rows} == suite.texts()
    assert videos.protocol.prompts == suite.card()
    for row in videos.rows:
        line = int(row.prompt_id.removeprefix("line-")) - 1
        assert Path(row.path).stem == (f"{line}-0_ema" if by_line else f"{LINES[line]}-0")


def test_cut_names_lose_53_of_the_real_list(tmp_path: Path) -> None:
    path = shared_path("data", "MovieGenVideoBench.txt")
    options = [f"prompt_file={path}"]
    suite = load_suite("moviegen-30s", options)
    everything = all_prompts(suite, options)
    folder = tmp_path / "videos"
    folder.mkdir()
    for prompt in everything:
        (folder / f"{prompt.text[:100]}-0.mp4").touch()
    found = assign_by_name([folder], suite, everything)
    assert len(list(folder.iterdir())) == 1003 - 53
    assert len(found.files) + len(found.lost) == 200
    texts = [prompt.text[:100] for prompt in everything]
    cut = dict.fromkeys(text for text in texts if texts.count(text) > 1)
    whole = {prompt.prompt_id: prompt.text for prompt in everything}
    expected = {
        prompt_id
        for prompt_id, text in suite.texts().items()
        if text[:100] in cut and len({other for other in whole.values() if other[:100] == text[:100]}) > 1
    }
    assert {key.prompt_id for key in found.lost} == expected
