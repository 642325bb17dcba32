"""The exact state of a video as a map: shares by identity, motion, and what is free; by hand and against labels."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.sprite_world.field_states import FIELD_FEATURES, field_states
from probekit.sprite_world.renderer import coverage
from probekit.sprite_world.vocabulary import COLORS, SHAPES, SIZES, TONES
from tests.helpers.sprite_videos import CIRCLE, OPEN, PAIR, PILLAR, SQUARE, clip_of

COLOR, SHAPE = 1, 1 + len(COLORS)
SIZE = SHAPE + len(SHAPES)


def test_shares_are_the_sprites_areas_under_their_colour_shape_and_size() -> None:
    clip = clip_of(PAIR)
    found = field_states(clip.frames, 4, 4)
    assert found.shape == (21, 4, 4, FIELD_FEATURES)
    for number, sprite in enumerate((CIRCLE, SQUARE)):
        for state in (0, 7, 20):
            x, y = clip.position[4 * state, number]
            expected = coverage(sprite.shape, sprite.radius, x, y).reshape(4, 8, 4, 8).mean((1, 3))
            seen = found[state, ..., COLOR + list(COLORS).index(sprite.color)]
            np.testing.assert_allclose(seen, expected, atol=0.02)
            np.testing.assert_allclose(found[state, ..., SHAPE + SHAPES.index(sprite.shape)], expected, atol=0.02)
            np.testing.assert_allclose(found[state, ..., SIZE + list(SIZES).index(sprite.size)], expected, atol=0.02)
        plain = found[..., SIZE + len(SIZES) + list(TONES).index("plain")]
        np.testing.assert_allclose(plain, found[..., COLOR:SHAPE].sum(-1), atol=1e-5)


def test_free_and_covered_shares_are_the_whole_field() -> None:
    found = field_states(clip_of(PAIR).frames, 4, 4)
    np.testing.assert_allclose(found[..., 0] + found[..., COLOR:SHAPE].sum(-1), 1.0, atol=1e-5)


def test_motion_is_pixels_per_frame_where_the_sprite_is_and_unknown_at_first() -> None:
    """The circle moves a quarter of a pixel to the right in each frame."""
    found = field_states(clip_of(OPEN).frames, 4, 4)
    share = found[..., COLOR : COLOR + len(COLORS)].sum(-1)
    np.testing.assert_allclose(found[0, ..., -2:], 0.0)
    np.testing.assert_allclose(found[1:, ..., -2], 0.25 * share[1:], atol=0.02)
    np.testing.assert_allclose(found[1:, ..., -1], 0.0, atol=0.02)


def test_a_hidden_sprite_covers_nothing_and_has_no_motion_when_it_returns() -> None:
    clip = clip_of(PILLAR)
    found = field_states(clip.frames, 1, 4)
    from probekit.sprite_world.tracker import track_video

    (track,) = track_video(clip.frames).tracks
    hidden = np.flatnonzero(~track.visible)
    assert len(hidden) > 4
    np.testing.assert_array_equal(found[hidden][..., 1:], 0.0)
    np.testing.assert_array_equal(found[hidden[-1] + 1][..., -2:], 0.0)


def test_other_frames_are_refused() -> None:
    with pytest.raises(UserError, match="Sprites are tracked"):
        field_states(np.zeros((5, 16, 16, 3), np.uint8), 4, 4)
