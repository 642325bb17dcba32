"""A Wan plan's own commands, run on Wans of a few thousand weights: train, sample, score, compare, draw; then again."""

import csv
from pathlib import Path

import pytest
from diffusers import WanTransformer3DModel
from typer.testing import CliRunner

from probekit.models.causal_card import CausalCard, read_causal_card, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.presets import SPRITE_TEXT_WIDTH, WAN_1_3B, WAN_14B
from probekit.models.saving import complete_model_folder, save_transformer
from trainer.cli import app

PROMPTS = (
    "a small red circle north heading east over the night in the open\n"
    "a large blue cross south heading west over the stone in the open\n"
)
HEADS = 12
"""As many as the predictor of the recipe."""
SMALL = ("--prompts", "2", "--samples", "1", "--steps", "1")
HERE = ("--processes", "1", "--device", "cpu", "--backend", "free", "--suite", "sprite-5s")
CHANGES = (
    "real_model=wan-14b", "critic_model=wan-1.3b", "text_and_codec=sprite-base", "latent_size=[8,8]", "latent_frames=6",
    "batch_size=2", "critic_updates=1", "scale.gradient_accumulation=1",
)  # fmt: skip


def narrow(config: dict[str, object], folder: Path) -> Path:
    """Wan's twelve heads and text interface at a fraction of its width and depth."""
    size = {**config, "num_attention_heads": HEADS, "attention_head_dim": 12, "ffn_dim": 64, "num_layers": 2}
    save_transformer(WanTransformer3DModel(**{**size, "text_dim": SPRITE_TEXT_WIDTH, "freq_dim": 32}), folder)
    complete_model_folder(folder, SHIPPED_MODELS / "sprite-base", flow_shift=5.0)
    return folder


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the recipes of Wan expect it: the student of stage 2, prompts, and both scores."""
    student = narrow(WAN_1_3B, tmp_path / "runs" / "wan-ode" / "export")
    write_causal_card(
        student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    )
    narrow(WAN_1_3B, tmp_path / "wan-1.3b")
    narrow(WAN_14B, tmp_path / "wan-14b")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "training.txt").write_text(PROMPTS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
def test_the_commands_of_a_wan_plan_run_from_training_to_the_table(working_folder: Path) -> None:
    changes = [word for change in CHANGES for word in ("--set", change)]
    arguments = ["reproduce", "table15", "--scale", "wan", *SMALL, *HERE, *changes, "--out", "out"]
    planned = CliRunner().invoke(app, [*arguments, "--plan"])
    assert planned.output.count("to do") == 7
    assert "yours" not in planned.output
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    exports = sorted((working_folder / "out" / "rows").glob("*/export"))
    assert [read_causal_card(export).role for export in exports] == ["dmd_student", "dmd_student"]
    with (working_folder / "out" / "table15" / "table15.csv").open(encoding="utf-8") as file:
        assert [row["quantity"] for row in csv.DictReader(file)] == ["SpriteQuality", "SpriteSemantic", "SpriteTotal"]
    text = (working_folder / "out" / "table15" / "table15.md").read_text(encoding="utf-8")
    assert "SMALL RUN: 2 of 200 prompts, 1 of 5 videos per prompt" in text
    again = CliRunner().invoke(app, [*arguments, "--plan"])
    assert "7 of 7 commands are done" in again.output
