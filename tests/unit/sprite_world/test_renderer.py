"""Renderer: areas, occlusion order, backgrounds."""

import numpy as np
import pytest

from probekit.sprite_world.dynamics import visible_fractions
from probekit.sprite_world.renderer import background_image, coverage, render
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, PILLAR_COLOR, SHAPES, SIZES

AREAS = {"circle": np.pi, "square": 1.8**2, "triangle": 0.5 * 2 * 1.8, "cross": 4 * 0.36 * (2 - 0.36)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", SIZES.values())
def test_coverage_sums_to_the_area_of_the_shape(shape: str, radius: float) -> None:
    covered = coverage(shape, radius, np.array([15.3]), np.array([16.8])).sum()
    assert covered == pytest.approx(AREAS[shape] * radius**2, rel=0.06)


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_moves_with_its_centre(shape: str) -> None:
    here, there = coverage(shape, 5.0, np.array([14.25, 17.25]), np.array([15.5, 11.5]))
    np.testing.assert_allclose(np.roll(here, (-4, 3), (0, 1)), there, atol=1e-5)


def test_the_first_sprite_is_in_front_and_the_pillar_in_front_of_both() -> None:
    scene = Scene(
        (Sprite("red", "square", "small"), Sprite("blue", "square", "large")), "night", 14, ("plain", "plain")
    )
    centres = np.array([[[4.0, 16.0], [8.5, 16.0]], [[20.0, 16.0], [20.0, 16.0]]])
    frames = render(scene, centres)
    assert tuple(frames[0, 16, 4]) == COLORS["red"]
    assert tuple(frames[0, 16, 9]) == COLORS["blue"]
    assert tuple(frames[1, 16, 20]) == PILLAR_COLOR
    fractions = visible_fractions(scene, centres)
    assert fractions[0, 0] == pytest.approx(1)
    assert 0.2 < fractions[0, 1] < 0.8
    np.testing.assert_allclose(fractions[1], 0, atol=1e-6)


def test_an_empty_place_shows_the_background_untouched() -> None:
    for name in BACKGROUNDS:
        scene = Scene((Sprite("pink", "circle", "small"),), name, None, ("plain",))
        frame = render(scene, np.array([[[26.0, 26.0]]]))[0]
        assert (frame[:20, :20] == background_image(name)[:20, :20]).all()
