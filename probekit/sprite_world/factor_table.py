"""Every factor of the sprite world with its values, as lines of text."""

from probekit.sprite_world.factors import TRAINED, TRAINED_WORLD, WORLD_VERSION, WORLDS, WorldFactors
from probekit.sprite_world.vocabulary import (
    BACKGROUNDS,
    COLORS,
    FPS,
    HEADINGS,
    PILLAR_COLUMNS,
    SHAPES,
    SIZES,
    STARTS,
    TONES,
    UNITS_PER_PIXEL,
)


def factor_lines() -> list[str]:
    """The world's version, what captions state, what they leave open, and how scenes and motion are drawn."""
    stated = {
        "colour": COLORS, "shape": SHAPES, "size": SIZES, "start": STARTS, "heading": HEADINGS,
        "background": BACKGROUNDS, "pillar": ("behind a pillar", "in the open"),
    }  # fmt: skip
    left_open = {"tone": TONES, "pillar's left column": tuple(map(str, PILLAR_COLUMNS))}
    return [
        f"sprite world, version {WORLD_VERSION}",
        "stated by captions:",
        *(f"  {name}: {', '.join(values)}" for name, values in stated.items()),
        "left open by captions, constant in a video:",
        *(f"  {name}: {', '.join(values)}" for name, values in left_open.items()),
        f"in training ({TRAINED}):",
        *(f"  {name}: {value}" for name, value in _readable(TRAINED_WORLD).items()),
        "outside of it, one suite each:",
        *(f"  sprite-{name}-5s: {_changes(factors)}" for name, factors in WORLDS.items() if name != TRAINED),
    ]


def _readable(factors: WorldFactors) -> dict[str, str]:
    return {
        "sprites": " or ".join(map(str, factors.sprites)),
        "speed along each axis": f"{factors.speed * FPS / UNITS_PER_PIXEL:g} px/s",
        "turns": f"{factors.turn_hazard * FPS:g} per s and sprite",
        "scenes with a pillar": f"{factors.pillar_share:.0%}",
        "of these, with a sprite placed to go behind it": f"{factors.crossing_share:.0%}",
    }


def _changes(factors: WorldFactors) -> str:
    """What differs from training."""
    trained = _readable(TRAINED_WORLD)
    differing = {name: value for name, value in _readable(factors).items() if value != trained[name]}
    return ", ".join(f"{name} {value}" for name, value in differing.items())
