"""The tutorial works as it stands: its commands run in their order, and leave the files that it names."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app as probekit
from tests.helpers.documents import shell_commands
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer

PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
PROGRAMS = {"probekit": probekit, "trainer": trainer}


def test_every_command_is_one_of_ours_and_short() -> None:
    commands = shell_commands(PAGE)
    assert len(commands) >= 15
    assert {words[0] for words in commands} == PROGRAMS.keys()


@pytest.mark.long
def test_the_commands_of_the_tutorial_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for program, *arguments in shell_commands(PAGE):
        done = CliRunner().invoke(PROGRAMS[program], arguments)
        assert done.exit_code == 0, f"{program} {' '.join(arguments)}\n{done.output}\n{done.exception!r}"
    named = {path for path in re.findall(r"`(runs/[\w./-]+)`", PAGE)}
    assert named
    assert [path for path in sorted(named) if not (tmp_path / path).exists()] == []
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
