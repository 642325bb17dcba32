"""What spreads an update over memory and processes changes no result; checkpoints run no code."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.nn.functional import scaled_dot_product_attention

from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.context_policy import ContextPolicy
from probekit.models.presets import sprite_transformer_config
from probekit.models.prompt_cache import default_cache
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise, normal_rows
from probekit.rollout.streaming_rollout import Rollout, roll_out
from tests.helpers.training_states import copy_state
from tests.unit.trainer.stages.test_asymmetric_dmd import FORESIGHT, dmd_config, dmd_stage, folders  # noqa: F401
from trainer.config.scale import ScaleConfig
from trainer.distributed.sharding import autocast, blocks_of, place, whole
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.engine.checkpoint import CheckpointWriter, checkpoint_paths, load_checkpoint, newest_checkpoint
from trainer.engine.loop import run


def gradients(recompute: bool, policy: ContextPolicy | None = None) -> dict[str, torch.Tensor]:
    """Of a rollout of three chunks, each left at its second step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CausalWan(**sprite_transformer_config(heads=1, layers=2)).train()
    if recompute:
        model.enable_gradient_checkpointing()
    text = TextContext(torch.randn(2, 8, model.config.text_dim, generator=torch.Generator().manual_seed(1)))
    denoiser = FewStepDenoiser((1.0, 0.9, 0.6), exit_step=1, gradient=True)
    noise = SeededNoise(("recompute",), range(2), (16, 3, 8, 8))
    options = {} if policy is None else {"policy": policy}
    video = roll_out(Rollout(model, text, noise, denoiser, chunks=3, **options))
    video.square().mean().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_recomputed_blocks_give_the_same_gradients_although_the_cache_has_gone_on() -> None:
    plain, recomputed = gradients(False), gradients(True)
    assert plain.keys() == recomputed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(recomputed[name], gradient, rtol=0, atol=1e-8, msg=name)


def test_recomputation_refuses_a_cache_that_drops_frames() -> None:
    with pytest.raises(RuntimeError, match="keeps every frame"):
        gradients(True, ContextPolicy(window_frames=6, sink_frames=0, rotary="absolute"))


@pytest.mark.parametrize(
    "scale",
    [{"precision": "bf16"}, {"gradient_accumulation": 2}, {"activation_checkpointing": True}, {"attention": "math"}],
    ids=str,
)
def test_an_option_of_scale_trains_the_same_thing(folders: dict[str, str], scale: dict[str, object]) -> None:  # noqa: F811
    plain = dmd_stage(dmd_config(folders, foresight=FORESIGHT)).training_step(0)
    config = dmd_config(folders, foresight=FORESIGHT, scale=scale)
    found = dmd_stage(config).training_step(0)
    tolerance = 0.05 if "precision" in scale else 1e-5
    assert found == pytest.approx(plain, rel=tolerance, abs=tolerance)
    if "precision" in scale:
        assert found["dmd_loss"] != plain["dmd_loss"]


def attention_nodes(tensor: torch.Tensor) -> set[str]:
    """Names of the fused attention kernels among the backward passes that led to a tensor."""
    found, waiting, seen = set(), [tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found |= {node.name()} if "Attention" in node.name() else set()
        waiting += [following for following, _ in node.next_functions]
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_math_attention_uses_no_fused_kernel_and_leaves_the_switches_as_they_were(precision: str) -> None:
    queries = torch.randn(2, 1, 16, 8, requires_grad=True)
    kernels = {}
    for attention in ("auto", "math"):
        scale = ScaleConfig.model_validate({"attention": attention, "precision": precision})
        with autocast(SINGLE, scale):
            kernels[attention] = attention_nodes(scaled_dot_product_attention(queries, queries, queries))
    assert kernels["auto"]
    assert not kernels["math"]
    assert torch.backends.cuda.flash_sdp_enabled()
    assert not torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()


def test_math_attention_refuses_blocks_that_are_recomputed_outside_its_context() -> None:
    with pytest.raises(ValueError, match="activation_checkpointing: false"):
        ScaleConfig(attention="math", activation_checkpointing=True)


def test_in_bf16_what_learns_stays_in_fp32_and_what_reads_does_not(folders: dict[str, str]) -> None:  # noqa: F811
    stage = dmd_stage(dmd_config(folders, foresight=FORESIGHT, scale={"precision": "bf16"}))
    stage.training_step(0)
    for model in stage.training_state().models.values():
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    for _, optimizer in stage.training_state().optimizers.values():
        assert {state["exp_avg_sq"].dtype for state in optimizer.state.values()} == {torch.float32}
    assert {parameter.dtype for parameter in stage.scores.real.parameters()} == {torch.bfloat16}


def test_recomputation_keeps_less_for_the_backward_pass(folders: dict[str, str]) -> None:  # noqa: F811
    kept = []
    for checkpointing in (False, True):
        stage = dmd_stage(dmd_config(folders, foresight=FORESIGHT, scale={"activation_checkpointing": checkpointing}))
        sizes: list[int] = []

        def keep(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            stage._generator_loss(0, range(2))
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


@pytest.mark.long
def test_compiled_parts_keep_the_names_of_their_weights(
    folders: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Graphs are captured and differentiated as always; generating C++ for them would take two minutes more."""
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **options: compile_module(self, backend="aot_eager", **options)
    )
    stage = dmd_stage(dmd_config(folders, scale={"compile": True}))
    plain = dmd_stage(dmd_config(folders))
    assert stage.scores.critic.state_dict().keys() == plain.scores.critic.state_dict().keys()
    assert all(block._compiled_call_impl is not None for block in blocks_of(stage.scores.critic))
    assert all(block.ffn._compiled_call_impl is not None for block in blocks_of(stage.model))
    assert stage.training_step(0) == pytest.approx(plain.training_step(0), rel=1e-4)


@pytest.mark.long
def test_precomputed_prompts_are_the_encoders_and_stay_on_disk(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain = dmd_stage(dmd_config(folders)).training_step(0)
    cached = dmd_stage(dmd_config(folders, scale={"precompute_text": True})).training_step(0)
    assert cached == pytest.approx(plain, rel=1e-5)
    assert list(default_cache().rglob("*.safetensors"))


def test_a_row_has_its_noise_wherever_it_is_computed() -> None:
    whole_batch = normal_rows((2, 3), range(4), "a", 1)
    assert torch.equal(whole_batch[2:], normal_rows((2, 3), range(2, 4), "a", 1))
    assert not torch.equal(whole_batch[0], whole_batch[1])
    assert not torch.equal(whole_batch, normal_rows((2, 3), range(4), "a", 2))


def test_processes_and_micro_batches_share_a_batch_without_gap_or_overlap() -> None:
    rows = [row for rank in range(2) for share in World(rank, 2).micro_batches(8, 2) for row in share]
    assert rows == list(range(8))
    with pytest.raises(UserError, match=r"batch_size: 6 cannot be shared by 2 processes and 2 micro-batches"):
        World(0, 2).micro_batches(6, 2)
    counts = {len(World(rank, 3).evaluation_batches(16, 4)) for rank in range(3)}
    assert counts == {2}
    assert torch.equal(whole(torch.ones(2)), torch.ones(2))


@pytest.mark.long
def test_asynchronous_checkpoints_hold_the_state_at_the_time_of_saving(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    stage, later, read = (dmd_stage(dmd_config(folders)) for _ in range(3))
    stage.training_step(0)
    copy_state(stage, later, tmp_path / "reference")
    writer = CheckpointWriter(tmp_path / "run", SINGLE, keep=1, asynchronous=True)
    writer.save(1, stage.training_state(), "a: 1")
    assert newest_checkpoint(tmp_path / "run") is None  # it is being written, and gets its name when it is complete
    stage.training_step(1)  # must not reach the checkpoint
    writer.finish()
    facts = newest_checkpoint(tmp_path / "run")
    assert facts is not None
    assert (facts.steps_done, facts.config) == (1, "a: 1")
    load_checkpoint(facts, read.training_state())
    assert read.training_step(1) == later.training_step(1)


@pytest.mark.long
def test_a_run_writes_its_checkpoints_as_the_recipe_says(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[object] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        begun.append(options["storage_writer"])
        return async_save(*arguments, **options)

    monkeypatch.setattr("trainer.engine.checkpoint.async_save", counted)
    changes = {"steps": 3, "checkpoint_every": 1, "critic_updates": 1}
    for name, scale in {
        "plain": {}, "background": {"asynchronous_checkpoints": True}, "few": {"keep_checkpoints": 1},
    }.items():  # fmt: skip
        config = dmd_config(folders, scale=scale, **changes)
        run(dmd_stage(config), config, tmp_path / name)
        kept = [path.name for path in checkpoint_paths(tmp_path / name / "checkpoints")]
        assert kept == ["step-0000002", "step-0000003"][1 if name == "few" else 0 :]
        assert len(begun) == (0 if name == "plain" else 3)


def test_an_update_is_made_of_as_many_micro_batches_as_asked(folders: dict[str, str]) -> None:  # noqa: F811
    stage = dmd_stage(dmd_config(folders, batch_size=4, scale={"gradient_accumulation": 2}))
    seen: list[range] = []
    whole_loss = stage._generator_loss

    def counted(step: int, rows: range) -> MicroBatch:
        seen.append(rows)
        return whole_loss(step, rows)

    stage.__dict__["_generator_loss"] = counted
    stage.update_generator(0)
    assert seen == [range(2), range(2, 4)]


def test_an_unfinished_checkpoint_is_not_one(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    stage = dmd_stage(dmd_config(folders))
    writer = CheckpointWriter(tmp_path, SINGLE, keep=2, asynchronous=False)
    for steps in (1, 2, 3):
        writer.save(steps, stage.training_state(), "")
    (tmp_path / "step-0000004.partial").mkdir()
    assert [path.name for path in checkpoint_paths(tmp_path)] == ["step-0000002", "step-0000003"]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm",)


def test_a_checkpoint_that_holds_code_is_refused(
    folders: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = dmd_stage(dmd_config(folders))
    CheckpointWriter(tmp_path, SINGLE, keep=2, asynchronous=False).save(1, stage.training_state(), "")
    facts = newest_checkpoint(tmp_path)
    assert facts is not None
    (facts.path / ".metadata").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r"step-0000001 cannot be read: .*mkdir"):
        load_checkpoint(facts, stage.training_state())
    assert not (tmp_path / "harm").exists()


def test_scale_is_off_by_default() -> None:
    assert ScaleConfig() == ScaleConfig(gradient_accumulation=1, precision="fp32", activation_checkpointing=False)


def test_compiling_without_a_compiler_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    model = CausalWan(**sprite_transformer_config(heads=1, layers=1))
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler.*scale.compile=false"):
        place(model, SINGLE, ScaleConfig(compile=True))
