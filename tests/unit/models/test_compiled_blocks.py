"""Compiled blocks: the same rollout within rounding, few graphs, and a plain model where nothing can be compiled."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.errors import UserError
from probekit.models import compiled_blocks
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.compiled_blocks import COMPILED_TOLERANCE, CompiledBlocks, compile_blocks, compiler_fault
from probekit.models.context_policy import FULL_CONTEXT, ContextPolicy
from probekit.models.presets import SPRITE_TEXT_WIDTH, sprite_transformer_config
from probekit.models.text_context import TextContext
from probekit.probing.recording import unwrapped
from probekit.rollout.chunk_denoisers import EulerDenoiser, FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out
from tests.helpers.places import REPOSITORY

LAYERS = 3
ROLLING = ContextPolicy(window_frames=9, sink_frames=3, rotary="re-indexed")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def model(runner: CompiledBlocks | None = None) -> CausalWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = CausalWan(**sprite_transformer_config(heads=2, layers=LAYERS)).eval().requires_grad_(False)
    made.block_runner = runner
    return made


def prompts(rows: int, tokens: int = 5) -> Tensor:
    text = torch.randn(rows, 7, SPRITE_TEXT_WIDTH, generator=torch.Generator().manual_seed(1))
    text[:, tokens:] = 0
    return text


def video(made: CausalWan, policy: ContextPolicy = FULL_CONTEXT, guidance: float = 1.0, tokens: int = 5) -> Tensor:
    rows = 2 if guidance > 1 else 1
    denoiser = EulerDenoiser([1.0, 0.5, 0.0]) if guidance > 1 else FewStepDenoiser(few_step_sigmas((1000, 500), 5.0))
    noise = SeededNoise(("test",), range(1), (16, 3, 8, 8))
    with torch.no_grad():
        return roll_out(
            Rollout(
                made, TextContext(prompts(rows, tokens)), noise, denoiser, chunks=5, policy=policy, guidance=guidance
            )
        )


@pytest.mark.long
@pytest.mark.parametrize(("policy", "guidance"), [(FULL_CONTEXT, 1.0), (ROLLING, 1.0), (ROLLING, 3.0)])
def test_blocks_in_three_parts_roll_out_as_whole_ones(policy: ContextPolicy, guidance: float) -> None:
    parts = model(CompiledBlocks(backend="eager"))
    torch.testing.assert_close(
        video(parts, policy, guidance), video(model(), policy, guidance), atol=COMPILED_TOLERANCE, rtol=0
    )


def test_three_graphs_serve_every_block_step_chunk_and_prompt() -> None:
    captured: list[object] = []

    def count(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        captured.append(graph)
        return graph.forward

    made = model()
    made.block_runner = CompiledBlocks(backend=count)  # type: ignore[arg-type]
    for tokens in (5, 3, 7):  # with merged padding of two lengths, and without padding
        video(made, ROLLING, tokens=tokens)
    assert len(captured) == 3


@pytest.mark.long
def test_a_compiled_rollout_is_the_plain_one_within_rounding(caplog: pytest.LogCaptureFixture) -> None:
    """By the real compiler, which takes seconds."""
    made = model()
    with caplog.at_level(logging.WARNING, logger="probekit"):
        compiled = compile_blocks(made)
    if not compiled:
        pytest.skip(caplog.text)
    assert made.block_runner is not None
    torch.testing.assert_close(video(made, ROLLING), video(model(), ROLLING), atol=COMPILED_TOLERANCE, rtol=0)


def test_without_a_compiler_the_model_stays_plain_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    compiler_fault.cache_clear()
    made = model()
    with caplog.at_level(logging.WARNING, logger="probekit"):
        assert not compile_blocks(made)
    compiler_fault.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        "not compiled: a CPU needs a C++ compiler, and none of g++ and clang++ is installed"
    ]
    assert made.block_runner is None


@pytest.mark.long
def test_a_compiler_that_fails_is_found_out_before_the_first_video(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    broken.chmod(0o755)
    code = "from probekit.models.compiled_blocks import compiler_fault; print(compiler_fault('cpu'))"
    cache = {"CXX": str(broken), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=os.environ | cache, capture_output=True, text=True, check=True
    )
    assert "Error" in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_states_of_blocks_are_captured_from_the_plain_ones() -> None:
    made, plain = model(CompiledBlocks(backend="eager")), model()
    found = []
    for one in (made, plain):
        with capture_blocks(one, [1]) as hidden:
            video(one)
        found.append(hidden[1])
    torch.testing.assert_close(found[0], found[1])
    assert made.block_runner is not None


def test_a_pass_with_gradient_runs_the_blocks_themselves() -> None:
    def refuse(*arguments: object) -> Tensor:
        raise AssertionError("the runner was called")

    made = model()
    made.block_runner = refuse
    latents = torch.randn(1, 16, 3, 8, 8)
    rule = made.parallel(latents, range(3), [[0]])
    assert made(latents, torch.tensor([[500.0]]), TextContext(prompts(1)), rule).shape == latents.shape
    with torch.no_grad(), pytest.raises(AssertionError, match="runner was called"):
        made(latents, torch.tensor([[500.0]]), TextContext(prompts(1)), rule)


def test_a_compiled_generator_is_not_recorded() -> None:
    with pytest.raises(UserError, match="'blocks' is compiled in place"):
        unwrapped(model(CompiledBlocks(backend="eager")))
    assert isinstance(unwrapped(model()), CausalWan)
    assert compiled_blocks.missing_compiler("cuda") is None
