"""Passes over videos that a generator did not make: what it is shown, in which order, and what comes back."""

import torch
from torch import Tensor

from probekit.probing.recording import INVERSION, PassInput
from probekit.probing.teacher_forcing import InvertingDenoiser, Replay, TeacherForcedDenoiser

VIDEO = torch.arange(4.0).view(1, 1, 4, 1, 1)
"""Four latent frames, 0 to 3."""


class Shown:
    """Keeps what a generator is shown."""

    def __init__(self) -> None:
        self.passes: list[tuple[list[float], float, int]] = []

    def __call__(self, latents: Tensor, sigma: float, step: int) -> Tensor:
        self.passes.append((latents.flatten().tolist(), sigma, step))
        return torch.full_like(latents, 99.0)


def test_each_chunk_is_shown_noised_at_each_level_with_the_noise_of_its_step_and_comes_back_clean() -> None:
    denoiser, shown = TeacherForcedDenoiser(VIDEO, 2, (1.0, 0.25)), Shown()

    def draw(step: int) -> Tensor:
        return torch.full((1, 1, 2, 1, 1), 10.0 * (step + 1))

    chunks = [denoiser.denoise(shown, draw) for _ in range(2)]
    assert torch.equal(torch.cat(chunks, dim=2), VIDEO)
    assert shown.passes == [
        ([10.0, 10.0], 1.0, 0),
        ([0.75 * 0 + 5, 0.75 * 1 + 5], 0.25, 1),
        ([10.0, 10.0], 1.0, 0),
        ([0.75 * 2 + 5, 0.75 * 3 + 5], 0.25, 1),
    ]


def test_a_replay_shows_the_recorded_passes_of_each_chunk_but_not_the_commits() -> None:
    def recorded(chunk: int, step: int | None, value: float) -> PassInput:
        return PassInput(chunk, step, value / 10, torch.full((1, 1, 2, 1, 1), value))

    passes = [recorded(0, 0, 1), recorded(0, 1, 2), recorded(0, None, 3), recorded(1, 0, 4), recorded(1, None, 5)]
    replay, shown = Replay(passes, VIDEO, 2), Shown()
    chunks = [replay.denoise(shown, lambda step: torch.zeros(1)) for _ in range(2)]
    assert torch.equal(torch.cat(chunks, dim=2), VIDEO)
    assert shown.passes == [([1.0, 1.0], 0.1, 0), ([2.0, 2.0], 0.2, 1), ([4.0, 4.0], 0.4, 0)]
    alone = Replay(passes[:1], VIDEO, 2).denoise(shown, lambda step: torch.zeros(1))
    assert torch.equal(alone, VIDEO[:, :, :2])


def test_a_chunk_is_led_up_its_own_flow_from_level_0_and_shown_at_the_generators_levels() -> None:
    """Flow 2·x + s at each level s, in steps over 0, 0.25, 0.5 and 0.75; the grid ends below the highest."""
    denoiser = InvertingDenoiser(VIDEO, 2, (0.75, 0.25), (1.0, 0.75, 0.5, 0.0))
    passes: list[tuple[list[float], float, int]] = []

    def predict(latents: Tensor, sigma: float, step: int) -> Tensor:
        passes.append((latents.flatten().tolist(), sigma, step))
        return 2 * latents + sigma

    chunks = [denoiser.denoise(predict, lambda step: torch.zeros(1)) for _ in range(2)]
    assert torch.equal(torch.cat(chunks, dim=2), VIDEO)
    expected: list[tuple[list[float], float, int]] = []
    for chunk in ([0.0, 1.0], [2.0, 3.0]):
        at_level, level = {0.0: chunk}, 0.0
        for following in (0.25, 0.5, 0.75):
            at_level[following] = [x + 0.25 * (2 * x + level) for x in at_level[level]]
            level = following
        expected += [(at_level[sigma], sigma, INVERSION) for sigma in (0.0, 0.25, 0.5)]
        expected += [(at_level[0.75], 0.75, 0), (at_level[0.25], 0.25, 1)]
    assert passes == expected
