"""Probes: what they can find, what they must not, and what they write."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.reference.metrics import MSE
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.chunk_states import ChunkStates, LastPasses, capture, probed_layers
from probekit.probing.futures import continue_state
from probekit.probing.probe_comparison import compare_probes, difference_over_prompts
from probekit.probing.probe_experiment import COPY, PSNR_ID, TRAINED, UNTRAINED, FrameJudge, run_probes, split_prompts
from probekit.probing.readout_decoder import ProbeBudget, fit_and_read
from probekit.probing.readout_metrics import readout_scores
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import generator
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

BUDGET = ProbeBudget(state_components=16, frame_components=8, width=32, steps=150, batch=64)
SUITE = load_suite("sprite-5s")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("student") / "student", seed=1)
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


@pytest.fixture(scope="module")
def sampler(student: Path) -> StreamingSampler:
    return StreamingSampler(student, SUITE)


def requests(prompts: int) -> list[Request]:
    suite = SUITE.reduced(prompts, 1)
    return [Request(key, suite.texts()[key.prompt_id]) for key in suite.keys()]


def planted(seed: int, signal: bool) -> ChunkStates:
    """States that hold the next chunk's grey level, or do not."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0, 255, size=(40, 4))
    frames = np.broadcast_to(levels[:, :, None, None, None], (40, 4, 4, 4, 3)).astype(np.uint8)
    states = rng.normal(size=(40, 4, 2, 4))
    if signal:
        states[:, :-1, 0, 0] = (levels[:, 1:] - 127) / 60
    ids = tuple(f"p{i // 2}" for i in range(40))
    return ChunkStates({3: states.astype(np.float16)}, frames, ids)


def test_a_planted_signal_is_found_and_noise_is_not() -> None:
    table = run_probes(
        {"arm": (planted(0, True), planted(0, False))}, {3: 0.5}, horizons=[1], budget=BUDGET, perceptual=False
    )
    error = table[table.metric_id == MSE.metric_id].groupby("source").value.mean()
    uninformed = (1 / 12) * 1.0  # variance of a uniform grey level in [0, 1]
    assert error[TRAINED] < 0.2 * uninformed
    assert error[UNTRAINED] > 0.8 * uninformed
    assert error[COPY] > 1.5 * uninformed


def test_pixels_and_states_without_relation_give_the_mean_frame() -> None:
    rng = np.random.default_rng(0)
    states, frames = (rng.normal(size=(200, 6)).astype(np.float32), rng.random((200, 12)).astype(np.float32))
    read = fit_and_read(states, frames, rng.normal(size=(100, 6)).astype(np.float32), BUDGET, seed=0)
    assert np.square(read - frames.mean(axis=0)).mean() < 0.05


def test_probes_repeat_exactly() -> None:
    arms = {"arm": (planted(0, True), planted(0, False))}
    first, second = (run_probes(arms, {3: 0.5}, horizons=[1], budget=BUDGET, perceptual=False) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_equal_arms_differ_by_exactly_nothing() -> None:
    data = (planted(0, True), planted(0, False))
    table = run_probes({"a": data, "b": data}, {3: 0.5}, horizons=[1, 2], budget=BUDGET, perceptual=False)
    arms = [item for item in compare_probes(table, "a", "b") if item.contrast == "b - a"]
    assert {(item.horizon, item.metric_id) for item in arms} == {
        (h, m) for h in (1, 2) for m in (MSE.metric_id, PSNR_ID)
    }
    assert all(item.estimate.difference == 0 and item.estimate.low is None for item in arms)  # nothing varies
    assert not any(item.estimate.star for item in arms)


def test_the_bootstrap_is_over_prompts_that_both_have() -> None:
    shared = [f"p{index}" for index in range(6)]
    a = pd.Series([2.0] * 6 + [9.0], index=[*shared, "z"])
    b = pd.Series([0.5] * 6 + [5.0], index=[*shared, "w"])
    found = difference_over_prompts("d", a, b)
    assert (found.n_prompts, found.difference, found.low, found.high) == (6, 1.5, None, None)


def test_no_prompt_is_on_both_sides_of_the_split() -> None:
    split = split_prompts([f"p{i % 20}" for i in range(60)])
    assert not split.train & split.test
    assert (len(split.train), len(split.test)) == (12, 8)
    with pytest.raises(UserError, match="3 prompts"):
        split_prompts(["a", "b", "c"])


def test_layers_are_relative_depths() -> None:
    assert probed_layers(8) == {2: 0.25, 4: 0.5, 6: 0.75}
    assert probed_layers(30) == {7: 0.25, 15: 0.5, 22: 0.75}
    assert probed_layers(2) == {0: 0.25, 1: 0.5}
    with pytest.raises(UserError, match=r"1\.0"):
        probed_layers(8, [1.0])


def test_states_come_from_the_last_pass_of_the_one_rollout(sampler: StreamingSampler) -> None:
    own, untrained = capture(sampler, requests(3), depths=[0.0, 0.5])
    assert {layer: states.shape for layer, states in own.states.items()} == dict.fromkeys((0, 1), (3, 7, 48, 32))
    assert own.frames.shape == (3, 7, 32, 32, 3)
    videos = sampler.generate(requests(3))
    assert np.array_equal(own.frames, videos[:, 8::12])
    watch = LastPasses([1], last_step=1)
    sampler.rollout(requests(3)[:1], observers=[watch])
    assert np.array_equal(watch.states()[1][0], own.states[1][0])
    assert not np.allclose(untrained.states[1], own.states[1], atol=1e-2)
    assert np.array_equal(untrained.frames, own.frames)


def test_futures_share_their_past_bit_by_bit(sampler: StreamingSampler) -> None:
    request = requests(1)[0]
    found = continue_state(sampler, request, chunk=3, horizons=(1, 3), count=3)
    assert found.continuations.shape == (3, 2, 32, 32, 3)
    assert np.array_equal(found.continuations[0, 0], sampler.generate([request])[0, 8 + 12 * 4])
    assert not np.array_equal(found.continuations[0, 0], found.continuations[1, 0])
    later = continue_state(sampler, request, chunk=5, horizons=(1,), count=2)
    assert np.array_equal(later.current, sampler.generate([request])[0, 8 + 12 * 5])
    with pytest.raises(UserError, match="Use a chunk up to 3"):
        continue_state(sampler, request, chunk=4, horizons=(3,))


def test_the_command_writes_tables_and_figures(student: Path, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other", seed=5)
    write_causal_card(other, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    arguments = ["probe", student, other, "--out", tmp_path / "probes", "--prompts", 5, "--samples", 1]
    done = CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--no-perceptual"]])
    assert done.exit_code == 0, done.output
    assert "other - student" in done.output
    names = {path.name for path in (tmp_path / "probes").iterdir()}
    assert names == {
        "probe_values.parquet", "contrasts.csv", "probes.md", "probes.png", "futures.png", "protocol.json",
    }  # fmt: skip
    values = pd.read_parquet(tmp_path / "probes" / "probe_values.parquet")
    assert set(values.source) == {TRAINED, UNTRAINED, COPY}
    assert set(values.horizon) == {1, 2, 3}


def test_a_bidirectional_model_cannot_be_probed_as_a_stream(tmp_path: Path) -> None:
    plain = write_tiny_model(tmp_path / "plain")
    done = CliRunner().invoke(app, ["probe", str(plain), str(plain), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "not a causal generator" in done.output


def test_a_probe_and_a_published_readout_are_judged_by_one_mse() -> None:
    rng = generator("one-mse")
    readouts, future = (rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8) for _ in range(2))
    judged = {metric: value for _, metric, value in FrameJudge(False).judge(readouts, future, np.array(["a"] * 3))}
    scores = [readout_scores(one, other, [MSE])[0] for one, other in zip(readouts, future, strict=True)]
    assert {score.metric_id for score in scores} <= judged.keys()
    assert judged[scores[0].metric_id] == pytest.approx(sum(score.value or 0 for score in scores) / 3, rel=1e-12)


def test_lpips_of_probes_says_backbone_and_size() -> None:
    judge = FrameJudge()
    frames = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8).numpy()
    scored = list(judge.judge(frames, frames, np.array(["a", "b"])))
    assert {(metric, value) for _, metric, value in scored if metric.startswith("lpips")} == {(judge.lpips_id, 0.0)}
    assert "random_backbone" in judge.lpips_id
    assert judge.lpips_id.endswith("nearest-to-64")
    assert (("a", PSNR_ID, None)) in scored
