"""Passes over videos that a generator did not make: what it is shown, in which order, and what comes back."""

import torch
from torch import Tensor

from probekit.probing.recording import PassInput
from probekit.probing.teacher_forcing import Replay, TeacherForcedDenoiser

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
