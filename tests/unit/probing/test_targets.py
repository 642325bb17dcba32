"""What probes read out of videos: pixels, latents, and the main sprite, against what was drawn."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.probing.targets import (
    COLOR,
    FRAME,
    LATENT,
    POSITION,
    SHAPE,
    SIZE,
    TARGETS,
    TargetInput,
    main_sprite,
    pixels_of,
    target_named,
)
from probekit.sprite_world.renderer import render
from probekit.sprite_world.scene import Scene
from probekit.sprite_world.vocabulary import COLORS, SHAPES, SIZES
from tests.helpers.sprite_videos import CIRCLE, OPEN, SQUARE, clip_of, straight

CHUNKS = 7
NO_LATENTS = np.zeros((1, 1, CHUNKS, 1, 1), np.float32)


def test_a_frame_is_its_pixels_between_0_and_1() -> None:
    frames = np.zeros((1, 2, 1, 2, 3), np.uint8)
    frames[0, 1, 0, 1] = (255, 51, 0)
    values = FRAME.values(TargetInput(frames, NO_LATENTS, 1))
    assert (values.shape, values.dtype) == ((1, 2, 6), np.float32)
    assert values[0, 1].tolist() == pytest.approx([0, 0, 0, 1, 0.2, 0])


def test_a_latent_is_the_last_one_of_each_chunk() -> None:
    latents = np.arange(2 * 3 * 6 * 4 * 1, dtype=np.float32).reshape(2, 3, 6, 4, 1)
    values = LATENT.values(TargetInput(np.zeros((2, 2, 1, 1, 3), np.uint8), latents, 3))
    assert values.shape == (2, 2, 12)
    for video in range(2):
        for chunk in range(2):
            assert values[video, chunk].tolist() == latents[video, :, 3 * chunk + 2].flatten().tolist()


def test_values_of_a_picture_are_rounded_and_clipped_to_pixels() -> None:
    values = np.array([[-0.5, 0.0, 0.5, 0.2, 1.0, 7.0]], np.float32)
    found = pixels_of(values, 1, 2)
    assert found.dtype == np.uint8
    assert found.tolist() == [[[[0, 0, 128], [51, 255, 255]]]]


def chunk_frames(scene: Scene) -> np.ndarray:
    """A frame of every tenth of a clip: (1, N, H, W, 3)."""
    return clip_of(scene).frames[None, : 10 * CHUNKS : 10]


def test_the_main_sprites_position_and_identity_are_what_was_drawn() -> None:
    data = TargetInput(chunk_frames(OPEN), NO_LATENTS, 1)
    drawn = straight((6.0, 6.0), (0.25, 0.0))[: 10 * CHUNKS : 10] / 32
    np.testing.assert_allclose(POSITION.values(data)[0], drawn, atol=1 / 32)
    indices = {
        COLOR: list(COLORS).index(CIRCLE.color), SHAPE: SHAPES.index(CIRCLE.shape), SIZE: list(SIZES).index(CIRCLE.size)
    }  # fmt: skip
    for target, index in indices.items():
        assert target.values(data)[0, :, 0].tolist() == [index] * CHUNKS, target.name


def test_the_main_sprite_is_the_one_in_view_most_often() -> None:
    scene = Scene((CIRCLE, SQUARE), "night", None, ("plain", "plain"))
    paths = np.stack([straight((6.0, 6.0), (0.25, 0.0)), straight((26.0, 26.0), (0.0, 0.5))], axis=1)
    frames = render(scene, paths)[::4]
    found = main_sprite(frames)
    assert found is not None
    assert int(found.color[0]) == list(COLORS).index(CIRCLE.color)
    other = main_sprite(render(scene, paths[:, ::-1])[::4])
    assert other is not None
    assert int(other.color[0]) == list(COLORS).index(SQUARE.color)


def test_a_video_without_a_sprite_has_unknown_values() -> None:
    empty = np.full((1, CHUNKS, 32, 32, 3), 90, np.uint8)
    assert main_sprite(empty[0]) is None
    for target in (POSITION, COLOR, SHAPE, SIZE):
        values = target.values(TargetInput(empty, NO_LATENTS, 1))
        assert values.shape == (1, CHUNKS, 2 if target is POSITION else 1)
        assert np.isnan(values).all()


def test_targets_are_found_by_name_and_others_refused_with_the_names_that_exist() -> None:
    assert [target_named(name) for name in TARGETS] == list(TARGETS.values())
    with pytest.raises(UserError, match=r"No probe target is called 'pose'.*frame, latent, sprite-position"):
        target_named("pose")
