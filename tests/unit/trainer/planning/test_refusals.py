"""What `train` would refuse, `describe` refuses: both ask the same function before anything is loaded."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_model
from probekit.models.transformer_source import open_transformer
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.weight_folders import small_wan
from trainer.cli import app
from trainer.config.places import RECIPES
from trainer.planning.architectures import architecture

REFUSED = {
    ("sprite/dmd_baseline", "latent_frames=20"): "latent_frames: 20 is not a multiple of chunk_frames: 3",
    ("sprite/ar", "latent_frames=4"): "latent_frames: 4 is not a multiple",
    ("sprite/dmd_baseline", "scale.gradient_accumulation=3"): "batch_size: 8 cannot be shared",
    ("sprite/sprite_base", "scale.gradient_accumulation=3"): "batch_size: 128 cannot be shared",
    ("sprite/dmd_baseline", "initial_model=sprite-base"): "cannot be the initial model",
    ("sprite/dmd_baseline", "real_model=sprite-ar"): "cannot be the real score",
    ("sprite/dmd_baseline", "chunk_frames=7"): "trained in chunks of 3 latent frames, not 7",
    ("sprite/consistency", "teacher=sprite-base"): "cannot be the teacher",
    ("sprite/ode_trajectories", "teacher=sprite-ode"): "cannot be the teacher of ODE trajectories",
    ("sprite/ode_trajectories", "data=null"): "is forced on clips",
    ("sprite/dmd_baseline", "latent_size=[7, 8]"): "not a multiple of the patch 2x2",
    ("sprite/dmd_baseline", "latent_frames=3000"): "need 3000 positions",
    ("sprite/dmd_foresight", "foresight.student_layer=4"): "foresight.student_layer: 4 is not a block of a model of 4",
    ("sprite/dmd_foresight", "foresight.encoder_layer=8"): "encoder_layer: 8 is not a block of a model of 8",
    ("sprite/dmd_foresight", "foresight.offsets=[7]"): "leave no future in 7 chunks",
    ("sprite/dmd_foresight", "foresight.predictor_heads=5"): "predictor_heads: 5 do not divide",
    ("sprite/ode_foresight", "real_model=null"): "foresight.encoder: real needs real_model",
    ("sprite/sprite_large", "model.layers=6"): "cannot grow from one of 4",
    ("sprite/sprite_large", "model.heads=8"): "cannot grow from one of 3",
    ("sprite/dmd_baseline", "watch={samples_every: 5, suite: nonsense}"): "nonsense",
    ("sprite/sprite_base", "model.layers=1000000000"): "model.layers = 1000000000 is not allowed",
    ("sprite/sprite_base", "model.heads=1000000000"): "model.heads = 1000000000 is not allowed",
    ("sprite/dmd_baseline", "batch_size=1000000000000"): "batch_size = 1000000000000 is not allowed",
    ("sprite/dmd_baseline", "few_steps=[250, 500]"): "Steps must fall",
    ("sprite/dmd_baseline", "few_steps=[1500]"): "few_steps.0 = 1500 is not allowed",
    ("sprite/dmd_baseline", "timestep_range=[900, 20]"): "The first timestep must be below",
    ("sprite/dmd_baseline", "guidance=.inf"): "guidance = inf is not allowed",
    ("sprite/dmd_baseline", "optimizer.learning_rate=.nan"): "optimizer.learning_rate = nan is not allowed",
    ("sprite/dmd_baseline", "optimizer.betas=[0.0, 1.5]"): "optimizer.betas.1 = 1.5 is not allowed",
    ("sprite/dmd_foresight", "foresight.predictor_heads=1000000000"): "predictor_heads = 1000000000 is not allowed",
    ("sprite/dmd_baseline", "threads=1000000000"): "threads = 1000000000 is not allowed",
}


@pytest.mark.parametrize(("recipe", "override"), REFUSED, ids=lambda value: value)
def test_describe_refuses_what_train_would_refuse(recipe: str, override: str) -> None:
    for verb in ("describe", "train"):
        result = CliRunner().invoke(app, [verb, str(RECIPES / f"{recipe}.yaml"), "--set", override])
        assert result.exit_code == 2, result.output
        assert REFUSED[recipe, override] in result.output
        assert len(result.output.strip().splitlines()) == 1


def test_models_of_two_families_are_refused(tmp_path: Path) -> None:
    student = write_tiny_model(tmp_path / "student")
    write_causal_card(student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    small_wan(text_dim=32).save_pretrained(tmp_path / "other" / "transformer")
    overrides = [f"initial_model={student}", f"real_model={tmp_path / 'other'}"]
    arguments = [part for override in overrides for part in ("--set", override)]
    result = CliRunner().invoke(app, ["describe", str(RECIPES / "sprite" / "dmd_baseline.yaml"), *arguments])
    assert result.exit_code == 2
    assert "initial_model reads texts of width 64, real_model texts of width 32" in result.output


@pytest.mark.parametrize("layers", [10**9, 1025, -1, 0, "many", 2.5, None])
def test_a_configuration_with_impossible_sizes_is_refused_everywhere(tmp_path: Path, layers: object) -> None:
    model = write_tiny_model(tmp_path / "model")
    config = model / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_layers": layers}))
    for way in (
        lambda: load_model(model),
        lambda: open_transformer(str(model)),
        lambda: architecture(str(model), "sprite-base"),
    ):
        with pytest.raises(UserError, match="num_layers"):
            way()
