"""Weights in and out: every layout opens, converts without losing a bit, and names what does not fit."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, read_causal_card, write_causal_card
from probekit.models.loading import load_model
from probekit.models.model_folder import SHIPPED_MODELS, model_folder
from probekit.models.presets import WAN_1_3B, WAN_14B
from probekit.models.transformer_source import open_transformer
from probekit.models.weight_names import WRAPPERS, to_diffusers, to_original
from tests.helpers.model_folders import tiny_transformer

HEADS = 1


def original_state(model: WanTransformer3DModel) -> dict[str, Tensor]:
    renamed = {to_original(name): value for name, value in model.state_dict().items()}
    assert None not in renamed
    return {str(name): value for name, value in renamed.items()}


def equal_states(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def model() -> WanTransformer3DModel:
    return tiny_transformer()


def test_the_two_layouts_name_each_parameter_once() -> None:
    with torch.device("meta"):
        names = list(WanTransformer3DModel(**WAN_1_3B).state_dict())
    originals = [to_original(name) for name in names]
    assert len(set(originals)) == len(names)
    assert [to_diffusers(str(name)) for name in originals] == names
    assert to_original("blocks.3.attn2.to_out.0.bias") == "blocks.3.cross_attn.o.bias"
    assert to_diffusers("blocks.12.norm3.weight") == "blocks.12.norm2.weight"
    assert to_diffusers("img_emb.proj.0.weight") is None
    assert to_diffusers("blocks.0.cross_attn.k_img.weight") is None


@pytest.mark.parametrize(("config", "count"), [(WAN_1_3B, 1_418_996_800), (WAN_14B, 14_288_491_584)])
def test_wan_has_its_exact_size(config: dict[str, object], count: int) -> None:
    with torch.device("meta"):
        transformer = WanTransformer3DModel(**config)
    assert sum(parameter.numel() for parameter in transformer.parameters()) == count


@pytest.mark.parametrize("branch", ["generator", "generator_ema", "model", None])
@pytest.mark.parametrize("wrapper", ["", "model.", *(f"model.{wrapper}" for wrapper in WRAPPERS), "_orig_mod.model."])
def test_trainers_files_open_whatever_wraps_their_names(
    model: WanTransformer3DModel, branch: str | None, wrapper: str, tmp_path: Path
) -> None:
    state = {f"{wrapper}{name}": value for name, value in original_state(model).items()}
    torch.save(state if branch is None else {branch: state}, tmp_path / "model.pt")
    opened = open_transformer(str(tmp_path / "model.pt"), heads=HEADS)
    assert opened.file.branch == branch
    assert equal_states(opened.file.weights, dict(model.state_dict()))
    assert all(dict(model.config)[key] == value for key, value in opened.config.items() if key != "patch_size")


def test_wrappers_inside_names_and_auxiliary_models_are_left_out(model: WanTransformer3DModel, tmp_path: Path) -> None:
    state = {
        "model._fsdp_wrapped_module." + name.replace(".self_attn.", "._checkpoint_wrapped_module.self_attn."): value
        for name, value in original_state(model).items()
    }
    extra = {"mirai_projector": {"blocks.0.q.weight": torch.ones(2)}, "foresight_dim_proj": {"weight": torch.ones(2)}}
    torch.save({"generator": state, "generator_ema": state, **extra}, tmp_path / "model.pt")
    opened = open_transformer(str(tmp_path / "model.pt"), heads=HEADS)
    assert (opened.file.branch, opened.file.branches) == ("generator", ("generator", "generator_ema"))
    assert open_transformer(str(tmp_path / "model.pt"), "generator_ema", HEADS).file.branch == "generator_ema"
    with pytest.raises(UserError, match="no branch 'critic'"):
        open_transformer(str(tmp_path / "model.pt"), "critic", HEADS)


def test_the_original_wan_layout_opens_with_its_configuration(model: WanTransformer3DModel, tmp_path: Path) -> None:
    config = model.config
    described = {
        "model_type": "t2v", "dim": 32, "num_heads": 1, "ffn_dim": config.ffn_dim, "freq_dim": config.freq_dim,
        "in_dim": 16, "out_dim": 16, "num_layers": 2, "text_dim": 64, "eps": 1e-6,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(described))
    state = original_state(model)
    names = list(state)
    for index, part in enumerate((names[:10], names[10:])):
        save_file({name: state[name].contiguous() for name in part}, tmp_path / f"model-{index}.safetensors")
    weight_map = {name: f"model-{int(name not in names[:10])}.safetensors" for name in names}
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    opened = open_transformer(str(tmp_path))
    assert opened.file.layout == "original"
    assert equal_states(opened.file.weights, dict(model.state_dict()))
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(UserError, match="lacks model-1"):
        open_transformer(str(tmp_path))


def test_a_round_trip_keeps_every_bit_role_and_origin(tmp_path: Path) -> None:
    run = CliRunner()
    source, middle, back = SHIPPED_MODELS / "sprite-dmd-foresight", tmp_path / "student.pt", tmp_path / "back"
    assert run.invoke(app, ["weights", "convert", str(source), str(middle), "--to", "self-forcing"]).exit_code == 0
    inspected = run.invoke(app, ["weights", "inspect", str(middle), "--heads", "4"])
    assert "dmd_student, chunks of 3" in inspected.output
    assert "2,298,048" in inspected.output or "parameters" in inspected.output
    arguments = ["weights", "convert", str(middle), str(back), "--heads", "4", "--parts", "sprite-base"]
    assert run.invoke(app, arguments).exit_code == 0
    first, last = open_transformer(str(source)), open_transformer(str(back))
    assert equal_states(first.file.weights, last.file.weights)
    assert read_causal_card(back) == read_causal_card(source)
    origin = json.loads((back / "provenance.json").read_text())
    assert list(origin["source"]) == ["student.pt"]
    assert load_model(back).checkpoint_hash
    stock = WanTransformer3DModel.from_pretrained(back / "transformer", torch_dtype=torch.bfloat16)
    assert equal_states(dict(stock.state_dict()), first.file.weights)


def test_what_does_not_fit_is_named(model: WanTransformer3DModel, tmp_path: Path) -> None:
    state = original_state(model)
    del state["blocks.1.ffn.0.bias"]
    state["img_emb.proj.0.weight"] = torch.ones(1)
    state["head.head.bias"] = torch.ones(3)
    torch.save({"generator": state}, tmp_path / "bad.pt")
    with pytest.raises(UserError) as caught:
        open_transformer(str(tmp_path / "bad.pt"), heads=HEADS)
    for part in ("missing: blocks.1.ffn.net.0.proj.bias", "left over: img_emb.proj.0.weight", "proj_out.bias is (3,)"):
        assert part in str(caught.value)


class Dangerous:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


def test_a_file_that_holds_code_is_refused_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"generator": {"patch_embedding.weight": torch.ones(1)}, "hook": Dangerous()}, tmp_path / "code.pt")
    with pytest.raises(UserError, match="could run code"):
        open_transformer(str(tmp_path / "code.pt"))
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Dangerous()))
    with pytest.raises(UserError):
        open_transformer(str(tmp_path / "plain.pt"))
    assert "code ran" not in capsys.readouterr().out


def test_a_stated_role_is_not_overruled(tmp_path: Path) -> None:
    arguments = ["weights", "convert", "sprite-ode", str(tmp_path / "out"), "--role", "dmd_student"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert "is a ode_student, not a dmd_student" in result.output


def test_a_weight_file_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(UserError, match="weights convert"):
        model_folder(str(tmp_path / "model.pt"))


def test_a_hub_snapshot_in_the_cache_opens_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "hub" / "models--Somebody--Tiny-Wan"
    snapshot = cache / "snapshots" / "0123456789012345678901234567890123456789"
    tiny_transformer().save_pretrained(snapshot / "transformer")
    write_causal_card(snapshot, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    opened = open_transformer("Somebody/Tiny-Wan")
    assert opened.card is not None
    assert opened.card.few_steps == (1000, 500)
    with pytest.raises(UserError, match="not in the Hub cache"):
        open_transformer("Somebody/Else")
