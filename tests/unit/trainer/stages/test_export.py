"""Exports: which weights and cards they hold, who writes them, and what they do not replace."""

import json
from pathlib import Path

import pytest
import torch

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, is_causal, read_causal_card
from probekit.models.loading import load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.model_folders import tiny_transformer
from trainer.distributed.world import SINGLE, World
from trainer.stages.export import check_is_export, export_causal, export_transformer

PARTS = SHIPPED_MODELS / "sprite-base"


def test_a_transformer_is_exported_in_bf16_with_the_shift_of_its_scheduler(tmp_path: Path) -> None:
    model = tiny_transformer(seed=3)
    export_transformer(model, tmp_path / "export", PARTS, 6.5, SINGLE)
    opened = load_transformer(tmp_path / "export")
    for name, tensor in model.state_dict().items():
        assert torch.equal(opened.state_dict()[name], tensor.bfloat16().float()), name
    scheduler = json.loads((tmp_path / "export" / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["flow_shift"] == 6.5
    assert not is_causal(tmp_path / "export")


def test_a_generators_export_has_its_card_and_its_shift(tmp_path: Path) -> None:
    card = CausalCard(role="ar_teacher", chunk_frames=3, shift=4.5, euler_steps=7, guidance=2.0)
    export_causal(tiny_transformer(), tmp_path / "export", PARTS, card, SINGLE)  # type: ignore[arg-type]
    assert read_causal_card(tmp_path / "export") == card
    scheduler = json.loads((tmp_path / "export" / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["flow_shift"] == 4.5


def test_the_main_process_alone_writes(tmp_path: Path) -> None:
    export_transformer(tiny_transformer(), tmp_path / "export", PARTS, 3.0, World(rank=1, size=2))
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_or_a_part_of_one_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    for name in ("absent", "empty", "whole", "part", "foreign"):
        if name != "absent":
            (tmp_path / name).mkdir()
    (tmp_path / "whole" / "model_index.json").write_text("{}")
    (tmp_path / "whole" / "notes.txt").write_text("")
    (tmp_path / "part" / "transformer").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    for name in ("absent", "empty", "whole", "part"):
        check_is_export(tmp_path / name)
    with pytest.raises(UserError, match=r"foreign holds thesis\.tex, and no earlier export"):
        check_is_export(tmp_path / "foreign")
