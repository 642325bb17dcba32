"""What probes find, what they must not, and what their numbers mean."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import MSE
from probekit.probing.feature_store import FeatureStore
from probekit.probing.fixed_controls import linear_motion, mean_frame, motion_of
from probekit.probing.probe_comparison import compare_probes, contrast_table, motion_thirds, seed_spread
from probekit.probing.probe_experiment import probe_values
from probekit.probing.probe_settings import (
    COPY,
    CURRENT_PIXELS,
    LINEAR,
    MEAN,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
    DecoderBudget,
    ProbeSettings,
)
from probekit.probing.splits import ahead, shuffled_videos, side_of, split_prompts
from probekit.probing.targets import COLOR, POSITION, target_named
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.vocabulary import COLORS
from tests.helpers.feature_stores import SITE, counting_frames, write_store

BUDGET = DecoderBudget(
    width=32, steps=300, validate_every=50, batch=64, learning_rates=(3e-3,), seeds=(0, 1), components=8
)


def settings(**changed: object) -> ProbeSettings:
    return ProbeSettings(horizons=(1,), budget=BUDGET, perceptual=False)._replace(**changed)  # type: ignore[arg-type]


def planted(folder: Path, signal: bool = True, videos: int = 60, horizon: int = 1) -> FeatureStore:
    """States that hold the level of the chunk `horizon` ahead, or noise; levels of chunks are independent."""
    rng = np.random.default_rng(0)
    levels = rng.uniform(0, 255, (videos, 5))
    states = rng.normal(size=(videos, 5, 1, 1, 6))
    if signal:
        states[:, :-horizon, 0, 0, 0] = (levels[:, horizon:] - 127) / 60
    return write_store(folder, states, counting_frames(levels), untrained=rng.normal(size=states.shape))


def errors_of(values: pd.DataFrame) -> "pd.Series[float]":
    return values[values.metric_id == MSE.metric_id].groupby("source").value.mean()


@pytest.mark.long
@pytest.mark.parametrize("decoder", ["chunk", "token"])
def test_a_planted_signal_is_found_and_noise_is_not(tmp_path: Path, decoder: str) -> None:
    error = errors_of(probe_values("arm", planted(tmp_path), settings(decoder=decoder)))
    uninformed = 1 / 12  # variance of a uniform grey level in [0, 1]
    assert error[TRAINED] < 0.2 * uninformed
    assert error[[UNTRAINED, SHUFFLED, CURRENT_PIXELS]].min() > 0.8 * uninformed
    assert error[MEAN] == pytest.approx(uninformed, rel=0.3)
    assert error[COPY] > 1.5 * uninformed  # two independent levels differ by twice the variance


@pytest.mark.long
@pytest.mark.parametrize("horizon", [0, 1, 2, 3])
def test_the_target_lies_horizon_chunks_ahead_and_the_copy_is_of_the_present(tmp_path: Path, horizon: int) -> None:
    """Chunk i has grey level start + 20·i, and a state holds its own level and nothing else."""
    starts = np.random.default_rng(0).integers(0, 100, 60)
    levels = starts[:, None] + 20 * np.arange(6)
    states = np.zeros((60, 6, 1, 1, 4))
    states[..., 0, 0, 0] = levels / 50
    store = write_store(tmp_path, states, counting_frames(levels))
    error = errors_of(probe_values("arm", store, settings(horizons=(horizon,))))
    assert error[COPY] == pytest.approx((20 * horizon / 255) ** 2, rel=1e-5, abs=1e-12)
    assert error[TRAINED] < 0.2 * (20 / 255) ** 2  # a readout of another chunk would be 20 levels off


@pytest.mark.long
def test_horizons_fitted_together_are_not_mixed(tmp_path: Path) -> None:
    values = probe_values("arm", planted(tmp_path, horizon=2), settings(horizons=(1, 2)))
    error = values[(values.metric_id == MSE.metric_id) & (values.source == TRAINED)].groupby("horizon").value.mean()
    assert error[2] < 0.2 / 12
    assert error[1] > 0.8 / 12


@pytest.mark.long
def test_equal_stores_differ_by_exactly_nothing_and_probes_repeat(tmp_path: Path) -> None:
    store = planted(tmp_path)
    a, b = (probe_values(name, store, settings(horizons=(1, 2))) for name in ("a", "b"))
    pd.testing.assert_frame_equal(a.drop(columns="arm"), b.drop(columns="arm"))
    arms = [item for item in compare_probes(pd.concat([a, b]), "a", "b") if item.contrast == "b - a"]
    assert {item.horizon for item in arms} == {1, 2}
    assert all(item.estimate.difference == 0 and item.verdict == "open" for item in arms)


@pytest.mark.long
def test_conclusions_say_which_controls_a_readout_is_better_than(tmp_path: Path) -> None:
    values = pd.concat([
        probe_values("knows", planted(tmp_path / "a"), settings()),
        probe_values("guesses", planted(tmp_path / "b", signal=False), settings()),
    ])  # fmt: skip
    table = contrast_table(compare_probes(values, "guesses", "knows"))
    chosen = table[(table.metric_id == MSE.metric_id) & table.control.notna()]
    verdicts = chosen.set_index(["arm", "control"]).verdict
    assert (verdicts.loc["knows"] == "better").all()
    assert "better" not in set(verdicts.loc["guesses"][[MEAN, UNTRAINED, SHUFFLED]])
    arms = table[(table.contrast == "knows - guesses") & (table.metric_id == MSE.metric_id)].iloc[0]
    assert arms.difference < 0
    assert arms.verdict == "better"
    psnr = table[(table.contrast == "knows - guesses") & table.metric_id.str.startswith("psnr")].iloc[0]
    assert psnr.difference > 0
    assert psnr.verdict == "better"
    spread = seed_spread(values)
    assert set(spread.seeds) == {2}
    assert (spread.spread_over_seeds > 0).all()


def values(arm: str, source: str, level: float, motion: float = 0.0, prompts: int = 9) -> list[dict[str, object]]:
    return [
        {"arm": arm, "source": source, "site": SITE.name if source in (TRAINED, UNTRAINED) else None, "depth": 0.25,
         "target": "frame", "horizon": 1, "probe_seed": seed, "prompt_id": f"p{i}", "sample": 0, "motion": motion + i,
         "metric_id": MSE.metric_id, "value": level + i + seed - 0.5}
        for i in range(prompts) for seed in (0, 1)
    ]  # fmt: skip


def test_every_contrast_is_the_first_minus_the_second_named() -> None:
    levels = {
        ("base", TRAINED): 5.0, ("base", UNTRAINED): 9.0, ("base", COPY): 7.0,
        ("ours", TRAINED): 2.0, ("ours", UNTRAINED): 8.0, ("ours", COPY): 6.0,
    }  # fmt: skip
    table = pd.DataFrame([row for (arm, source), level in levels.items() for row in values(arm, source, level)])
    found = {item.contrast: item.estimate for item in compare_probes(table, "base", "ours")}
    assert {name: estimate.difference for name, estimate in found.items()} == pytest.approx({
        "ours - base": 2 - 5,
        "ours - base, still prompts": 2 - 5,
        "ours - base, medium prompts": 2 - 5,
        "ours - base, moving prompts": 2 - 5,
        f"base - {COPY}": 5 - 7,
        f"base - {UNTRAINED}": 5 - 9,
        f"ours - {COPY}": 2 - 6,
        f"ours - {UNTRAINED}": 2 - 8,
        "gain over the copy, ours - base": (2 - 6) - (5 - 7),
    })  # fmt: skip
    assert found["ours - base"].n_prompts == 9
    assert found["ours - base, still prompts"].n_prompts == 3


def test_thirds_are_of_prompts_by_the_mean_motion_of_all_arms() -> None:
    rows = values("a", TRAINED, 0.0) + values("b", TRAINED, 0.0, motion=100.0)
    thirds = motion_thirds(pd.DataFrame(rows))
    assert thirds == {f"p{i}": ("still", "medium", "moving")[i // 3] for i in range(9)}


@given(st.lists(st.sampled_from([f"p{i}" for i in range(12)]), min_size=40, max_size=60), st.integers(0, 5))
def test_no_prompt_is_on_two_sides_and_none_keeps_its_own_future_when_shuffled(prompts: list[str], seed: int) -> None:
    assume(len(set(prompts)) >= 5)
    split = split_prompts(prompts, seed)
    assert not (split.train & split.test)
    assert not (split.train & split.validation)
    assert not (split.validation & split.test)
    assert split.train | split.validation | split.test == set(prompts)
    assert min(map(len, split)) >= 1
    sides = [side_of(prompts, side, 3) for side in split]
    assert sum(len(side.videos) for side in sides) == 3 * len(prompts)
    other = shuffled_videos(prompts, seed)
    assert all(prompts[mine] != prompts[theirs] for mine, theirs in enumerate(other))


def test_too_few_prompts_are_refused() -> None:
    assert [len(side) for side in split_prompts([f"p{i}" for i in range(20)])] == [10, 2, 8]
    assert [len(side) for side in split_prompts(list("abcde"))] == [2, 1, 2]
    with pytest.raises(UserError, match="4 prompts"):
        split_prompts(list("abcd"))


def test_values_ahead_end_with_the_video() -> None:
    found = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    side = side_of(["a", "b"], frozenset("b"), 3)
    assert ahead(found, side, 0)[:, 0].tolist() == [3, 4, 5]
    later = ahead(found, side, 2)[:, 0]
    assert later[0] == 5
    assert np.isnan(later[1:]).all()


def test_the_mean_is_of_known_training_values() -> None:
    training = np.array([[0.0, 2.0], [4.0, 4.0], [np.nan, np.nan]], np.float32)
    assert mean_frame(training, 2).tolist() == [[2.0, 3.0], [2.0, 3.0]]


def moving_square(steps: int, speed: int = 1, side: int = 32) -> np.ndarray:
    frames = np.zeros((steps, side, side, 3), np.uint8)
    for step in range(steps):
        frames[step, 10:18, 4 + speed * step : 12 + speed * step] = 255
    return frames


def test_linear_motion_goes_on_in_a_straight_line() -> None:
    video = moving_square(8)
    for ahead_by in (1, 3, 6):
        truth = video[1 + ahead_by].reshape(-1).astype(np.float32) / 255
        gone_on = linear_motion(video[None, :2], ahead_by)[0]
        copied = linear_motion(video[None, :2], 0)[0]
        assert np.square(copied - video[1].reshape(-1) / 255).max() == 0
        assert np.square(gone_on - truth).mean() < 0.6 * np.square(copied - truth).mean()
    one = linear_motion(video[None, :1], 3)[0]
    np.testing.assert_array_equal(one, video[0].reshape(-1).astype(np.float32) / 255)


def test_motion_is_the_mean_change_between_frames() -> None:
    frames = np.zeros((2, 1, 3, 2, 2, 3), np.uint8)
    frames[1, 0, 1] = 255
    assert motion_of(frames).tolist() == [0.0, 1.0]


@pytest.mark.long
def test_sprite_targets_are_read_by_the_tracker(tmp_path: Path) -> None:
    episodes = [episode("train", 0, index) for index in range(12)]
    frames = np.stack([one.frames[::4].reshape(7, 3, 32, 32, 3) for one in episodes])
    colors = [list(COLORS).index(one.labels.identity[0].color) for one in episodes]
    states = np.zeros((12, 7, 3, 1, 8))
    for row, color in zip(states, colors, strict=True):
        row[:, :, 0, color % 8] = 1
    store = write_store(tmp_path, states, frames)
    found = probe_values("arm", store, settings(horizons=(0, 1)), COLOR)
    assert set(found.metric_id) == {"accuracy:noweights:v1"}
    assert found[found.source == COPY].value.mean() > 0.9  # a sprite keeps its colour
    assert LINEAR not in set(found.source)
    where = probe_values("arm", store, settings(horizons=(1,)), POSITION)
    assert set(where.metric_id) == {"squared-error:noweights:v1"}
    assert target_named("sprite-shape").classes == 4
    with pytest.raises(UserError, match="Use frame, latent"):
        target_named("flavour")
