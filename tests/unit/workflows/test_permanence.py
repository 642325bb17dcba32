"""`probekit permanence` on true videos: everything lasts, and two runs of the same videos do not differ."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.sprite.identity import Identity
from probekit.workflows.permanence import permanence

N = len(Identity._fields)


@pytest.fixture(scope="module")
def true_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("true") / "run"
    arguments = ["sample", "--model", "sprite-world", "--prompts", "30", "--samples", "1", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return out


def test_in_true_videos_everything_lasts(true_videos: Path, tmp_path: Path) -> None:
    table = permanence([true_videos], tmp_path)
    assert len(table.rows) == 2 * N
    for row in table.rows:
        (share,) = row.shares
        assert share.difference is not None
        assert share.difference >= 95
        assert row.difference is None
        assert share.n_prompts >= 4
    assert (tmp_path / "permanence.md").read_text().count("| out of view |") == N
    assert "out of view" in (tmp_path / "permanence.tex").read_text()


@pytest.fixture(scope="module")
def renamed_videos(true_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same videos under another model's name."""
    out = tmp_path_factory.mktemp("renamed") / "run"
    shutil.copytree(true_videos, out)
    manifest = out / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"sprite-world"', '"another"'))
    return out


def test_two_models_of_the_same_videos_do_not_differ_and_the_command_shows_both(
    true_videos: Path, renamed_videos: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["permanence", str(true_videos), str(renamed_videos), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    table = permanence([true_videos, renamed_videos], tmp_path)
    assert {row.difference and row.difference.difference for row in table.rows} == {0.0}
    head, *lines = (tmp_path / "permanence.csv").read_text().splitlines()
    assert head.endswith("difference mean,difference low,difference high,difference prompts")
    assert len(lines) == 2 * N


def test_training_runs_are_resampled_in_pairs(true_videos: Path, renamed_videos: Path, tmp_path: Path) -> None:
    (one, *_), (two, *_) = (permanence([true_videos] * count, tmp_path).rows for count in (1, 2))
    assert (one.shares[0].difference, one.shares[0].n_prompts) == (two.shares[0].difference, two.shares[0].n_prompts)
    table = permanence([true_videos] * 2 + [renamed_videos] * 2, tmp_path)
    assert {row.difference and row.difference.difference for row in table.rows} == {0.0}
    assert "Bootstrap over 2 pairs of training runs and over prompts" in (tmp_path / "permanence.md").read_text()


def test_unequal_numbers_of_runs_are_refused(true_videos: Path, renamed_videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sprite-world \(2\), another \(1\) cannot be shown side by side"):
        permanence([true_videos, true_videos, renamed_videos], tmp_path)
