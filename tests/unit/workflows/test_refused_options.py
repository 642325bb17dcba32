"""Options of `sample` that cannot be are refused in one line before anything is loaded."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from tests.helpers.model_folders import write_tiny_model

REFUSED = {
    ("--seconds", "nan"): "cannot last nan s",
    ("--seconds", "inf"): "cannot last inf s",
    ("--seconds", "0"): "cannot last 0 s",
    ("--seconds", "-3"): "cannot last -3 s",
    ("--seconds", "1e9"): "cannot last 1e+09 s",
    ("--size", "0x32"): "'0x32' is not a frame size",
    ("--size", "32"): "'32' is not a frame size",
    ("--size", "33x32"): "cannot make frames of 33x32",
    ("--size", "32x12"): "cannot make frames of 32x12",
    ("--size", "80000x32"): "cannot make frames of 80000x32: its positions end",
    ("--size", "99999999999999999999x32"): "is not a frame size",
    ("--steps", "0"): "steps = 0 is not allowed",
    ("--steps", "1000000000"): "steps = 1000000000 is not allowed",
    ("--guidance", "nan"): "guidance = nan is not allowed",
    ("--shift", "inf"): "shift = inf is not allowed",
    ("--few-steps", "500,1000"): "Steps must fall",
    ("--few-steps", "2000"): "few_steps.0 = 2000 is not allowed",
    ("--device", "cuda:77"): "There is no device 'cuda:77'",
}


def sample(model: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sample", "--model", str(model), *arguments], terminal_width=250)


@pytest.fixture(scope="module")
def unreadable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights would be refused, were they opened."""
    model = write_tiny_model(tmp_path_factory.mktemp("models") / "model")
    for weights in model.rglob("*.safetensors"):
        weights.write_bytes(b"no weights")
    return model


@pytest.mark.parametrize(("option", "value"), REFUSED, ids=lambda value: value)
@pytest.mark.parametrize("prompts", [True, False])
def test_an_option_is_refused_before_weights_are_opened(
    unreadable: Path, tmp_path: Path, option: str, value: str, prompts: bool
) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\n")
    given = ["--prompts", str(tmp_path / "prompts.txt")] if prompts else []
    result = sample(unreadable, "--out", str(tmp_path / "out"), *given, option, value)
    assert result.exit_code == 2, result.output
    assert REFUSED[option, value] in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_options_of_the_other_kind_of_model_are_refused(unreadable: Path, tmp_path: Path) -> None:
    refused = sample(unreadable, "--out", str(tmp_path / "out"), "--few-steps", "1000,500")
    assert "A model of whole clips has no use for few_steps" in refused.output
    for option, value in (("--steps", "4"), ("--guidance", "3"), ("--shift", "5")):
        refused = sample(Path("sprite-dmd-baseline"), "--out", str(tmp_path / "out"), option, value)
        assert refused.exit_code == 2
        assert f"A streaming generator has no use for {option.removeprefix('--')}" in refused.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "command",
    [
        ["power", "a", "b", "--width"],
        ["power", "a", "b", "--effect"],
        ["compare", "a", "b", "--out", "c", "--margin"],
    ],
)
def test_numbers_of_statistics_are_finite(command: list[str], number: str) -> None:
    refused = CliRunner().invoke(app, [*command, number], terminal_width=250)
    assert refused.exit_code == 2
    assert "is no finite number" in refused.output


@pytest.mark.parametrize(
    "command",
    [["power", "a", "b", "--prompts", "9" * 30], ["compare", "a", "b", "--out", "c", "--replicates", "99999999999"]],
)
def test_sizes_that_no_memory_holds_are_refused(command: list[str]) -> None:
    refused = CliRunner().invoke(app, command, terminal_width=250)
    assert refused.exit_code == 2
    assert "is no number of prompts" in refused.output or "replicates" in refused.output


def test_a_clip_longer_than_the_positions_is_refused_and_a_stream_is_not(unreadable: Path, tmp_path: Path) -> None:
    config = unreadable / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "rope_max_seq_len": 8}))
    result = sample(unreadable, "--out", str(tmp_path / "out"))
    assert "cannot make 81 frames at once" in result.output
    (unreadable / "causal.json").write_text(
        json.dumps({"role": "dmd_student", "chunk_frames": 3, "shift": 5.0, "few_steps": [1000, 500]})
    )
    stream = sample(unreadable, "--out", str(tmp_path / "out"), "--window", "6", "--sink", "3")
    assert "holds no weights" in stream.output  # it went on to the weights
    (unreadable / "causal.json").unlink()
