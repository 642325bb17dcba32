"""`probekit watch` without a page: the command that a page gives makes the same file, bit for bit."""

import base64
import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.live.messages import ChangeAsked, ExportAsked
from probekit.live.script import Script
from probekit.live.watching import WatchShow
from probekit.probing.readout_heads import head_path
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.preferences import Preference
from probekit.workflows.watch import Opened, need_live_packages, open_watched, preference_table
from tests.helpers.live_examples import OTHER, PROMPT, SUITE, random_head, write_tiny_student


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("watched")
    one, two = write_tiny_student(root / "one", 2), write_tiny_student(root / "two", 5)
    sampler = StreamingSampler(one, SUITE)
    path = head_path(root / "probes" / "states" / "one", "frame")
    path.parent.mkdir(parents=True)
    random_head(sampler, horizons=(0, 1, 2, 3)).save(path, sampler.parts.checkpoint_hash)
    return one, two


def opened(models: tuple[Path, Path]) -> Opened:
    heads = models[0].parent / "probes"
    return open_watched([str(model) for model in models], SUITE, heads, SamplingConfig())


def run(command: str, folder: Path) -> None:
    words = [*shlex.split(command)[1:-1], str(folder / shlex.split(command)[-1])]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def exported(show: WatchShow, suffix: str, frame: int = 0) -> tuple[bytes, str]:
    (text,) = show.answer(ExportAsked(kind="export", suffix=suffix, frame=frame))  # type: ignore[arg-type]
    message = json.loads(text)
    return base64.b64decode(message["content"]), message["command"]


@pytest.mark.long
def test_the_command_of_a_page_makes_its_film_and_its_picture_bit_for_bit(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    show = WatchShow(opened(models).watched, Script(prompt=PROMPT, seed=3))
    for _ in range(3):
        show.advance()
    show.seen(0)
    show.answer(ChangeAsked(kind="change", chunk=1, seed=8, forks=(9,)))
    show.advance()
    show.answer(ChangeAsked(kind="change", chunk=2, prompt=f'{OTHER} it\'s "odd" & $HOME'))
    show.advance()
    film, command = exported(show, ".mp4")
    run(command, tmp_path)
    assert (tmp_path / "watched.mp4").read_bytes() == film
    still, command = exported(show, ".png", 14)
    run(command, tmp_path)
    assert (tmp_path / "watched.png").read_bytes() == still


def test_a_head_is_found_for_its_model_alone_and_the_page_says_how_to_make_the_other(
    models: tuple[Path, Path],
) -> None:
    found = opened(models)
    first, second = found.watched.sources
    assert first.head is not None
    assert second.head is None
    text = found.page("word")
    assert text.count("There is no readout head for this model") == 1
    heads = models[0].parent / "probes"
    assert f"<code>probekit probe {models[0]} {models[1]} --out {heads}</code>" in text
    assert [f"Read: +{horizon}" in text for horizon in (0, 1, 2, 3)] == [False, True, True, True]


def test_questions_are_about_the_prompts_of_the_suite(models: tuple[Path, Path], tmp_path: Path) -> None:
    table = preference_table(opened(models), tmp_path / "choices.jsonl", 4, 0, 99)
    assert table.next_trial()[:2] == (SUITE.prompts[0], 4)
    assert table.chunks == 7
    assert all(source.head is None for source in table.sources)


def test_half_precision_runs_and_is_in_the_command_that_repeats_it(models: tuple[Path, Path], tmp_path: Path) -> None:
    heads = models[0].parent / "probes"
    found = open_watched([str(models[0])], SUITE, heads, SamplingConfig(precision="bfloat16"))
    show = WatchShow(found.watched, Script(prompt=PROMPT))
    assert set(show.advance()[0].live.readouts) == {0, 1, 2, 3}
    film, command = exported(show, ".mp4")
    assert "--precision bfloat16" in command
    run(command, tmp_path)
    assert (tmp_path / "watched.mp4").read_bytes() == film


def test_a_damaged_head_is_named(models: tuple[Path, Path], tmp_path: Path) -> None:
    path = head_path(tmp_path, "frame")
    path.parent.mkdir()
    path.write_bytes(b"no head")
    with pytest.raises(UserError, match="is no readout head"):
        open_watched([str(models[0])], SUITE, tmp_path, SamplingConfig())


def test_missing_packages_are_one_error_that_names_the_extra() -> None:
    need_live_packages()
    with pytest.raises(UserError, match=r"needs no_such_asgi, .*pip install 'probekit\[live\]'"):
        need_live_packages(["json", "no_such_asgi"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--chunks", "2"], "A page has no --chunks"),
        (["--out", "a.mp4", "--frame", "1"], "--frame is about a picture"),
        (["--out", "a.gif"], "neither a film nor a picture"),
        (["--out", "a.mp4", "--chunks", "2", "--at", "2:seed=1"], "Chunk 2 is changed, and there are 2"),
        (["--out", "a.mp4", "--preferences", "b.jsonl"], "writes a file and --preferences asks"),
        (["--out", "a.mp4", "--at", "seed=1"], "is no change"),
        (["--out", "a.png", "--chunks", "1", "--frame", "9"], "no frame 9 among 9"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    models: tuple[Path, Path], options: list[str], problem: str
) -> None:
    result = CliRunner().invoke(app, ["watch", str(models[0]), "--suite", "sprite-5s", *options])
    assert result.exit_code == 2
    assert problem in " ".join(result.output.split())


def preference(left: str, right: str, answer: str, prompt: int) -> str:
    made = Preference(
        left=left, right=right, left_hash=left, right_hash=right, prompt_id=f"p{prompt}", prompt="a", seed=0,
        order_seed=0, chunks=7, choice=answer,  # type: ignore[arg-type]
    )  # fmt: skip
    return made.model_dump_json() + "\n"


def test_choices_become_a_table_beside_which_runs_are_refused(tmp_path: Path) -> None:
    lines = [
        preference("new", "old", answer, index) for index, answer in enumerate(["left", "left", "tie", "right"] * 3)
    ]
    lines += [
        preference("old", "new", answer, index) for index, answer in enumerate(["right", "tie", "left", "right"] * 3)
    ]
    path = tmp_path / "choices.jsonl"
    path.write_text("".join(lines))
    words = ["compare", "--preferences", str(path), "--out", str(tmp_path / "out"), "--replicates", "200"]
    result = CliRunner().invoke(app, [*words, "--baseline", "old"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "preferences.md").read_text()
    assert "| new | old | 12 | 6 | 6 | 12 | 0.625 |" in text
    assert "new left 12, right 12 (p = 1)" in text
    assert (tmp_path / "out" / "preferences.csv").read_text().startswith("name,wins,ties,losses,prompts,log_worth")
    assert "No choice is about the model" in CliRunner().invoke(app, [*words, "--baseline", "x"]).output
    assert "compares by choices" in CliRunner().invoke(app, [*words, str(tmp_path)]).output
    assert "nothing to compare" in CliRunner().invoke(app, ["compare", "--out", str(tmp_path)]).output
