"""The trainer's commands at tiny size: fit the parts, encode clips, train, sample the export, write its card."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from probekit.cli.main import app as probekit_app
from probekit.models.causal_card import is_causal, read_causal_card
from probekit.models.loading import load_codec, load_text_encoder, load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.video_codec import to_uint8_frames, to_unit_range
from probekit.sprite_world.episodes import episode
from tests.helpers.model_folders import write_tiny_model
from trainer.cli import app

RECIPE = """
stage: bidirectional
name: tiny
seed: 0
model: {{heads: 1, layers: 1}}
data: {data}
text_and_codec: {parts}
phases: [{{steps: 2, latent_frames: 3, batch_size: 2}}]
optimizer: {{learning_rate: 1.0e-3, warmup_steps: 1}}
log_every: 1
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_fitted_parts_open_and_the_codec_is_good_already_on_few_episodes(tmp_path: Path) -> None:
    result = run("fit-parts", "--out", tmp_path, "--episodes", 30, "--text-steps", 2)
    assert result.exit_code == 0, result.output
    assert load_text_encoder(tmp_path).encode(
        ["a small red circle north heading east over the night in the open"]
    ).shape == (1, 30, 64)
    frames = torch.from_numpy(episode("validation", 1, 0).frames)[None]
    codec = load_codec(tmp_path)
    decoded = to_uint8_frames(codec.decode(codec.encode(to_unit_range(frames))))
    assert 10 * torch.log10(255**2 / (decoded.float() - frames.float()).square().mean()) > 26


@pytest.mark.long
def test_from_clips_to_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.sprite_latents.SHARD_SIZE", 4)
    for split in ("train", "validation"):
        encoded = run("encode-sprites", "--out", tmp_path / "clips", "--shards", 1, "--split", split)
        assert encoded.exit_code == 0, encoded.output
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE.format(data=tmp_path / "clips", parts=SHIPPED_MODELS / "sprite-base"))
    trained = run("train", recipe, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    refused = run("train", recipe, "--out", tmp_path / "run", "--no-resume")
    assert refused.exit_code == 2
    assert "holds a run already" in refused.output
    assert run("train", recipe, "--out", tmp_path / "run", "--resume").exit_code == 0
    sample = ["sample", "--model", tmp_path / "run" / "export", "--out", tmp_path / "videos", "--prompts", 2]
    made = CliRunner().invoke(probekit_app, [str(a) for a in [*sample, "--samples", 1, "--steps", 1]])
    assert made.exit_code == 0, made.output
    carded = run("card", tmp_path / "run", "--samples", tmp_path / "videos", "--command", "trainer train tiny.yaml")
    assert carded.exit_code == 0, carded.output
    card = json.loads((tmp_path / "run" / "export" / "model_card.json").read_text())
    assert card["steps"] == 2
    assert card["command"] == "trainer train tiny.yaml"
    assert card["tracker_rates"]["videos"] == 2
    assert 0 <= card["tracker_rates"]["colors_and_shapes"] <= card["tracker_rates"]["colors"] <= 1
    assert "2 videos of held-out prompts" in (tmp_path / "run" / "export" / "README.md").read_text()


TRAJECTORIES = """
stage: ode_trajectories
name: solved
seed: 0
teacher: {teacher}
text_and_codec: {parts}
out: {elsewhere}
shards: 2
clips_per_shard: 1
latent_frames: 3
euler_steps: 4
guidance: 1.0
threads: {threads}
"""


def test_trajectories_go_where_out_says_with_the_threads_of_the_recipe(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    recipe = tmp_path / "solved.yaml"
    places = {"teacher": write_tiny_model(tmp_path / "teacher"), "elsewhere": tmp_path / "elsewhere"}
    recipe.write_text(TRAJECTORIES.format(parts=SHIPPED_MODELS / "sprite-base", threads=threads + 1, **places))
    try:
        made = run("train", recipe, "--out", tmp_path / "here")
        assert made.exit_code == 0, made.output
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    names = ["trajectories-00000.safetensors", "trajectories-00001.safetensors"]
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == names
    assert not (tmp_path / "elsewhere").exists()
    assert run("train", recipe).exit_code == 0
    torch.set_num_threads(threads)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == names
    assert "name: solved" in run("describe", recipe).output


def test_the_name_is_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.sprite_latents.SHARD_SIZE", 4)
    monkeypatch.chdir(tmp_path)
    for split in ("train", "validation"):
        assert run("encode-sprites", "--out", "clips", "--shards", 1, "--split", split).exit_code == 0
    Path("tiny.yaml").write_text(RECIPE.format(data="clips", parts=SHIPPED_MODELS / "sprite-base"))
    assert run("train", "tiny.yaml", "--set", "name=chosen", "--set", "phases.0.steps=1").exit_code == 0
    assert (tmp_path / "runs" / "chosen" / "export" / "transformer").is_dir()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "nowhere.yaml"], "nowhere.yaml"),
        (["card", "nowhere", "--samples", "x", "--command", "x"], "nowhere"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sum(line.startswith("error:") for line in result.output.splitlines()) == 1
    assert named in result.output


def test_a_wrong_word_of_a_choice_is_answered_with_those_that_there_are() -> None:
    result = run("encode-sprites", "--split", "trian")
    assert result.exit_code == 2
    for word in ("trian", "train", "validation", "test"):
        assert word in result.output


SHIPPED = {
    "sprite-base": None,
    "sprite-large": None,
    "sprite-ar": "ar_teacher",
    "sprite-ode": "ode_student",
    "sprite-dmd-baseline": "dmd_student",
    "sprite-dmd-foresight": "dmd_student",
}


def test_the_shipped_models_open_with_their_cards() -> None:
    for name, role in SHIPPED.items():
        folder = SHIPPED_MODELS / name
        assert (read_causal_card(folder).role if is_causal(folder) else None) == role
        assert load_transformer(folder).dtype == torch.float32
        card = json.loads((SHIPPED_MODELS / name / "model_card.json").read_text())
        assert card["name"] == name
        assert set(card["tracker_rates"]) == {"colors", "colors_and_shapes", "one_identity", "background", "videos"}
