"""Patching: what is written, what it reaches, and what the directions are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.capturing import CaptureSettings, capture
from probekit.probing.decoded_directions import PENALTIES, decoded_directions, random_directions_like
from probekit.probing.feature_store import FeatureStore
from probekit.probing.patching import (
    ABLATED,
    DECODED,
    RANDOM,
    WHOLE,
    along,
    along_random,
    check_patch,
    edits_of,
    moved,
    overwriting,
    patch_videos,
    without,
)
from probekit.probing.sites import Site
from probekit.probing.targets import LATENT
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_rollout import roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import generator
from probekit.suites.registry import load_suite
from probekit.workflows.patch import patch_model
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s").reduced(5, 2)
SITE = Site(0, None)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_student(tmp_path_factory.mktemp("student") / "student", seed=1)


def write_student(folder: Path, seed: int) -> Path:
    write_tiny_model(folder, seed=seed)
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


@pytest.fixture(scope="module")
def sampler(student: Path) -> StreamingSampler:
    return StreamingSampler(student, SUITE)


def requests() -> list[Request]:
    return [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()]


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator("patching-test", name).normal(size=shape))


def test_directions_are_those_of_the_target_and_its_errors_those_of_leaving_one_out() -> None:
    rng = generator("directions")
    states, truth = rng.normal(size=(60, 30)), np.linalg.qr(rng.normal(size=(30, 2)))[0]
    targets = states @ truth + 0.01 * rng.normal(size=(60, 2))
    found = decoded_directions(states, targets)
    assert found.basis.shape == (30, 2)
    assert found.basis.T @ found.basis == pytest.approx(np.eye(2), abs=1e-9)
    assert np.linalg.svd(found.basis.T @ truth)[1].min() > 0.99  # the same plane
    assert found.mean == pytest.approx(states.mean(axis=0))
    assert found.explained > 0.99
    assert found.explained == pytest.approx(1 - left_out(states, targets, found.penalty), abs=0.002)


def left_out(states: np.ndarray, targets: np.ndarray, penalty: float) -> float:
    """Share of the variance that ridge regression misses when each row is really left out."""
    scale = penalty * np.linalg.eigvalsh((centred := states - states.mean(0)) @ centred.T).mean()
    error = 0.0
    for row in range(len(states)):
        rest = np.delete(np.arange(len(states)), row)
        x, y = states[rest] - states[rest].mean(0), targets[rest] - targets[rest].mean(0)
        weights = np.linalg.solve(x.T @ x + scale * np.eye(x.shape[1]), x.T @ y)
        guess = targets[rest].mean(0) + (states[row] - states[rest].mean(0)) @ weights
        error += float(((targets[row] - guess) ** 2).sum())
    return error / float(((targets - targets.mean(0)) ** 2).sum())


def test_a_target_that_is_not_in_the_state_is_not_explained() -> None:
    rng = generator("no-directions")
    found = decoded_directions(rng.normal(size=(80, 40)), rng.normal(size=(80, 1)))
    assert found.explained < 0.15
    assert found.penalty == max(PENALTIES)


def test_unknown_rows_are_left_out_and_targets_that_say_nothing_are_refused() -> None:
    states, targets = drawn("s", 20, 4).numpy(), drawn("t", 20, 1).numpy()
    targets[3] = np.nan
    rest = np.delete(np.arange(20), 3)
    assert decoded_directions(states, targets).mean == pytest.approx(states[rest].mean(axis=0))
    with pytest.raises(UserError, match="known in 5 states"):
        decoded_directions(states[:5], np.ones((5, 1)))
    with pytest.raises(UserError, match="the same in every state"):
        decoded_directions(states, np.ones((20, 1)))


def test_edits_write_what_they_say() -> None:
    own, other = drawn("own", 3, 4, 5), drawn("other", 3, 4, 5)
    basis = np.linalg.qr(drawn("basis", 20, 2).numpy())[0]
    coordinates = torch.from_numpy(basis)
    edited = along(basis)(own, other)
    torch.testing.assert_close(edited.flatten(1) @ coordinates, other.flatten(1) @ coordinates)
    rest = torch.eye(20, dtype=torch.float64) - coordinates @ coordinates.T
    torch.testing.assert_close(edited.flatten(1) @ rest, own.flatten(1) @ rest)
    random = random_directions_like(basis, 0)
    assert random.T @ random == pytest.approx(np.eye(2), abs=1e-9)
    control = along_random(random, basis)(own, other)
    torch.testing.assert_close((control - own).flatten(1).norm(dim=1), (edited - own).flatten(1).norm(dim=1))
    inside = (control - own).flatten(1)
    torch.testing.assert_close(inside @ torch.from_numpy(random @ random.T), inside)
    towards = (other - own).flatten(1) @ torch.from_numpy(random @ random.T)
    torch.testing.assert_close(F.cosine_similarity(inside, towards), torch.ones(3, dtype=torch.float64))
    directions = decoded_directions(drawn("s", 40, 20).numpy(), drawn("t", 40, 2).numpy())
    ablated = without(directions)(own, other).flatten(1)
    axes = torch.from_numpy(directions.basis)
    torch.testing.assert_close(ablated @ axes, torch.from_numpy(directions.mean) @ axes.expand(3, -1, -1))


def test_the_way_from_one_next_chunk_to_the_other_is_measured_along_it() -> None:
    own, other = torch.zeros(4, 2, 1, 1, 1), torch.zeros(4, 2, 1, 1, 1)
    other[:3, 0] = 4
    patched = torch.tensor([[4.0, 0.0], [1.0, 3.0], [-2.0, 0.0], [1.0, 1.0]])[:, :, None, None, None]
    found = moved(own, other, patched)
    assert found.transfer[:3].tolist() == [1, 0.25, -0.5]
    assert found.size[:3].tolist() == pytest.approx([1, 10**0.5 / 4, 0.5])
    assert bool(found.transfer[3].isnan())
    assert bool(found.size[3].isnan())
    near = moved(own, other / 16, patched / 16)  # as far along a way of a quarter
    assert near.transfer[:3].tolist() == [1, 0.25, -0.5]
    assert near.size[:3].tolist() == pytest.approx([1, 10**0.5 / 4, 0.5])


class OneOther:
    """The noise of a run seed, and in one chunk that of the next seed."""

    def __init__(self, sampler: StreamingSampler, asked: list[Request], seed: int, chunk: int) -> None:
        keys = [request.key for request in asked]
        self._own, self._next = (KeyedNoise(keys, sampler.chunk_shape(), seed + more) for more in (0, 1))
        self._chunk = chunk

    def __call__(self, chunk: int, step: int) -> Tensor:
        return (self._next if chunk == self._chunk else self._own)(chunk, step)


def from_the_start(
    sampler: StreamingSampler, asked: list[Request], noise: OneOther, chunk: int, written: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The state that chunk i is committed with, or what is written over it, and chunk i + 1 of a whole rollout."""
    states: list[Tensor] = []

    def hook(module: object, given: object, output: Tensor) -> Tensor:
        states.append(output.clone())
        return output if written is None else written

    rollout = sampler.start(asked, noise=noise)
    for _ in range(chunk + 1):
        next(rollout)
    handle = sampler.model.blocks[0].register_forward_hook(hook)
    rollout.commit()
    handle.remove()
    (state,) = states
    return state, next(rollout).latents


@pytest.mark.parametrize(("chunk", "seed"), [(0, 0), (1, 3)])
@torch.no_grad()
def test_patching_is_a_rollout_whose_commit_writes_the_edited_state(
    sampler: StreamingSampler, chunk: int, seed: int
) -> None:
    """Futures A and B differ in the noise of one chunk; each is rolled out from its very beginning here."""
    asked = (requests() * 2)[: sampler.batch_size]
    a, b = (OneOther(sampler, asked, seed, other) for other in (-1, chunk))
    own, next_own = from_the_start(sampler, asked, a, chunk)
    other, next_other = from_the_start(sampler, asked, b, chunk)
    edits = {"a third": lambda own, other: own + (other - own) / 3, "beyond": lambda own, other: 2 * other - own}
    table = patch_videos(sampler, asked, SITE, chunk, edits, arm="student", **({"seed": seed} if seed else {}))
    for name, edit in edits.items():
        _, patched = from_the_start(sampler, asked, a, chunk, edit(own, other))
        expected = moved(next_own, next_other, patched)
        found = table[table.edit == name]
        assert found.transfer.to_numpy() == pytest.approx(expected.transfer.numpy(), rel=1e-3, abs=1e-4)
        assert found["size"].to_numpy() == pytest.approx(expected.size.numpy(), rel=1e-3, abs=1e-4)
        assert list(found.prompt_id) == [request.key.prompt_id for request in asked]
        assert list(found["sample"]) == [request.key.sample for request in asked]
    assert table["size"].min() > 0.01


def test_a_site_or_chunk_at_the_edge_is_patched_and_one_beyond_it_is_not(sampler: StreamingSampler) -> None:
    for chunk in (0, 5):
        check_patch(sampler.model, SITE, chunk, 7)
    for site, chunk, message in (
        (Site(-1, None), 0, "No keys follow block -1 of 2"), (Site(2, None), 0, "No keys follow block 2"),
        (SITE, -1, "Chunk -1 of 7"), (SITE, 7, "Chunk 7 of 7"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message):
            check_patch(sampler.model, site, chunk, 7)


def test_states_are_edited_in_whole_floats_and_without_a_graph(student: Path) -> None:
    half = StreamingSampler(student, SUITE._replace(frames=21), SamplingConfig(precision="bfloat16"))
    seen: list[tuple[torch.dtype, torch.dtype, bool]] = []

    def edit(own: Tensor, other: Tensor) -> Tensor:
        seen.append((own.dtype, other.dtype, torch.is_grad_enabled()))
        return other

    table = patch_videos(half, requests()[:1], SITE, 0, {"watched": edit}, arm="half")
    assert seen == [(torch.float32, torch.float32, False)]
    assert np.isfinite(table[["transfer", "size"]]).all(axis=None)


def test_writing_the_own_state_changes_nothing_and_the_other_one_moves_the_next_chunk(
    sampler: StreamingSampler,
) -> None:
    asked = requests()
    table = patch_videos(
        sampler, asked, SITE, 2, {"own": lambda own, other: own, WHOLE: lambda own, other: other}, arm="student"
    )
    assert len(table) == 2 * len(asked)
    assert list(table.prompt_id[:2]) == [request.key.prompt_id for request in asked[:2]]
    own = table[table.edit == "own"]
    assert (own[["transfer", "size"]] == 0).all(axis=None)
    assert table[table.edit == WHOLE].transfer.mean() > 0.2


def test_a_rollout_is_itself_again_after_a_patch(sampler: StreamingSampler) -> None:
    asked = requests()[: sampler.batch_size]
    before = roll_out(sampler.start(asked))
    with overwriting(sampler.model, SITE, torch.zeros_like):
        patched = roll_out(sampler.start(asked))
    assert not torch.equal(before, patched)
    assert torch.equal(before, roll_out(sampler.start(asked)))


@pytest.mark.parametrize(
    ("site", "chunk", "message"),
    [
        (Site(0, 1), 2, "not written to the cache"),
        (Site(0, None, "attn1"), 2, "not written to the cache"),
        (Site(1, None), 2, "No keys follow block 1 of 2"),
        (SITE, 6, "Chunk 6 of 7 has no next one"),
    ],
)
def test_what_no_later_chunk_reads_is_refused(sampler: StreamingSampler, site: Site, chunk: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        patch_videos(sampler, requests(), site, chunk, {}, arm="student")


@pytest.mark.long
def test_a_model_is_patched_along_the_directions_of_its_store(
    sampler: StreamingSampler, student: Path, tmp_path: Path
) -> None:
    settings = CaptureSettings((Site(1, 1), SITE), untrained=False)
    store = FeatureStore(capture(sampler, requests(), tmp_path / "store", settings, SUITE.card()))
    result = patch_model(str(student), store, tmp_path / "out", target=LATENT, chunk=2)
    assert set(result.values.edit) == {WHOLE, DECODED, RANDOM, ABLATED}
    assert set(result.values.site) == {SITE.name}
    assert set(result.effects.edit) >= {WHOLE, f"{DECODED} - {RANDOM}", f"{ABLATED} - {RANDOM}"}
    assert "a linear readout along them explains" in (tmp_path / "out" / "patch.md").read_text()
    again = patch_model(str(student), store, tmp_path / "again", target=LATENT, chunk=2)
    assert again.values.equals(result.values)
    with pytest.raises(UserError, match="captured from other weights than other's"):
        patch_model(str(write_student(tmp_path / "other", seed=2)), store, tmp_path / "no", target=LATENT, chunk=2)
    bare = FeatureStore(
        capture(sampler, requests(), tmp_path / "bare", CaptureSettings((Site(1, 1),), untrained=False), SUITE.card())
    )
    with pytest.raises(UserError, match="no states of the committing pass"):
        patch_model(str(student), bare, tmp_path / "no", target=LATENT, chunk=2)


def test_edits_of_one_seed_are_the_same() -> None:
    directions = decoded_directions(drawn("s", 40, 20).numpy(), drawn("t", 40, 2).numpy())
    own, other = drawn("own", 3, 4, 5), drawn("other", 3, 4, 5)
    first, second, third = (edits_of(directions, seed)[RANDOM](own, other) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert torch.equal(edits_of(directions)[RANDOM](own, other), first)
    assert not torch.equal(first, third)
