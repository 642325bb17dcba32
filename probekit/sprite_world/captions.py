"""Sentences about scenes, and their parser."""

import re
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, HEADINGS, SHAPES, SIZES, STARTS

WORDS: tuple[str, ...] = (
    *("a", "heading", "and", "over", "the", "behind", "pillar", "in", "open"),
    *SIZES, *COLORS, *SHAPES, *STARTS, *BACKGROUNDS,
)  # fmt: skip
"""Every word that a caption can hold."""

WORDS_PER_SPRITE: Final = 7
"""Words of a sprite's phrase, such as 'a small red circle northwest heading east'."""

MAX_SPRITES: Final = 3
"""Sprites that a caption can name; training captions name one or two."""

_IDENTITY = rf"a ({'|'.join(SIZES)}) ({'|'.join(COLORS)}) ({'|'.join(SHAPES)})"
_SPRITE = rf"{_IDENTITY} ({'|'.join(STARTS)}) heading ({'|'.join(HEADINGS)})"
_MORE = rf"(?: and {_SPRITE})?" * (MAX_SPRITES - 1)
_CAPTION = re.compile(rf"{_SPRITE}{_MORE} over the ({'|'.join(BACKGROUNDS)}) (behind a pillar|in the open)")


class CaptionFacts(NamedTuple):
    """What a caption states.

    Attributes:
        sprites: sprites in the order of the sentence; the first is in front.
        background: a key of `BACKGROUNDS`.
        pillar: whether there is one.
    """

    sprites: tuple[Sprite, ...]
    background: str
    pillar: bool


def facts_of(scene: Scene) -> CaptionFacts:
    """The part of a scene that its caption states."""
    return CaptionFacts(scene.sprites, scene.background, scene.pillar_x is not None)


def write_caption(facts: CaptionFacts) -> str:
    """The sentence that states the facts, and nothing else."""
    sprites = " and ".join(f"a {s.size} {s.color} {s.shape} {s.start} heading {s.heading}" for s in facts.sprites)
    return f"{sprites} over the {facts.background} {'behind a pillar' if facts.pillar else 'in the open'}"


def caption(scene: Scene) -> str:
    """The scene's caption, e.g. 'a large red circle northwest heading east over the desert behind a pillar'."""
    return write_caption(facts_of(scene))


def parse_caption(text: str) -> CaptionFacts:
    """Read the facts back from a caption.

    Raises:
        UserError: if the text is not a sentence of the sprite world.
    """
    match = _CAPTION.fullmatch(text.strip().lower().rstrip("."))
    if match is None:
        raise UserError(
            f"The prompt {text!r} is not a sentence of the sprite world.",
            f"Write it like {write_caption(_EXAMPLE)!r}.",
        )
    *phrases, background, place = match.groups()
    sprites = tuple(_sprite_of(phrases[i : i + 5]) for i in range(0, len(phrases), 5) if phrases[i] is not None)
    return CaptionFacts(sprites, background, place == "behind a pillar")


def _sprite_of(words: list[str]) -> Sprite:
    size, color, shape, start, heading = words
    return Sprite(color, shape, size, start, heading)


_EXAMPLE = CaptionFacts(
    (Sprite("red", "circle", "large", "northwest", "east"), Sprite("blue", "square", "small", "south", "north")),
    "desert",
    True,
)
