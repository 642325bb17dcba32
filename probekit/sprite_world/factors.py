"""What can be set of the sprite world: the values that training videos have, and worlds outside of them."""

from typing import Final, NamedTuple

from probekit.errors import UserError

WORLD_VERSION: Final = 4
"""Raised when prompts, pictures or motion change, so that what was made of another world is refused."""


class WorldFactors(NamedTuple):
    """Chances and sizes that scenes and motion are drawn with.

    Attributes:
        sprites: numbers of sprites that a scene can have, each equally likely; 1 to 3.
        speed: lattice units of 1/16 pixel per frame, along each axis that a sprite moves along.
        turn_hazard: probability in [0, 1] that a sprite turns between two frames, independent of everything else.
        pillar_share: probability that a scene has a pillar.
        crossing_share: share of scenes with a pillar whose sprites are placed so that one goes behind it and
            comes out within 81 frames, unless it turns.
    """

    sprites: tuple[int, ...] = (1, 2)
    speed: int = 4
    turn_hazard: float = 1.0 / 160.0
    pillar_share: float = 0.6
    crossing_share: float = 0.7


TRAINED: Final = "trained"
TRAINED_WORLD: Final = WorldFactors()
"""The world of the training videos and of all suites that name no other."""

WORLDS: Final[dict[str, WorldFactors]] = {
    TRAINED: TRAINED_WORLD,
    "three": WorldFactors(sprites=(3,)),
    "fast": WorldFactors(speed=6),
    "restless": WorldFactors(turn_hazard=1.0 / 40.0),
}
"""Worlds by name; each but the first has one factor outside of what models are trained on."""


def world_factors(name: str) -> WorldFactors:
    """The factors of a world.

    Raises:
        UserError: for a name that is not in `WORLDS`.
    """
    if name not in WORLDS:
        raise UserError(f"There is no sprite world {name!r}.", f"Use one of {', '.join(WORLDS)}.")
    return WORLDS[name]
