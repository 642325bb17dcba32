"""What is kept of a state, by hand."""

import pytest
import torch

from probekit.errors import UserError
from probekit.probing.reductions import Reduction, kept_tokens, projection
from probekit.seeding import counter_seed

STATE = torch.arange(1 * 6 * 2, dtype=torch.float32).reshape(1, 6, 2)
"""One video, two frames of three tokens of width 2: 0 1, 2 3, 4 5 and 6 7, 8 9, 10 11."""


@pytest.mark.parametrize("text", ["all", "mean", "tokens:64", "project:32", "tokens:1"])
def test_a_reduction_comes_back_from_its_text(text: str) -> None:
    assert Reduction.parse(text).text == text


@pytest.mark.parametrize(
    "text", ["", "none", "tokens", "mean:3", "tokens:0", "project:0", "tokens:-1", "tokens:1234567"]
)
def test_other_texts_are_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match="tokens:64 or project:32"):
        Reduction.parse(text)


def test_all_keeps_every_token_frame_by_frame() -> None:
    assert torch.equal(Reduction().apply(STATE, frames=2), STATE.view(1, 2, 3, 2))


def test_a_mean_is_over_the_tokens_of_a_frame() -> None:
    assert Reduction("mean").apply(STATE, frames=2).tolist() == [[[[2.0, 3.0]], [[8.0, 9.0]]]]
    assert Reduction("mean").apply(STATE.half(), frames=2).dtype == torch.float32


def test_tokens_are_evenly_spread_from_the_first_to_the_last() -> None:
    assert Reduction("tokens", 2).apply(STATE, frames=2).tolist() == [[[[0, 1], [4, 5]], [[6, 7], [10, 11]]]]
    assert kept_tokens(9, 3).tolist() == [0, 4, 8]
    assert kept_tokens(4, 4).tolist() == [0, 1, 2, 3]
    assert kept_tokens(2, 5).tolist() == [0, 1]
    assert kept_tokens(7, 1).tolist() == [0]


def test_a_projection_multiplies_each_token_with_one_gaussian_matrix() -> None:
    found = Reduction("project", 5).apply(STATE, frames=2)
    torch.testing.assert_close(found, STATE.view(1, 2, 3, 2) @ projection(2, 5))


def test_a_projection_keeps_distances_on_average() -> None:
    tokens = torch.randn(50, 256, generator=torch.Generator().manual_seed(0))
    shorter = tokens @ projection(256, 400)
    assert float((shorter.norm(dim=1) / tokens.norm(dim=1)).mean()) == pytest.approx(1.0, abs=0.03)
    high = next(size for size in range(1, 100) if counter_seed("state-projection", 256, size) >= 3 * 2**62)
    rng = torch.Generator().manual_seed(counter_seed("state-projection", 256, high) % 2**63)
    torch.testing.assert_close(projection(256, high), torch.randn(256, high, generator=rng) / high**0.5)


@pytest.mark.parametrize(
    ("reduction", "shape"),
    [
        (Reduction(), (9, 16)), (Reduction("mean"), (1, 16)), (Reduction("tokens", 4), (4, 16)),
        (Reduction("tokens", 12), (9, 16)), (Reduction("project", 5), (9, 5)),
    ],
    ids=str,
)  # fmt: skip
def test_the_announced_shape_is_the_one_that_is_kept(reduction: Reduction, shape: tuple[int, int]) -> None:
    assert reduction.shape(tokens=9, width=16) == shape
    assert tuple(reduction.apply(torch.zeros(2, 3 * 9, 16), frames=3).shape[2:]) == shape
