"""The rates on model cards: true on ground truth, false for each thing that is wrong."""

import numpy as np
import pytest

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.sprite.rates import judge
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.episodes import Episode, episode
from probekit.sprite_world.renderer import render

CLIPS = [episode("test", 2, index) for index in range(24)]


def verdict(clip: Episode, frames: np.ndarray | None = None, prompt: str | None = None) -> tuple[bool, ...]:
    return judge(ScoringInput(clip.frames if frames is None else frames, 16.0, prompt or clip.caption))


@pytest.mark.slow
def test_ground_truth_shows_everything() -> None:
    assert sum(all(verdict(clip)) for clip in CLIPS) >= len(CLIPS) - 1


def test_a_wrong_colour_shape_or_background_is_seen() -> None:
    clip = next(clip for clip in CLIPS if len(clip.scene.sprites) == 1)
    facts = facts_of(clip.scene)
    sprite = facts.sprites[0]
    other_color = sprite._replace(color="white" if sprite.color != "white" else "red")
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
