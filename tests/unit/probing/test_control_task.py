"""The control task: labels that belong to what a chunk looks like, and selectivity against them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probekit.probing.control_task import TYPES, control_labels, types_of
from probekit.probing.probe_comparison import compare_probes
from probekit.probing.probe_experiment import arm_data, probe_values, readouts
from probekit.probing.probe_settings import CONTROL_TASK, TRAINED, DecoderBudget, ProbeSettings
from probekit.probing.readout_judge import ACCURACY_ID
from probekit.probing.splits import Side, ahead, side_of, split_prompts
from probekit.probing.targets import ProbeTarget, TargetInput
from tests.helpers.feature_stores import counting_frames, write_store

BUDGET = DecoderBudget(width=32, steps=300, batch=64, learning_rates=(3e-3,), seeds=(0,), components=16)
SETTINGS = ProbeSettings(horizons=(1,), budget=BUDGET, perceptual=False)
LOOKS, CHUNKS, VIDEOS = 5, 4, 80


def everything(videos: int, chunks: int = CHUNKS) -> Side:
    return side_of([str(index) for index in range(videos)], frozenset(map(str, range(videos))), chunks)


def looks_of(seed: int, videos: int = VIDEOS) -> tuple[np.ndarray, np.ndarray]:
    """Chunks of a few kinds, and the kinds."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, LOOKS, (videos, CHUNKS))
    return rng.normal(size=(LOOKS, 12))[kinds].astype(np.float32), kinds


def test_chunks_that_look_alike_are_of_one_type_in_every_video() -> None:
    looks, kinds = looks_of(0)
    types = types_of(looks, everything(VIDEOS))
    for kind in range(LOOKS):
        assert len(set(types[kinds == kind])) == 1
    assert len(set(types.ravel())) == LOOKS


@pytest.mark.long
def test_a_type_has_one_label_and_labels_come_as_often_as_real_ones() -> None:
    looks = np.random.default_rng(1).normal(size=(600, CHUNKS, 8)).astype(np.float32)
    real = np.zeros((600, CHUNKS, 1), np.float32)
    real[:150] = 1
    real[590:] = np.nan
    labels = control_labels(looks, real, everything(600), 3, "name")
    assert set(np.unique(labels)) <= {0, 1}  # the third class never occurs
    types = types_of(looks, everything(600))
    assert all(len(set(labels[types == one].ravel())) == 1 for one in range(TYPES))
    assert (labels == control_labels(looks, real, everything(600), 3, "name")).all()
    drawn = [control_labels(looks, real, everything(600), 3, str(name))[types == 0][0, 0] for name in range(60)]
    assert np.mean(drawn) == pytest.approx(150 / 590, abs=0.15)


def test_types_are_the_training_chunks_groups() -> None:
    looks, _ = looks_of(2)
    train = side_of([str(index) for index in range(VIDEOS)], frozenset(map(str, range(40))), CHUNKS)
    changed = looks.copy()
    changed[40:] = 1e3
    assert (types_of(changed, train)[:40] == types_of(looks, train)[:40]).all()


def test_looks_are_told_apart_on_sixteen_principal_axes_and_no_more() -> None:
    """Two chunks on every axis, each shorter than the one before: those of the 17th look alike, wherever 0 is."""
    lengths = np.geomspace(100, 1, 17)
    looks = 50 + np.concatenate([np.diag(lengths), -np.diag(lengths)]).reshape(-1, 1, 17).astype(np.float32)
    types = types_of(looks, everything(34, 1))[:, 0]
    assert types[16] == types[33]
    assert len(set(types)) == 33


@pytest.mark.parametrize(("apart", "types"), [(4e-7, 3), (4e-6, 4)])
def test_looks_that_are_equal_to_six_digits_are_one(apart: float, types: int) -> None:
    looks = np.array([-1, -apart / 2, apart / 2, 1], np.float32).reshape(4, 1, 1)
    assert len(set(types_of(looks, everything(4, 1))[:, 0])) == types


def test_chunks_of_more_looks_share_sixty_four_types() -> None:
    looks = np.random.default_rng(6).normal(size=(100, CHUNKS, 8)).astype(np.float32)
    assert set(types_of(looks, everything(100)).ravel()) == set(range(64))


def test_the_type_of_a_chunk_is_the_nearest_centre_on_all_axes_together() -> None:
    """Every training look is a centre of its own, so a chunk is of the type of the look that it lies beside."""
    known = np.random.default_rng(7).normal(size=(20, 1, 6)).astype(np.float32)
    beside = known + 0.01 * np.random.default_rng(8).normal(size=known.shape).astype(np.float32)
    train = side_of([str(index) for index in range(40)], frozenset(map(str, range(20))), 1)
    types = types_of(np.concatenate([known, beside]), train)[:, 0]
    assert len(set(types[:20])) == 20
    np.testing.assert_array_equal(types[20:], types[:20])


def test_where_no_real_label_is_known_every_class_is_as_likely() -> None:
    looks = np.random.default_rng(9).normal(size=(100, CHUNKS, 8)).astype(np.float32)
    unknown = np.full((100, CHUNKS, 1), np.nan, np.float32)
    drawn = np.concatenate([control_labels(looks, unknown, everything(100), 2, str(name)) for name in range(8)])
    assert set(drawn.ravel()) == {0, 1}
    assert drawn.mean() == pytest.approx(0.5, abs=0.1)


def accuracies(folder: Path, states: np.ndarray, looks: np.ndarray, coming: np.ndarray) -> dict[str, float]:
    """Accuracy by source, and the selectivity that the comparison of two equal arms states."""
    frames = counting_frames(np.zeros((VIDEOS, CHUNKS)))
    store = write_store(folder, states, frames, latents=looks.swapaxes(1, 2)[..., None, None])
    target = ProbeTarget("coming", "class", lambda data: coming[..., None].astype(np.float32), 2)
    values = probe_values("arm", store, SETTINGS, target)
    both = pd.concat([values.assign(arm="one"), values.assign(arm="two")])
    found = {item.contrast: item.estimate.difference for item in compare_probes(both, "one", "two")}
    assert found["selectivity, two - one"] == 0
    means = values[values.metric_id == ACCURACY_ID].groupby("source").value.mean()
    return {**means.to_dict(), "selectivity": found[f"one - {CONTROL_TASK}"]}


@pytest.mark.long
def test_a_state_that_knows_what_comes_is_selective(tmp_path: Path) -> None:
    """Looks are in the latents, not in the state, so that their labels cannot be learned."""
    rng = np.random.default_rng(4)
    looks, coming = rng.normal(size=(VIDEOS, CHUNKS, 12)).astype(np.float32), rng.integers(0, 2, (VIDEOS, CHUNKS))
    states = rng.normal(size=(VIDEOS, CHUNKS, 1, 1, 4))
    nothing = accuracies(tmp_path / "nothing", states, looks, coming)
    assert nothing[TRAINED] == pytest.approx(0.5, abs=0.12)
    states[:, :-1, 0, 0, 0] = 4 * coming[:, 1:] - 2
    found = accuracies(tmp_path / "knows", states, looks, coming)
    assert found[TRAINED] > 0.97
    assert found[CONTROL_TASK] == pytest.approx(nothing[CONTROL_TASK], abs=0.15)
    assert found["selectivity"] == pytest.approx(found[TRAINED] - found[CONTROL_TASK])
    assert found["selectivity"] > 0.25


@pytest.mark.long
def test_a_state_of_few_looks_is_right_and_not_selective(tmp_path: Path) -> None:
    """The class is a function of what the chunk looks like, and so is every random label: a decoder learns both."""
    looks, kinds = looks_of(3)
    coming = np.roll(kinds % 2, 1, axis=1)  # of the chunk one later
    found = accuracies(tmp_path, looks[:, :, None, None].astype(float), looks, coming)
    assert found[TRAINED] > 0.97
    assert abs(found["selectivity"]) < 0.03


@pytest.mark.long
def test_the_control_task_is_of_the_present_and_judged_by_its_own_labels(tmp_path: Path) -> None:
    coming = np.zeros((VIDEOS, CHUNKS, 1), np.float32)
    coming[::2] = 1
    states = np.random.default_rng(5).normal(size=(VIDEOS, CHUNKS, 1, 1, 4))
    store = write_store(tmp_path, states, counting_frames(np.zeros((VIDEOS, CHUNKS))))
    target = ProbeTarget("coming", "class", lambda data: coming, 2)
    data = arm_data(store, target, split_prompts([key.prompt_id for key in store.keys]))
    settings = SETTINGS._replace(horizons=(0, 2))
    found = {read.horizon: read.truth for read in readouts(data, target, settings) if read.source == CONTROL_TASK}
    given = TargetInput(data.frames[:, :, -1], store.latents(), 1, data.frames, store.texts)
    assert target.values(given).shape == coming.shape
    labels = control_labels(store.latents().swapaxes(1, 2), coming, data.sides[0], 2, "coming")
    test = data.sides[2]
    np.testing.assert_array_equal(found[0], ahead(labels, test, 0))
    np.testing.assert_array_equal(found[2][test.chunks < CHUNKS - 2], ahead(labels, test, 0)[test.chunks < CHUNKS - 2])
    assert np.isnan(found[2][test.chunks >= CHUNKS - 2]).all()  # as many chunks as the real task has
