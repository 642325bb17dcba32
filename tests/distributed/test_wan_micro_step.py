"""One micro-step of a wan/ recipe on a Wan of reduced width: the same keys and code as on a cluster, two processes."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.presets import SPRITE_TEXT_WIDTH, WAN_1_3B, WAN_14B
from probekit.models.saving import complete_model_folder, save_transformer
from tests.distributed.test_two_processes import RECIPES, train

pytestmark = pytest.mark.long


def narrow(config: dict[str, object], heads: int, folder: Path, seed: int) -> Path:
    """Wan's depth ratio, head width and text interface at a fraction of its width."""
    size = {**config, "num_attention_heads": heads, "attention_head_dim": 12, "ffn_dim": 16 * heads, "num_layers": 3}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_transformer(WanTransformer3DModel(**{**size, "text_dim": SPRITE_TEXT_WIDTH, "freq_dim": 32}), folder)
    complete_model_folder(folder, SHIPPED_MODELS / "sprite-base", flow_shift=5.0)
    return folder


def test_the_wan_recipe_takes_a_step_under_fsdp_on_a_narrow_wan(tmp_path: Path) -> None:
    student = narrow(WAN_1_3B, 2, tmp_path / "student", 0)
    write_causal_card(
        student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    )
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(
        "a small red circle north heading east over the night in the open\n"
        "a large blue cross south heading west over the stone in the open\n"
    )
    train(
        2,
        RECIPES.parent / "wan" / "dmd_foresight.yaml",
        tmp_path / "run",
        f"initial_model={student}",
        f"critic_model={narrow(WAN_1_3B, 2, tmp_path / 'critic', 1)}",
        f"real_model={narrow(WAN_14B, 4, tmp_path / 'real', 2)}",
        f"text_and_codec={SHIPPED_MODELS / 'sprite-base'}",
        f"prompts={prompts}",
        "latent_size=[4,6]",
        "latent_frames=6",
        "batch_size=4",
        "critic_updates=1",
        "scale.gradient_accumulation=2",
        "foresight.predictor_heads=2",
        "optimizer.warmup_steps=0",
        "steps=1",
    )
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records[0]["auxiliary_loss"] > 0
    assert (tmp_path / "run" / "export" / "causal.json").is_file()
