"""Every dimension is near 1 on true videos and falls on exactly the flaws that are its own."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.scorer import Score, ScoringInput
from probekit.evaluation.scoring.backends import scorers_for
from probekit.sprite_world.captions import caption
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS
from tests.helpers.sprite_videos import CIRCLE, OPEN, PAIR, PILLAR, Clip, clip_of, straight

Frames = NDArray[np.uint8]

SCORERS = scorers_for("sprite-5s").scorers
NOTICEABLE = 0.03


def scores_of(video: ScoringInput) -> dict[str, Score]:
    return {scorer.dimension: scorer.score(video) for scorer in SCORERS}


@functools.cache
def clean_scores(scene: Scene) -> dict[str, Score]:
    clip = clip_of(scene)
    return scores_of(clip.scored(clip.frames))


def lowered(clip: Clip, frames: Frames) -> set[str]:
    """Dimensions in which frames are noticeably worse than the clip's own; none may be lost or get better."""
    clean, flawed = clean_scores(clip.scene), scores_of(clip.scored(frames))
    loss = {name: (clean[name].value or 0.0) - (score.value or 0.0) for name, score in flawed.items()}
    assert {name for name in clean if (clean[name].value is None) != (flawed[name].value is None)} == set()
    assert min(loss.values()) > -NOTICEABLE
    return {name for name, value in loss.items() if value > NOTICEABLE}


def repainted(clip: Clip, start: int, **identity: str) -> Frames:
    """From `start` on the first sprite has another colour, shape or size."""
    first, *rest = clip.scene.sprites
    scene = clip.scene._replace(sprites=(first._replace(**identity), *rest))
    return np.concatenate([clip.frames[:start], render(scene, clip.position)[start:]])


def replaced(clip: Clip, start: int, scene: Scene, position: NDArray[np.float32]) -> Frames:
    return np.concatenate([clip.frames[:start], render(scene, position)[start:]])


def test_a_true_video_has_every_dimension() -> None:
    for scene in (OPEN, PAIR, PILLAR):
        scores = {name: score.value for name, score in clean_scores(scene).items() if score.value is not None}
        assert scores.keys() >= {constant.dimension for constant in SPRITE_CONSTANTS} - {
            "object_permanence",
            "multiple_objects",
        }
        assert min(scores.values()) > 0.97, scores
    assert clean_scores(PILLAR)["object_permanence"] == Score(1.0, 1.0, 1.0)
    assert clean_scores(PAIR)["multiple_objects"].value == 1.0


def test_held_out_episodes_score_near_one() -> None:
    values: dict[str, list[float]] = {}
    for index in range(10):
        truth = episode("test", 7, index)
        for name, score in scores_of(ScoringInput(truth.frames, 16.0, truth.caption)).items():
            values.setdefault(name, []).extend([] if score.value is None else [score.value])
    means = {name: float(np.mean(found)) for name, found in values.items() if found}
    assert means.pop("motion_smoothness") > 0.9
    assert min(means.values()) > 0.98, means


def test_what_does_not_apply_is_null_with_a_reason() -> None:
    assert clean_scores(OPEN)["object_permanence"] == Score(None, reason="no occlusion")
    assert clean_scores(OPEN)["multiple_objects"] == Score(None, reason="one sprite prompted")


def test_shape_swap() -> None:
    clip = clip_of(OPEN)
    flaws = {"subject_consistency", "object_class", "overall_consistency"}
    assert lowered(clip, repainted(clip, 40, shape="cross")) == flaws


def test_size_change_is_no_matter_of_class() -> None:
    clip = clip_of(OPEN)
    flaws = {"subject_consistency", "overall_consistency"}
    assert lowered(clip, repainted(clip, 40, size="small")) == flaws


def test_color_change_behind_the_pillar() -> None:
    clip = clip_of(PILLAR)
    frames = repainted(clip, 40, color="green")
    assert lowered(clip, frames) == {"subject_consistency", "object_permanence", "color", "overall_consistency"}
    assert scores_of(clip.scored(frames))["object_permanence"].value == pytest.approx(3 / 4)


def test_wrong_identity_throughout_is_consistent_but_not_what_was_asked() -> None:
    clip = clip_of(PILLAR)
    assert lowered(clip, repainted(clip, 0, color="green")) == {"color", "overall_consistency"}


def test_frozen_video() -> None:
    clip = clip_of(PAIR)
    assert lowered(clip, np.repeat(clip.frames[:1], 81, axis=0)) == {"dynamic_degree", "overall_consistency"}


def test_background_flip() -> None:
    clip = clip_of(OPEN)
    frames = replaced(clip, 40, OPEN._replace(background="desert"), clip.position)
    assert lowered(clip, frames) == {"background_consistency", "overall_consistency"}


def test_jitter() -> None:
    clip = clip_of(OPEN)
    jitter = np.random.default_rng(0).uniform(-1.5, 1.5, clip.position.shape).astype(np.float32)
    assert lowered(clip, render(OPEN, clip.position + jitter)) == {"motion_smoothness"}


def test_jumps() -> None:
    clip = clip_of(OPEN)
    there_and_back = np.array([0, 6]) * (np.arange(81) // 6 % 2)[:, None, None]
    assert lowered(clip, render(OPEN, clip.position + there_and_back)) == {"motion_smoothness", "overall_consistency"}


def test_another_start_or_heading_is_not_what_was_asked() -> None:
    clip = clip_of(OPEN)
    clean = clean_scores(OPEN)["overall_consistency"]
    elsewhere = straight((6.0, 26.0), (0.25, 0.0))[:, None]
    downwards = straight((6.0, 6.0), (0.0, 0.25))[:, None]
    assert clean == Score(1.0, 8.0, 8.0)
    assert scores_of(clip.scored(render(OPEN, elsewhere)))["overall_consistency"].numerator == 6
    assert scores_of(clip.scored(render(OPEN, downwards)))["overall_consistency"].numerator == 7


def test_missing_second_sprite() -> None:
    clip = clip_of(PAIR)
    frames = render(PAIR._replace(sprites=(CIRCLE,)), clip.position[:, :1])
    assert lowered(clip, frames) == {"object_class", "multiple_objects", "overall_consistency"}


def test_vanishing_in_the_open() -> None:
    clip = clip_of(PAIR)
    frames = replaced(clip, 30, PAIR._replace(sprites=(CIRCLE,)), clip.position[:, :1])
    flaws = {"subject_consistency", "object_class", "multiple_objects", "overall_consistency"}
    assert lowered(clip, frames) == flaws


def test_never_coming_back_from_behind_the_pillar() -> None:
    clip = clip_of(PILLAR)
    gone = replaced(clip, 20, PILLAR, np.full_like(clip.position, 16.0))
    assert lowered(clip, gone) == {"object_permanence"}
    early = scores_of(clip.scored(gone[:60]))["object_permanence"]
    assert early == Score(None, reason="no occlusion")


def test_flicker() -> None:
    clip = clip_of(OPEN)
    sign = np.where(np.arange(81) % 2, 12, -12)[:, None, None, None]
    frames = (clip.frames.astype(np.int64) + sign).clip(0, 255).astype(np.uint8)
    assert lowered(clip, frames) == {"temporal_flickering", "background_consistency"}


def test_an_extra_sprite_is_a_wrong_number() -> None:
    alone = clip_of(PAIR._replace(sprites=(CIRCLE,)))
    assert lowered(alone, clip_of(PAIR).frames) == {"overall_consistency"}


def test_a_blob_is_no_sprite() -> None:
    """A cloud of pixels in the right colour has no identity."""
    clip = clip_of(OPEN)
    keep = np.random.default_rng(0).random((81, 32, 32, 1)) < 0.55
    empty = render(OPEN, np.full_like(clip.position, -50))
    scores = scores_of(clip.scored(np.where(keep, clip.frames, empty)))
    assert (scores["subject_consistency"].value or 0) < 0.5
    assert (scores["object_class"].value or 0) < 0.1
    assert (scores["overall_consistency"].value or 0) < 0.8
    assert scores["color"] == Score(None, reason="no prompted shape was found")


def test_hidden_frames_are_no_errors() -> None:
    """Resting behind the pillar for half of the video costs nothing."""
    clip = clip_of(PILLAR)
    path = np.concatenate([straight((6, 16), (0.25, 0), 40), straight((16, 16), (0, 0), 30)])[:, None]
    scores = scores_of(clip.scored(render(PILLAR, path)))
    assert min(score.value for score in scores.values() if score.value is not None) > 0.97
    assert scores["object_permanence"].value is None


@pytest.mark.parametrize("kind", ["noise", "black", "white", "empty", "frozen noise"])
def test_hopeless_videos(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (21, 32, 32, 3), dtype=np.uint8)
    frames = {
        "noise": noise,
        "black": np.zeros_like(noise),
        "white": np.full_like(noise, 255),
        "empty": render(OPEN, np.full((21, 1, 2), -50, np.float32)),
        "frozen noise": np.repeat(noise[:1], 21, axis=0),
    }[kind]
    scores = scores_of(ScoringInput(frames, 16.0, caption(PAIR)))
    assert scores["object_class"].value == 0
    assert scores["multiple_objects"].value == 0
    assert (scores["overall_consistency"].value or 0) < 0.4
    assert all((score.value is None) == bool(score.reason) for score in scores.values())
    if kind in ("black", "empty"):
        assert scores["subject_consistency"].value is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.floats(0, 1))
def test_scores_stay_in_their_range(seed: int, length: int, share: float) -> None:
    """Whatever the pixels: half a true video, half noise, short or long."""
    rng = np.random.default_rng(seed)
    truth = episode("train", seed % 50, 0, n_frames=length)
    noise = rng.integers(0, 256, truth.frames.shape, dtype=np.uint8)
    frames = np.where(rng.random((length, 32, 32, 1)) < share, truth.frames, noise)
    for scorer in SCORERS:
        score = scorer.score(ScoringInput(frames, 16.0, truth.caption))
        assert (score.value is None) == bool(score.reason)
        assert score.value is None or scorer.range[0] <= score.value <= scorer.range[1]


def test_foreign_prompts_are_refused() -> None:
    clip = clip_of(OPEN)
    with pytest.raises(UserError, match="A koala"):
        scores_of(ScoringInput(clip.frames, 16.0, "A koala bear playing piano"))


def test_each_suite_names_all_its_dimensions() -> None:
    sprite, vbench = scorers_for("sprite-30s"), scorers_for("custom")
    assert {scorer.dimension for scorer in sprite.scorers} == {each.dimension for each in SPRITE_CONSTANTS}
    assert sprite.not_run == ()
    assert [scorer.dimension for scorer in vbench.scorers] == ["temporal_flickering"]
    named = {scorer.dimension for scorer in vbench.scorers} | {each.dimension for each in vbench.not_run}
    assert named == {each.dimension for each in VBENCH_CONSTANTS}
    assert all("weights" in each.reason for each in vbench.not_run)
    assert len(set(sprite.ids().values())) == len(SPRITE_CONSTANTS)
