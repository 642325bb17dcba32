"""What an export says, and what it does not."""

import json
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel

from probekit.models.saving import save_transformer
from tests.helpers.model_folders import write_tiny_model


def test_an_export_says_what_the_model_is_and_not_where_its_start_was_read(tmp_path: Path) -> None:
    start = write_tiny_model(tmp_path / "start", seed=1)
    model = WanTransformer3DModel.from_pretrained(start / "transformer")
    assert str(tmp_path) in str(model.config["_name_or_path"])
    save_transformer(model, tmp_path / "export")
    written = json.loads((tmp_path / "export" / "transformer" / "config.json").read_text())
    assert str(tmp_path) not in json.dumps(written)
    own = {name: value for name, value in model.config.items() if not name.startswith("_")}
    assert {name: written[name] for name in own} == json.loads(json.dumps(own))
    again = WanTransformer3DModel.from_pretrained(tmp_path / "export" / "transformer")
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight.bfloat16(), check_dtype=False)
