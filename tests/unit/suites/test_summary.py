"""`probekit suites`: the totals of a plan, before anything is generated."""

import importlib.util

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app


def _suites(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["suites", *arguments], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_suites_are_listed() -> None:
    assert {"sprite-5s", "sprite-30s", "vbench", "moviegen-30s"} <= set(_suites().splitlines())


@pytest.mark.skipif(importlib.util.find_spec("vbench") is None, reason="needs the package vbench")
def test_totals_of_vbench() -> None:
    plan = _suites("vbench")
    assert "946 of 944 different texts" in plan
    assert "videos       4730, 5 of each prompt" in plan
    assert "scores       6810 of videos in 16 dimensions" in plan
    assert "imaging_quality         465 videos" in plan
    many = _suites("vbench", "--suite-option", "flickering_samples=25")
    assert "videos       6230, 5 or 25 of each prompt" in many
    assert "temporal_flickering     1875 videos" in many


def test_every_video_of_other_suites_has_every_dimension() -> None:
    plan = _suites("sprite-30s")
    assert "videos       200, 2 of each prompt" in plan
    assert "scores       2000 of videos in 10 dimensions" in plan
    assert "489 frames of 32x32" in plan


def test_a_misspelt_option_is_one_line() -> None:
    result = CliRunner().invoke(app, ["suites", "sprite-5s", "--suite-option", "frame=3"])
    assert result.exit_code == 2
    assert "frame" in result.output
