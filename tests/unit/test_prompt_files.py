"""Training prompts from files: order, resumption, formats, and the audit against evaluation prompts."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.evaluation.suites import load_suite
from tests.unit.test_asymmetric_dmd import dmd_config, dmd_stage, folders  # noqa: F401
from trainer.cli import app
from trainer.data.prompts import PromptFile, overlap, read_prompts


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


def test_a_stage_trains_on_the_file(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    path = write(tmp_path / "p.txt", ["a small red circle", "a large blue square", "a green triangle"])
    own, sprite = dmd_stage(dmd_config(folders, prompts=path)), dmd_stage(dmd_config(folders))
    assert own.training_step(0)["dmd_loss"] != sprite.training_step(0)["dmd_loss"]
    again = dmd_stage(dmd_config(folders, prompts=path))
    repeated = dmd_stage(dmd_config(folders, prompts=path))
    assert again.training_step(0)["dmd_loss"] == repeated.training_step(0)["dmd_loss"]


def test_overlap_sees_through_case_and_punctuation(tmp_path: Path) -> None:
    assert overlap(["A cat,  running!"], ["a cat running", "a dog"]) == ["a cat running"]
    held_out = load_suite("sprite-5s").prompts[3].text
    path = write(tmp_path / "p.txt", ["something else", held_out.upper()])
    result = CliRunner().invoke(app, ["audit-prompts", str(path), "sprite-5s"])
    assert result.exit_code == 1
    assert held_out in result.output
    clean = CliRunner().invoke(app, ["audit-prompts", str(write(tmp_path / "c.txt", ["nothing alike"])), "sprite-5s"])
    assert (clean.exit_code, "0 of 100" in clean.output) == (0, True)
