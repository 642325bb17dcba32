"""Training prompts from files: order, resumption, formats, and the audit against evaluation prompts."""

import logging
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.suites.registry import load_suite
from tests.unit.trainer.stages.test_asymmetric_dmd import dmd_config, dmd_stage, folders  # noqa: F401
from trainer.cli import app
from trainer.data.prompt_audit import shared_prompts
from trainer.data.prompts import PromptFile, read_prompts


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_prompt_comes_once_an_epoch_and_batches_depend_on_their_number_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "p.txt", [f"prompt {i}" for i in range(10)])
    stream = PromptFile(path, seed=1)
    texts = [text for number in range(5) for text in stream.batch(number, 4)]
    assert sorted(texts[:10]) == sorted(texts[10:]) == sorted(read_prompts(path))
    assert texts[:10] != texts[10:]
    assert PromptFile(path, seed=1).batch(3, 4) == texts[12:16]
    assert PromptFile(path, seed=2).batch(0, 4) != texts[:4]


def test_all_formats_give_the_same_prompts_once(tmp_path: Path) -> None:
    lines = ["a cat", "", "a dog, running", "a cat"]
    expected = ["a cat", "a dog, running"]
    assert read_prompts(write(tmp_path / "p.txt", lines)) == expected
    pd.DataFrame({"caption": lines, "other": 1}).to_csv(tmp_path / "p.csv", index=False)
    pd.DataFrame({"text": lines}).to_parquet(tmp_path / "p.parquet")
    assert read_prompts(tmp_path / "p.csv") == read_prompts(tmp_path / "p.parquet") == expected
    pd.DataFrame({"words": lines}).to_parquet(tmp_path / "q.parquet")
    with pytest.raises(UserError, match="none of the columns"):
        read_prompts(tmp_path / "q.parquet")
    with pytest.raises(UserError, match="no prompts"):
        read_prompts(write(tmp_path / "empty.txt", [""]))
    with pytest.raises(UserError, match="no prompt file"):
        read_prompts(tmp_path / "nothing.txt")


@pytest.mark.long
def test_a_stage_trains_on_the_file(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    path = write(tmp_path / "p.txt", ["a small red circle", "a large blue square", "a green triangle"])
    own, sprite = dmd_stage(dmd_config(folders, prompts=path)), dmd_stage(dmd_config(folders))
    assert own.training_step(0)["dmd_loss"] != sprite.training_step(0)["dmd_loss"]
    again = dmd_stage(dmd_config(folders, prompts=path))
    repeated = dmd_stage(dmd_config(folders, prompts=path))
    assert again.training_step(0)["dmd_loss"] == repeated.training_step(0)["dmd_loss"]


def test_a_folder_of_shards_is_one_list_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    write(folder / "b.txt", ["third", "first"])
    pd.DataFrame({"prompt": ["first", "second"]}).to_parquet(folder / "a.parquet")
    assert read_prompts(folder) == ["first", "second", "third"]
    assert sorted(PromptFile(folder, seed=0).batch(1, 3)) == ["first", "second", "third"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no prompt file"):
        read_prompts(tmp_path / "empty")


def test_a_broken_shard_of_prompts_is_named_and_skipped_only_if_told_to(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    write(folder / "a.txt", ["a small red circle"])
    (folder / "b.parquet").write_bytes(b"PAR1 no table")
    (folder / "c.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"b\.parquet cannot be read"):
        dmd_stage(dmd_config(folders, prompts=folder))
    with caplog.at_level(logging.WARNING, logger="trainer"):
        stage = dmd_stage(dmd_config(folders, prompts=folder, skip_corrupt_shards=True))
    named = zip(["b.parquet", "c.txt"], caplog.records, strict=True)
    assert all(name in record.getMessage() for name, record in named)
    assert stage._asked.batch(0, 0, range(2)) == ["a small red circle"] * 2


@given(
    st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=8),
    st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=8),
    st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]),
)
def test_the_audit_finds_what_comparing_all_pairs_finds(training: list[str], held_out: list[str], near: float) -> None:
    def similarity(one: str, other: str) -> float:
        return len(set(one.split()) & set(other.split())) / len(set(one.split()) | set(other.split()))

    expected = [max(similarity(text, other) for other in training) for text in held_out]
    found = {shared.number: shared.similarity for shared in shared_prompts(training, held_out, near)}
    assert found == {number: value for number, value in enumerate(expected) if value >= near}


def test_planted_prompts_are_reported_with_their_ids(tmp_path: Path) -> None:
    assert shared_prompts(["A cat,  running!"], ["a dog", "a cat running"]) == [(1, "A cat,  running!", 1.0)]
    suite = load_suite("sprite-5s").prompts
    planted = [suite[3].text.upper(), f"{suite[7].text}!", suite[9].text]
    path = write(tmp_path / "p.txt", ["something else", *planted])
    result = CliRunner().invoke(app, ["audit-prompts", str(path), "sprite-5s"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [suite[index].prompt_id for index in (3, 7, 9)]
    assert lines[-1] == "3 of 200 evaluation prompts are trained on"
    looser = CliRunner().invoke(app, ["audit-prompts", str(path), "sprite-5s", "--near", "0.5"])
    assert len(looser.output.splitlines()) > len(lines)
    other = CliRunner().invoke(app, ["audit-prompts", str(path), str(write(tmp_path / "e.txt", ["Something, else"]))])
    assert other.output.startswith("prompt 1: Something, else | 100% in training: something else")
    clean = CliRunner().invoke(app, ["audit-prompts", str(write(tmp_path / "c.txt", ["nothing alike"])), "sprite-5s"])
    assert (clean.exit_code, "0 of 200" in clean.output) == (0, True)
