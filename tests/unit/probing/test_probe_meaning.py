"""What a probe's numbers mean, by hand: its errors, its targets, its signs, its futures."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from probekit.evaluation.reference.metrics import MSE
from probekit.probing.chunk_states import ChunkStates
from probekit.probing.futures import BranchedNoise, Futures
from probekit.probing.probe_comparison import compare_probes
from probekit.probing.probe_experiment import COPY, PSNR_ID, TRAINED, UNTRAINED, FrameJudge, run_probes
from probekit.probing.readout_decoder import ProbeBudget, fit_basis, pixel_error
from probekit.workflows.probe import _readout

BUDGET = ProbeBudget(state_components=16, frame_components=8, width=32, steps=200, batch=64)


def constant_frames(*levels: int) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def judged(readouts: np.ndarray, future: np.ndarray, prompts: list[str]) -> dict[tuple[str, str], float | None]:
    found = FrameJudge(perceptual=False).judge(readouts, future, np.array(prompts))
    return {(prompt, metric): value for prompt, metric, value in found}


def test_errors_are_those_of_intensities_between_0_and_1() -> None:
    found = judged(constant_frames(0, 0), constant_frames(255, 51), ["white", "grey"])
    assert found["white", MSE.metric_id] == pytest.approx(1.0, abs=1e-12)  # 255 is 1, not 255/256
    assert found["white", PSNR_ID] == pytest.approx(0.0, abs=1e-9)
    assert found["grey", MSE.metric_id] == pytest.approx(0.2**2, rel=1e-6)
    assert found["grey", PSNR_ID] == pytest.approx(10 * np.log10(1 / 0.2**2), rel=1e-6)


def test_a_prompts_psnr_is_that_of_its_mean_error() -> None:
    found = judged(constant_frames(0, 0), constant_frames(51, 102), ["p", "p"])
    mean = (0.2**2 + 0.4**2) / 2
    assert found["p", MSE.metric_id] == pytest.approx(mean, rel=1e-6)
    assert found["p", PSNR_ID] == pytest.approx(-10 * np.log10(mean), rel=1e-6)


def counting_states(videos: int = 40, chunks: int = 6) -> ChunkStates:
    """Videos whose chunk i is grey level start + 20·i; a state holds its own level and nothing else."""
    starts = np.random.default_rng(0).integers(0, 100, videos)
    levels = starts[:, None] + 20 * np.arange(chunks)
    frames = np.broadcast_to(levels[:, :, None, None, None], (videos, chunks, 4, 4, 3)).astype(np.uint8)
    states = np.zeros((videos, chunks, 2, 3))
    states[..., 0, 0] = levels / 50
    return ChunkStates({0: states.astype(np.float16)}, frames, tuple(f"p{i}" for i in range(videos)))


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_the_copy_is_of_the_present_and_the_target_lies_horizon_chunks_ahead(horizon: int) -> None:
    data = counting_states()
    table = run_probes({"a": (data, data)}, {0: 0.5}, horizons=[horizon], budget=BUDGET, perceptual=False)
    copied = table[(table.source == COPY) & (table.metric_id == MSE.metric_id)].value
    np.testing.assert_allclose(copied, (20 * horizon / 255) ** 2, rtol=1e-5)
    read = table[(table.source == TRAINED) & (table.metric_id == MSE.metric_id)].value.mean()
    assert read < 0.2 * (20 / 255) ** 2  # a readout of another chunk would be 20 levels off


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_figures_readout_is_of_the_future(horizon: int) -> None:
    data = counting_states()
    shown = 7
    read = _readout(data, shown, horizon, frozenset(data.prompt_ids), BUDGET, seed=0)
    assert read.shape == (4, 4, 3)
    assert abs(float(read.mean()) - float(data.frames[shown, 2 + horizon].mean())) < 6


def test_the_loss_of_a_probe_is_the_squared_error_of_pixels() -> None:
    rng = torch.Generator().manual_seed(0)
    frames = torch.randn(50, 8, generator=rng) * torch.tensor([9.0, 3, 1, 0.3, 0.1, 2, 4, 0.5])
    basis = fit_basis(frames, components=8, seed=0)
    predicted, goals = torch.randn(5, 8, generator=rng), torch.randn(5, 8, generator=rng)
    distance = (basis.restore(predicted) - basis.restore(goals)).square().sum(dim=1)
    by_hand = (distance / basis.scale.square().sum()).mean()
    torch.testing.assert_close(pixel_error(predicted, goals, basis.scale), by_hand, rtol=1e-4, atol=0)


def values(arm: str, source: str, level: float) -> list[dict[str, object]]:
    depth = None if source == COPY else 0.5
    return [
        {"arm": arm, "source": source, "depth": depth, "horizon": 1, "prompt_id": f"p{i}", "metric_id": MSE.metric_id,
         "value": level + i}
        for i in range(8)
    ]  # fmt: skip


def test_every_contrast_is_the_first_minus_the_second_named() -> None:
    levels = {
        ("base", TRAINED): 5.0, ("base", UNTRAINED): 9.0, ("base", COPY): 7.0,
        ("ours", TRAINED): 2.0, ("ours", UNTRAINED): 8.0, ("ours", COPY): 6.0,
    }  # fmt: skip
    table = pd.DataFrame([row for (arm, source), level in levels.items() for row in values(arm, source, level)])
    found = {item.contrast: item.estimate.difference for item in compare_probes(table, "base", "ours")}
    assert found == pytest.approx(
        {
            "ours - base": 2 - 5,
            f"base - {COPY}": 5 - 7,
            f"base - {UNTRAINED}": 5 - 9,
            f"ours - {COPY}": 2 - 6,
            f"ours - {UNTRAINED}": 2 - 8,
            "gain over the copy, ours - base": (2 - 6) - (5 - 7),
        }
    )


def test_the_mean_of_futures_is_over_all_of_them() -> None:
    continuations = np.stack([constant_frames(0, 10), constant_frames(60, 20), constant_frames(240, 33)])
    found = Futures(constant_frames(0)[0], continuations, (1, 2)).mean()
    assert found[0, 0, 0, 0] == 100
    assert found[1, 0, 0, 0] == 21


class Named:
    """Noise that says where it comes from."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, chunk: int, step: int) -> Tensor:
        return torch.tensor([self.value, chunk, step])


def test_a_fork_shares_its_noise_up_to_and_with_its_chunk() -> None:
    noise = BranchedNoise(Named(0.0), Named(1.0), last_shared=3)
    assert [float(noise(chunk, 0)[0]) for chunk in range(6)] == [0, 0, 0, 0, 1, 1]
    assert noise(5, 2).tolist() == [1.0, 5.0, 2.0]
