"""Episodes: determinism, splits, labels."""

import numpy as np
import pytest

from probekit.sprite_world.captions import facts_of, parse_caption, write_caption
from probekit.sprite_world.dynamics import path_without_turns
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.placement import split_of
from probekit.sprite_world.renderer import render
from probekit.sprite_world.vocabulary import (
    BACKGROUNDS,
    COLORS,
    DIRECTIONS,
    FRAME_SIZE,
    HEADINGS,
    SHAPES,
    SIZES,
    STARTS,
)

INDICES = range(40)


def test_same_arguments_give_the_same_bytes() -> None:
    first, second = episode("train", 3, 7), episode("train", 3, 7)
    assert first.caption == second.caption
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.labels.position.tobytes() == second.labels.position.tobytes()


def test_seed_index_and_split_all_matter() -> None:
    reference = episode("train", 0, 0).frames.tobytes()
    assert episode("train", 0, 1).frames.tobytes() != reference
    assert episode("train", 1, 0).frames.tobytes() != reference
    assert episode("test", 0, 0).frames.tobytes() != reference


def test_a_longer_episode_begins_with_the_shorter() -> None:
    for index in range(8):
        short, long = episode("validation", 0, index, 33), episode("validation", 0, index, 81)
        assert (long.frames[:33] == short.frames).all()
        assert (long.labels.velocity[:33] == short.labels.velocity).all()


@pytest.mark.slow
def test_splits_share_no_prompt_text_even_with_the_sprites_swapped() -> None:
    facts = {
        split: [facts_of(episode(split, 0, index, 1).scene) for index in range(150)]
        for split in ("train", "validation", "test")
    }
    for split, found in facts.items():
        for one in found:
            assert split_of(one) == split
            assert split_of(one._replace(sprites=one.sprites[::-1])) == split
    texts = {split: {write_caption(one) for one in found} for split, found in facts.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]


def test_captions_are_parsed_back_to_the_scene() -> None:
    for index in INDICES:
        clip = episode("train", 0, index, 1)
        assert parse_caption(clip.caption) == facts_of(clip.scene)


def test_the_world_has_what_it_promises() -> None:
    scenes = [episode("train", 0, index, 1).scene for index in range(300)]
    sprites = [sprite for scene in scenes for sprite in scene.sprites]
    assert {sprite.color for sprite in sprites} == set(COLORS)
    assert len(COLORS) >= 8
    assert {sprite.shape for sprite in sprites} == set(SHAPES)
    assert len(SHAPES) == 4
    assert {sprite.size for sprite in sprites} == set(SIZES)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {len(scene.sprites) for scene in scenes} == {1, 2}
    assert {scene.pillar_x is None for scene in scenes} == {True, False}
    assert all(len({sprite.color for sprite in scene.sprites}) == len(scene.sprites) for scene in scenes)


def test_labels_have_one_entry_a_frame_and_sprites_stay_in_the_frame() -> None:
    for index in INDICES:
        labels = episode("train", 0, index).labels
        assert labels.position.shape == labels.velocity.shape == (81, len(labels.identity), 2)
        assert labels.visible_fraction.shape == (81, len(labels.identity))
        for i, sprite in enumerate(labels.identity):
            assert labels.position[:, i].min() >= sprite.radius
            assert labels.position[:, i].max() <= FRAME_SIZE - sprite.radius


def test_velocity_is_the_next_step_unless_a_wall_is_near() -> None:
    labels = episode("train", 0, 2).labels
    moved = np.diff(labels.position, axis=0)
    inside = (labels.position[1:] > 7) & (labels.position[1:] < 25)
    free = inside.all(-1)
    assert free.any()
    np.testing.assert_allclose(moved[free], labels.velocity[:-1][free], atol=1e-5)


def test_sprites_are_hidden_sometimes_and_visible_at_the_start() -> None:
    fractions = [episode("train", 0, index).labels.visible_fraction for index in range(60)]
    assert min(fraction[0].min() for fraction in fractions) >= 0.8
    hidden = np.mean([(fraction < 0.02).mean() for fraction in fractions])
    assert 0.02 < hidden < 0.3


def test_sprites_begin_where_the_caption_says_and_go_where_it_says() -> None:
    for index in INDICES:
        labels = episode("train", 0, index).labels
        for i, sprite in enumerate(labels.identity):
            assert tuple(labels.position[0, i]) == STARTS[sprite.start]
            assert tuple(np.sign(labels.velocity[0, i])) == DIRECTIONS[HEADINGS.index(sprite.heading)]
            path = path_without_turns(sprite, 81)
            turned = (labels.position[:, i] != path).any(-1)
            assert not turned[0]


def test_how_a_sprite_moves_does_not_choose_the_split() -> None:
    facts = facts_of(episode("test", 0, 0, 1).scene)
    for start in STARTS:
        moved = tuple(sprite._replace(start=start, heading="north") for sprite in facts.sprites)
        assert split_of(facts._replace(sprites=moved)) == "test"


def test_visible_fraction_is_what_the_pixels_show() -> None:
    """Where nothing hides a sprite, painting it another colour changes exactly the pixels that it covers."""
    clip = next(c for c in (episode("train", 0, i) for i in INDICES) if len(c.scene.sprites) == 1)
    sprite = clip.scene.sprites[0]
    other = "pink" if sprite.color != "pink" else "red"
    changed = render(clip.scene._replace(sprites=(sprite._replace(color=other),)), clip.labels.position)
    seen = (changed != clip.frames).any(-1).sum((1, 2))
    fraction = clip.labels.visible_fraction[:, 0]
    assert np.corrcoef(seen, fraction)[0, 1] > 0.95 or fraction.min() > 0.99
    assert (seen[fraction < 1e-6] == 0).all()


@pytest.mark.parametrize(
    "text",
    [
        "a huge red circle north heading east over the night in the open",
        "a small red circle over the night in the open",
        "",
    ],
)
def test_a_sentence_of_another_world_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Exception, match=r"not a sentence of the sprite world.*a large red circle"):
        parse_caption(text)
