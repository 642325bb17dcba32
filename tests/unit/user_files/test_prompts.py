"""Prompts as people have them: every kind of file, both readers, nothing counted twice."""

import logging
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.suites.prompt_files import read_extended, suite_from_file
from probekit.suites.suite import Prompt
from probekit.user_files.prompts import same_text
from trainer.data.prompts import read_prompts

TWO = ["a red cup", "a blue cup"]


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def sampled(path: Path) -> list[str]:
    return [prompt.text for prompt in suite_from_file(path, seconds=5, geometry=SPRITE_GEOMETRY).prompts]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", "a red cup\na blue cup\n\n"),
        ("windows.txt", "a red cup\r\na blue cup"),
        ("mark.txt", "\ufeffa red cup\n\ufeffa blue cup\n"),
        ("no suffix", "a red cup\na blue cup\n"),
        ("objects.jsonl", '{"prompt": "a red cup"}\n{"prompt": "a blue cup"}\n'),
        ("texts.jsonl", '"a red cup"\n"a blue cup"\n'),
        ("list.JSON", '["a red cup", "a blue cup"]'),
        ("list.txt", '["a red cup",\n "a blue cup"]'),
        ("named.json", '{"model": "x", "prompts": ["a red cup", "a blue cup"]}'),
        ("vbench.json", '[{"prompt_en": "a red cup", "dimension": []}, {"prompt_en": "a blue cup"}]'),
        ("upper.CSV", "prompt_id,prompt\na1,a red cup\na2,a blue cup\n"),
        ("header.csv", "Prompt_ID, Prompt\na1,a red cup\na2,a blue cup\n"),
        ("semicolons.csv", "prompt_id;prompt\na1;a red cup\na2;a blue cup\n"),
        ("one column.csv", 'caption\na red cup\n"a blue cup"\n'),
        ("tabs.tsv", "prompt_id\tprompt\na1\ta red cup\na2\ta blue cup\n"),
        ("tabs.txt", "prompt_id\tprompt\na1\ta red cup\na2\ta blue cup\n"),
    ],
)
def test_every_kind_gives_the_same_prompts_to_both_packages(name: str, content: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    assert sampled(path) == read_prompts(path) == TWO


def test_separators_of_unicode_are_part_of_a_prompt(tmp_path: Path) -> None:
    texts = ["a cat\u2028walks", "a dog\u0085runs", "a bird\x0cflies", "{a cat} [b]"]
    path = write(tmp_path / "a.txt", "\n".join(texts))
    assert sampled(path) == read_prompts(path) == texts


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.txt", "prompt\na red cup\n", "its first line 'prompt' is the name of a column"),
        ("a.csv", "prompt_id,prompt\na1,a red cup, at dusk\n", "line 2: it has 3 cells for 2 columns"),
        ("a.csv", "promt\na red cup\n", "none of the columns prompt, prompt_en, caption, text; it has promt"),
        ("a.json", '[{"prompt": "a"}, {"prompt": ["b"]}]', "entry 2: prompt is a list, not a text"),
        ("a.json", '{"n": 1}', "holds the keys n and no list"),
        ("README.md", "# Prompts\n", "is a .md file, not a prompt file"),
    ],
)
def test_both_packages_refuse_the_same(name: str, content: str, named: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    for read in (sampled, read_prompts):
        with pytest.raises(UserError) as caught:
            read(path)
        assert named in caught.value.problem


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.txt", "a red cup\na blue cup\n a red  cup \n", "line 3: the prompt 'a red  cup' is also on line 1"),
        ("a.txt", "cafe\u0301\ncaf\u00e9\u200b\n", "is also on line 1"),
        ("a.csv", "prompt_id,prompt\na1,a cup\na2,a cup\n", "line 3: the prompt 'a cup' is also on line 2"),
        ("a.csv", "prompt_id,prompt\na/1,a cup\n", "line 2: The prompt_id 'a/1' cannot be part of a file name"),
        ("a.csv", "promptid,prompt\na1,a cup\n", "no column prompt_id, and its column 'promptid' is not read"),
        ("a.jsonl", '{"prompt": "a"}\n{"promt": "b"}\n', "line 2: the prompt is empty"),
    ],
)
def test_a_suite_refuses_what_would_count_twice_or_be_lost(name: str, content: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sampled(write(tmp_path / name, content))
    assert named in caught.value.problem


def test_capitals_tell_prompts_apart_and_emoji_too() -> None:
    assert len({same_text(text) for text in ("A cat", "a cat", "a 🐱", "a 🦊")}) == 4


def test_training_prompts_say_what_they_leave_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.txt", "a red cup\n\na red cup\n")
    write(tmp_path / "B.CSV", "prompt\na blue cup\na red cup\n")
    for name in ("README.md", "README.txt", "LICENSE", "meta.json", "a.txt~", "notes.pdf", ".hidden.txt"):
        write(tmp_path / name, '{"n": 1}')
    (tmp_path / "more").mkdir()
    with caplog.at_level(logging.WARNING, logger="trainer"):
        assert read_prompts(tmp_path) == ["a blue cup", "a red cup"]
    said = [record.getMessage() for record in caplog.records]
    assert said[0].endswith("no prompt files: LICENSE, README.md, README.txt and 4 more")
    assert said[1].endswith("1 entries are empty")
    assert said[2].endswith("2 prompts stand there more than once and are kept once")


def test_a_folder_without_prompt_files_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write(tmp_path / "README.md", "# Prompts")
    with pytest.raises(UserError, match=r"no prompt file in the folder .*; README\.md, train/ is none"):
        read_prompts(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "longer one\r\nlonger two\r\n"),
        ("a.csv", "prompt_id,extended\nq,longer two\np,longer one\n"),
        ("a.jsonl", '{"prompt_id": "q", "extended": "longer two"}\n{"prompt_id": "p", "extended": "longer one"}\n'),
        ("a.json", '["longer one", "longer two"]'),
    ],
)
def test_extended_texts_come_from_the_same_reader(name: str, content: str, tmp_path: Path) -> None:
    prompts = [Prompt("p", "one"), Prompt("q", "two")]
    assert read_extended(write(tmp_path / name, content), prompts) == ("longer one", "longer two")
