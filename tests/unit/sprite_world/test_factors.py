"""Worlds inside and outside of training: what differs is the declared factor alone, and the share of occlusions."""

import numpy as np
import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.sprite_world.captions import facts_of, parse_caption
from probekit.sprite_world.episodes import Episode, episode
from probekit.sprite_world.factors import TRAINED_WORLD, WORLDS, WorldFactors, world_factors
from probekit.sprite_world.pixel_labels import SHADES
from probekit.sprite_world.placement import crossings, draw_split_scene, hides_and_returns
from probekit.sprite_world.renderer import background_image, render
from probekit.sprite_world.vocabulary import BACKGROUNDS, PILLAR_COLOR, TONES
from probekit.suites.registry import load_suite, suite_names, world_of


def hidden_and_back(clip: Episode) -> bool:
    return any(hides_and_returns(clip.labels.visible_fraction[:, i]) for i in range(len(clip.labels.identity)))


@pytest.mark.slow
def test_in_two_of_five_videos_and_more_a_sprite_is_hidden_and_returns() -> None:
    """Of 400 videos; half of all have it, so that 0.42 would be a miss by three standard errors."""
    found = np.mean([hidden_and_back(episode("train", 9, index)) for index in range(400)])
    assert 0.42 < found < 0.6


def test_a_scene_that_is_to_cross_crosses_unless_its_sprite_turns() -> None:
    straight = WorldFactors(turn_hazard=0.0, pillar_share=1.0, crossing_share=1.0)
    for index in range(20):
        clip = episode("train", 0, index, factors=straight)
        assert any(crossings(clip.scene, straight.speed))
        assert hidden_and_back(clip)


def test_a_sprite_that_only_hides_does_not_return() -> None:
    assert hides_and_returns(np.array([1.0, 0.04, 0.5]))
    assert not hides_and_returns(np.array([1.0, 0.05, 1.0]))
    assert not hides_and_returns(np.array([1.0, 0.0, 0.49]))
    assert not hides_and_returns(np.array([0.0]))


def test_worlds_differ_in_one_factor() -> None:
    changed = {
        name: [field for field, value in zip(TRAINED_WORLD._fields, factors, strict=True)
               if value != getattr(TRAINED_WORLD, field)]
        for name, factors in WORLDS.items()
    }  # fmt: skip
    assert changed == {"trained": [], "three": ["sprites"], "fast": ["speed"], "restless": ["turn_hazard"]}
    with pytest.raises(UserError, match="no sprite world 'slow'"):
        world_factors("slow")


def test_a_faster_world_moves_half_again_as_far_and_a_restless_one_turns_four_times_as_often() -> None:
    fast = episode("test", 0, 1, factors=WORLDS["fast"]).labels.velocity
    assert set(np.abs(fast).ravel()) == {0.0, 0.375} or set(np.abs(fast).ravel()) == {0.375}

    def turns(factors: WorldFactors) -> float:
        moves = [episode("test", 0, i, factors=factors).labels.velocity for i in range(40)]
        return float(np.mean([(np.diff(move, axis=0) != 0).any(-1).mean() for move in moves]))

    assert 1.5 < turns(WORLDS["restless"]) / turns(TRAINED_WORLD) < 6  # reflections at walls count in both


def test_three_sprites_have_captions_that_are_read_back_and_all_are_seen_at_the_start() -> None:
    for index in range(12):
        clip = episode("test", 0, index, 1, WORLDS["three"])
        assert len(clip.labels.identity) == len({one.color for one in clip.labels.identity}) == 3
        assert parse_caption(clip.caption) == facts_of(clip.scene)
        assert clip.labels.visible_fraction.min() >= 0.8


def test_a_world_that_fits_no_scene_is_refused_and_does_not_hang() -> None:
    with pytest.raises(UserError, match="could be placed"):
        draw_split_scene("train", np.random.default_rng(0), WorldFactors(speed=0, pillar_share=1.0, crossing_share=1.0))


def test_no_caption_states_a_tone_and_each_is_drawn_equally_often() -> None:
    scenes = [episode("train", 0, index, 1).scene for index in range(300)]
    tones = [tone for scene in scenes for tone in scene.tones]
    counts = np.array([tones.count(tone) for tone in TONES])
    assert ((counts - len(tones) / 3) ** 2 / (len(tones) / 3)).sum() < 13.8  # chi square, 2 degrees, p = 0.001
    clip = episode("train", 0, 0, 1)
    other = clip.scene._replace(tones=tuple("pale" if tone != "pale" else "deep" for tone in clip.scene.tones))
    assert (render(other, clip.labels.position) != clip.frames).any()
    assert not set(TONES) & set(clip.caption.split())


def test_shades_are_well_apart_from_one_another_and_from_what_lies_behind() -> None:
    shades = SHADES.reshape(-1, 3)
    apart = np.linalg.norm(shades[:, None] - shades, axis=-1)
    assert apart[~np.eye(len(shades), dtype=bool)].min() >= 60
    behind = np.concatenate([*(background_image(name).reshape(-1, 3) for name in BACKGROUNDS), [PILLAR_COLOR]])
    assert np.linalg.norm(shades[:, None] - behind, axis=-1).min() >= 50


def test_suites_outside_of_training_have_prompts_and_true_videos_of_their_world() -> None:
    names = [f"sprite-{name}-5s" for name in WORLDS if name != "trained"]
    assert set(names) <= set(suite_names())
    assert [world_of(name) for name in names] == [WORLDS["three"], WORLDS["fast"], WORLDS["restless"]]
    assert world_of("sprite-5s") == world_of("vbench") == TRAINED_WORLD
    assert all(len(parse_caption(one.text).sprites) == 3 for one in load_suite("sprite-three-5s").prompts[:20])


def test_the_command_lists_every_factor() -> None:
    found = CliRunner().invoke(app, ["world"]).stdout
    for line in (
        "tone: deep, plain, pale",
        "size: small, large",
        "sprites: 1 or 2",
        "sprite-fast-5s: speed along each",
    ):
        assert line in found
