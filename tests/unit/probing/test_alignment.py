"""Alignment of a store with an encoder: what it finds, what its intervals mean, what is kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.feature_reader import read_features
from probekit.models.loading import load_model
from probekit.probing import encoder_features as module
from probekit.probing.alignment import (
    CKA,
    NEIGHBOURS,
    AlignmentSettings,
    alignment_values,
    compare_alignments,
    first_videos,
)
from probekit.probing.capturing import CaptureSettings, capture
from probekit.probing.encoder_features import encoder_features
from probekit.probing.feature_store import FeatureStore
from probekit.probing.probe_settings import CURRENT_LATENTS, TRAINED, UNTRAINED
from probekit.probing.similarity import cka_without_each, debiased_cka, gram
from probekit.probing.sites import Site
from probekit.probing.targets import TargetInput, target_named
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import generator
from probekit.suites.registry import load_suite
from probekit.workflows.align import align_stores
from tests.helpers.feature_stores import counting_frames, write_store
from tests.helpers.model_folders import write_tiny_model

PROMPTS, CHUNKS, WIDTH = 30, 5, 6
SETTINGS = AlignmentSettings(offsets=(0, 1, 2), neighbours=5)


def states_that_know(ahead: int, features: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """States (P, N, 1, 1, W): the features of the chunk so far ahead, and some noise; noise alone at the end."""
    noise = generator("alignment-test", name).normal(size=features.shape)
    found = 0.3 * noise
    found[:, : CHUNKS - ahead] += features[:, ahead:]
    return found[:, :, None, None]


def make_store(folder: Path, states: NDArray[np.float64], model: str = "arm", samples: int = 1) -> FeatureStore:
    frames = counting_frames(np.zeros(states.shape[:2]))
    return write_store(folder, states, frames, model=model, samples=samples)


def features() -> NDArray[np.float64]:
    return generator("alignment-test", "features").normal(size=(PROMPTS, CHUNKS, WIDTH))


def mean_of(table: pd.DataFrame, metric: str, offset: int, source: str = TRAINED) -> float:
    chosen = table[(table.metric_id == metric) & (table.offset == offset) & (table.source == source)]
    return float(chosen.value.mean())


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_the_chunk_that_a_state_knows_is_the_one_it_aligns_with(ahead: int, tmp_path: Path) -> None:
    store = make_store(tmp_path, states_that_know(ahead, features(), "a"))
    table = alignment_values("arm", store, features()[:, :, None], SETTINGS)
    for metric in (CKA, NEIGHBOURS):
        found = {offset: mean_of(table, metric, offset) for offset in SETTINGS.offsets}
        assert max(found, key=lambda offset: found[offset]) == ahead
    assert mean_of(table, CKA, ahead) > 0.8
    assert abs(mean_of(table, CKA, (ahead + 1) % 3)) < 0.2


def test_a_prompts_value_is_its_pseudo_value_averaged_over_chunks(tmp_path: Path) -> None:
    states = states_that_know(1, features(), "a")
    table = alignment_values("arm", make_store(tmp_path, states), features()[:, :, None], SETTINGS)
    chosen = table[(table.metric_id == CKA) & (table.offset == 1) & (table.source == TRAINED)]
    pairs = [(gram(states[:, i, 0, 0].astype(np.float16)), gram(features()[:, i + 1])) for i in range(CHUNKS - 2)]
    whole = np.mean([debiased_cka(*pair) for pair in pairs])
    without = np.mean([cka_without_each(*pair) for pair in pairs], axis=0)
    assert chosen.value.to_numpy() == pytest.approx(PROMPTS * whole - (PROMPTS - 1) * without)
    assert list(chosen.prompt_id) == [f"p{index:03d}" for index in range(PROMPTS)]


def test_the_clean_latents_of_a_chunk_are_compared_as_a_state_is(tmp_path: Path) -> None:
    """Chunks of two latent frames; what a chunk says is its frames, channels and pixels together."""
    rng = generator("alignment-test", "latents")
    latents = rng.normal(size=(PROMPTS, 2, 2 * CHUNKS, 3, 1)).astype(np.float32)
    seen = rng.normal(size=(PROMPTS, 2 * CHUNKS, 1, WIDTH))
    frames = np.repeat(counting_frames(np.zeros((PROMPTS, CHUNKS))), 2, axis=2)
    store = write_store(tmp_path, rng.normal(size=(PROMPTS, CHUNKS, 2, 1, 4)), frames, latents=latents)
    table = alignment_values("arm", store, seen, SETTINGS)
    chosen = table[(table.metric_id == CKA) & (table.offset == 1) & (table.source == CURRENT_LATENTS)]
    pairs = [
        (
            gram(latents[:, :, 2 * i : 2 * i + 2].reshape(PROMPTS, -1)),
            gram(seen[:, 2 * i + 2 : 2 * i + 4].reshape(PROMPTS, -1)),
        )
        for i in range(CHUNKS - 2)
    ]
    whole = np.mean([debiased_cka(*pair) for pair in pairs])
    without = np.mean([cka_without_each(*pair) for pair in pairs], axis=0)
    assert chosen.value.to_numpy() == pytest.approx(PROMPTS * whole - (PROMPTS - 1) * without, abs=1e-3)
    assert chosen.depth.isna().all()


def test_by_default_four_chunks_ten_neighbours_and_the_middle_of_the_encoder_are_asked_for() -> None:
    assert AlignmentSettings() == ((0, 1, 2, 3), 10, 0.5)


@pytest.mark.parametrize("offsets", [(), (-1, 0), (0, CHUNKS)])
def test_offsets_that_leave_the_video_are_refused(offsets: tuple[int, ...], tmp_path: Path) -> None:
    store = make_store(tmp_path, states_that_know(1, features(), "a"))
    with pytest.raises(UserError, match=f"do not fit videos of {CHUNKS} chunks"):
        alignment_values("arm", store, features()[:, :, None], SETTINGS._replace(offsets=offsets))


def test_only_the_first_video_of_a_prompt_counts(tmp_path: Path) -> None:
    states = states_that_know(1, features(), "a")
    doubled = np.repeat(states, 2, axis=0)
    doubled[1::2] = 0
    one, two = make_store(tmp_path / "one", states), make_store(tmp_path / "two", doubled, samples=2)
    assert first_videos(two).tolist() == list(range(0, 2 * PROMPTS, 2))
    tables = [alignment_values("arm", store, features()[:, :, None], SETTINGS) for store in (one, two)]
    assert tables[0].value.equals(tables[1].value)


def test_differences_are_paired_and_a_store_against_itself_is_zero(tmp_path: Path) -> None:
    knows, guesses = states_that_know(1, features(), "a"), states_that_know(2, features(), "b")
    tables = [
        alignment_values(arm, make_store(tmp_path / arm, states, arm), features()[:, :, None], SETTINGS)
        for arm, states in (("guesses", guesses), ("knows", knows), ("copy", knows))
    ]
    found = compare_alignments(pd.concat(tables))
    cka = found[(found.metric_id == CKA) & (found.offset_chunks == 1)].set_index(["arm", "contrast"])
    assert cka.loc[("knows", f"{TRAINED} - guesses"), "low"] > 0.3
    assert cka.loc[("copy", f"{TRAINED} - knows"), "value"] == 0
    assert ("guesses", f"{TRAINED} - knows") not in cka.index
    own = cka.loc[("knows", TRAINED)]
    assert own.low < own.value < own.high
    assert own.n_prompts == PROMPTS


@pytest.mark.long
def test_intervals_of_unrelated_states_hold_zero_as_often_as_they_say(tmp_path: Path) -> None:
    held = []
    for number in range(40):
        noise = generator("alignment-coverage", number).normal(size=(PROMPTS, CHUNKS, 1, 1, WIDTH))
        table = alignment_values("arm", make_store(tmp_path / f"{number}", noise), features()[:, :, None], SETTINGS)
        row = compare_alignments(table[(table.metric_id == CKA) & (table.source == TRAINED) & (table.offset == 0)])
        held.append(bool((row.low <= 0).iloc[0] and (row.high >= 0).iloc[0]))
    assert np.mean(held) >= 0.85


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", states_that_know(0, features(), "a"))
    with pytest.raises(UserError, match=r"Offsets \[5\] do not fit videos of 5 chunks"):
        alignment_values("arm", store, features()[:, :, None], SETTINGS._replace(offsets=(5,)))
    with pytest.raises(UserError, match="30 neighbours of 30 prompts"):
        alignment_values("arm", store, features()[:, :, None], SETTINGS._replace(neighbours=PROMPTS))
    with pytest.raises(UserError, match="has 4 prompts"):
        first_videos(make_store(tmp_path / "b", states_that_know(0, features(), "a")[:4]))


SUITE = load_suite("sprite-5s").reduced(6, 1)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("student") / "student", seed=1)
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


@pytest.fixture(scope="module")
def captured(student: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    out = tmp_path_factory.mktemp("captured") / "store"
    asked = [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()]
    settings = CaptureSettings((Site(0, 1), Site(1, None)))
    return FeatureStore(capture(StreamingSampler(student, SUITE), asked, out, settings, SUITE.card()))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("encoder") / "encoder", seed=3)


def test_features_are_those_of_the_whole_clean_video_at_timestep_zero(
    captured: FeatureStore, encoder: Path, student: Path
) -> None:
    texts = list(SUITE.texts().values())
    found = encoder_features(encoder, captured.latents(), texts, 0.5)
    parts = load_model(encoder)
    for row in (0, 5):
        video = torch.from_numpy(captured.latents()[row : row + 1])
        with torch.no_grad():
            read = read_features(parts.transformer, video, torch.zeros(1), parts.text.encode([texts[row]]), 1)
        np.testing.assert_allclose(found[row : row + 1], read.numpy(), atol=0.01, rtol=0.01)
    with pytest.raises(UserError, match="student is a causal generator"):
        encoder_features(student, captured.latents(), texts, 0.5)
    with pytest.raises(UserError, match="latents of 16 channels, and the videos have 15"):
        encoder_features(encoder, captured.latents()[:, 1:], texts, 0.5)


def test_videos_are_read_in_passes_of_one_size_and_without_a_graph(
    captured: FeatureStore, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 6 latent frames of 16 tokens, 5 videos fill a pass of 512; the sixth is repeated until its pass is full."""
    seen = []

    def read(model: Any, video: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append((len(video), torch.is_grad_enabled()))
        return read_features(model, video, *rest)

    monkeypatch.setattr(module, "read_features", read)
    short = captured.latents()[:, :, :6]
    found = encoder_features(encoder, short, list(SUITE.texts().values()), 0.5)
    assert seen == [(5, False), (5, False)]
    assert found.shape == (6, 6, 16, 32)


@pytest.mark.long
def test_stores_are_aligned_and_no_video_is_read_twice(
    captured: FeatureStore, encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = AlignmentSettings(offsets=(0, 1), neighbours=2)
    caplog.set_level("INFO", "probekit")
    first = align_stores([captured.folder], str(encoder), tmp_path / "out", settings)
    assert "reading videos with encoder" in caplog.text
    for name in ("alignment.csv", "alignment.md", "protocol.json", "cka.png", "shared_neighbours.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert set(first.values.source) == {TRAINED, UNTRAINED, "the chunk's latents"}
    caplog.clear()
    again = align_stores([captured.folder], str(encoder), tmp_path / "out", settings)
    assert "reading videos" not in caplog.text
    assert again.values.equals(first.values)
    kept = next((tmp_path / "out" / "features").glob("*.safetensors"))
    kept.write_bytes(kept.read_bytes()[:100])
    assert align_stores([captured.folder], str(encoder), tmp_path / "out", settings).values.equals(first.values)
    assert "reading videos" in caplog.text
    with pytest.raises(UserError, match="not different ones"):
        align_stores([captured.folder, captured.folder], str(encoder), tmp_path / "out", settings)


def test_what_an_encoder_sees_is_a_target_too(captured: FeatureStore, encoder: Path) -> None:
    target = target_named(f"features:{encoder}@0.5")
    frames = captured.frames()
    data = TargetInput(frames[:, :, -1], captured.latents(), 3, frames, captured.texts)
    values = target.values(data)
    read = encoder_features(encoder, captured.latents(), captured.texts, 0.5)
    assert values.shape == (6, 7, 3 * 16 * 32)
    np.testing.assert_array_equal(values[2, 4], read[2, 12:15].reshape(-1).astype(np.float32))
    assert list(captured.texts) == list(SUITE.generation_texts().values())
    with pytest.raises(UserError, match=r"No probe target is called 'features:sprite-base@1\.5'"):
        target_named("features:sprite-base@1.5")
