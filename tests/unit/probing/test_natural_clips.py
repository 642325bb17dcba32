"""Probing on natural video: store, targets and controls depend on nothing of the sprite world."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.evaluation.reference.metrics import MSE
from probekit.media.video_files import read_video
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.video_codec import to_unit_range
from probekit.probing.capturing import CaptureSettings, capture
from probekit.probing.feature_store import FeatureStore
from probekit.probing.probe_comparison import CONTROLS
from probekit.probing.probe_experiment import probe_values
from probekit.probing.probe_settings import CONTROL_TASK, COPY, MEAN, SHUFFLED, TRAINED, DecoderBudget, ProbeSettings
from probekit.probing.sites import Site
from probekit.probing.targets import FRAME, LATENT
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.seeding import generator
from probekit.suites.registry import load_suite
from probekit.suites.suite import Prompt, Suite
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.shared_data import shared_path

FRAMES, SIDE, WINDOWS = 33, 32, 4
BUDGET = DecoderBudget(width=32, steps=150, batch=32, learning_rates=(3e-3,), seeds=(0,), components=24)

pytestmark = pytest.mark.slow


def windows_of(path: Path) -> NDArray[np.uint8]:
    """Square cuts (K, T, H, W, 3) of a clip at seeded places, made smaller by area means."""
    frames = read_video(path).frames
    rng = generator("natural-windows", path.name)
    side = SIDE * (min(frames.shape[1:3]) // SIDE)
    found = []
    for _ in range(WINDOWS):
        first, top, left = (
            int(rng.integers(size - cut + 1)) for size, cut in zip(frames.shape, (FRAMES, side, side), strict=False)
        )
        cut = frames[first : first + FRAMES, top : top + side, left : left + side].astype(np.float32)
        found.append(cut.reshape(FRAMES, SIDE, side // SIDE, SIDE, side // SIDE, 3).mean(axis=(2, 4)).round())
    return np.stack(found).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    folder = shared_path("data", "natural")
    clips = {path.stem: path for path in sorted(folder.glob("*.mp4")) if len(read_video(path).frames) >= FRAMES}
    assert len(clips) >= 10
    videos = {name: windows_of(path) for name, path in clips.items()}
    bare = load_suite("sprite-5s")
    suite: Suite = bare._replace(
        name="natural", frames=FRAMES, prompts=tuple(Prompt(name, name) for name in clips), samples=WINDOWS
    )
    root = tmp_path_factory.mktemp("natural")
    student = write_tiny_model(root / "student", seed=1)
    write_causal_card(student, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    sampler = StreamingSampler(student, suite)

    def given(block: list[Request]) -> Tensor:
        shown = np.stack([videos[request.key.prompt_id][request.key.sample] for request in block])
        encoded: Tensor = sampler.parts.codec.encode(to_unit_range(torch.from_numpy(shown)))
        return encoded

    asked = [Request(key, key.prompt_id) for key in suite.keys()]
    settings = CaptureSettings((Site(1, 1),))
    capture(sampler, asked, root / "store", settings, suite.card(), given=given, videos="natural clips")
    return FeatureStore(root / "store")


@pytest.fixture(scope="module")
def values(store: FeatureStore) -> pd.DataFrame:
    return probe_values("tiny", store, ProbeSettings((0, 1), budget=BUDGET, perceptual=False), FRAME)


def mean_of(values: pd.DataFrame, source: str, horizon: int) -> float:
    chosen = values[(values.source == source) & (values.horizon == horizon) & (values.metric_id == MSE.metric_id)]
    return float(chosen.value.mean())


@pytest.mark.long
def test_states_and_frames_are_those_of_the_clips(store: FeatureStore) -> None:
    assert store.card.videos == "natural clips"
    assert store.frames().shape[1:] == (3, 3, SIDE, SIDE, 3)
    assert store.frames().std() > 20
    assert np.isfinite(store.states(Site(1, 1)).astype(np.float32)).all()


@pytest.mark.long
def test_every_control_is_there_and_orders_as_natural_video_must(values: pd.DataFrame) -> None:
    assert set(values.source) == {TRAINED, *CONTROLS} - {CONTROL_TASK}  # which classes alone have
    for horizon in (0, 1):
        assert mean_of(values, TRAINED, horizon) < mean_of(values, SHUFFLED, horizon)
        assert mean_of(values, COPY, horizon) < mean_of(values, MEAN, horizon)
    assert mean_of(values, COPY, 0) == 0
    assert mean_of(values, COPY, 1) > 0


@pytest.mark.long
def test_latents_are_read_too(store: FeatureStore) -> None:
    read = probe_values("tiny", store, ProbeSettings((1,), budget=BUDGET, perceptual=False), LATENT)
    chosen = read[read.metric_id.str.contains("squared")].groupby("source").value.mean()
    assert chosen[TRAINED] < chosen[SHUFFLED]
