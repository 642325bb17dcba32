"""The rates on model cards: true on ground truth, false for each thing that is wrong."""

from pathlib import Path

import numpy as np
import pytest

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.sprite.rates import VideoVerdict, judge, sprite_rates
from probekit.media.video_files import write_video
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import describe_video, video_path
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.episodes import Episode, episode
from probekit.sprite_world.renderer import render
from tests.helpers.video_set_files import write_card

CLIPS = [episode("test", 2, index) for index in range(24)]


def verdict(clip: Episode, frames: np.ndarray | None = None, prompt: str | None = None) -> VideoVerdict:
    return judge(ScoringInput(clip.frames if frames is None else frames, 16.0, prompt or clip.caption))


@pytest.mark.slow
def test_ground_truth_shows_everything() -> None:
    assert sum(all(verdict(clip)) for clip in CLIPS) >= len(CLIPS) - 1


def test_a_wrong_colour_shape_or_background_is_seen() -> None:
    clip = next(clip for clip in CLIPS if len(clip.scene.sprites) == 1)
    facts = facts_of(clip.scene)
    sprite = facts.sprites[0]
    other_color = sprite._replace(color="pink" if sprite.color != "pink" else "red")
    other_shape = sprite._replace(shape="cross" if sprite.shape != "cross" else "circle")
    background = facts._replace(background="night" if facts.background != "night" else "stone")
    assert verdict(clip, prompt=write_caption(facts._replace(sprites=(other_color,)))) == (False, False, False, True)
    assert verdict(clip, prompt=write_caption(facts._replace(sprites=(other_shape,)))) == (True, False, True, True)
    assert verdict(clip, prompt=write_caption(background)) == (True, True, True, False)


def test_a_sprite_that_changes_shape_does_not_keep_its_identity() -> None:
    clip = next(clip for clip in CLIPS if len(clip.scene.sprites) == 1 and clip.scene.pillar_x is None)
    sprite = clip.scene.sprites[0]
    other = sprite._replace(shape="cross" if sprite.shape != "cross" else "circle")
    changed = render(clip.scene._replace(sprites=(other,)), clip.labels.position)
    frames = np.concatenate([clip.frames[:50], changed[50:]])
    assert verdict(clip, frames) == (True, True, False, True)


@pytest.mark.parametrize(("others", "kept"), [(1, True), (2, False)])
def test_nine_of_ten_frames_are_enough_to_keep_an_identity(others: int, kept: bool) -> None:
    clip = next(clip for clip in CLIPS if len(clip.scene.sprites) == 1 and clip.scene.pillar_x is None)
    sprite = clip.scene.sprites[0]
    other = sprite._replace(shape="cross" if sprite.shape != "cross" else "circle")
    changed = render(clip.scene._replace(sprites=(other,)), clip.labels.position[:others])
    frames = np.concatenate([changed, clip.frames[others:10]])
    assert verdict(clip, frames).one_identity is kept


def test_rates_are_shares_of_all_videos_of_a_set(tmp_path: Path) -> None:
    """Of four true videos two are asked for another background, and one of these for another shape too."""
    clip = next(clip for clip in CLIPS if len(clip.scene.sprites) == 1 and clip.scene.pillar_x is None)
    facts = facts_of(clip.scene)
    sprite = facts.sprites[0]
    elsewhere = facts._replace(background="night" if facts.background != "night" else "stone")
    another = elsewhere._replace(sprites=(sprite._replace(shape="cross" if sprite.shape != "cross" else "circle"),))
    prompts = [clip.caption, write_caption(elsewhere), write_caption(another), clip.caption]
    rows = []
    for number, prompt in enumerate(prompts):
        key = SampleKey("s", f"p{number}", 0)
        write_video(tmp_path / video_path(key), clip.frames[:9], 16.0)
        given = {"model": "m", "training_run": "r", "horizon": "5s", "prompt": prompt}
        rows.append(describe_video(tmp_path, video_path(key), key, **given))
    write_manifest(tmp_path, rows)
    write_card(tmp_path, len(prompts))
    expected = {"colors": 1.0, "colors_and_shapes": 0.75, "one_identity": 1.0, "background": 0.5, "videos": 4.0}
    assert sprite_rates(load_video_set(tmp_path)) == expected
