"""Training prompts of the data-free stages."""

from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.episodes import Split, draw_split_scene


def sprite_prompts(split: Split, count: int, *names: str | int) -> list[str]:
    """Captions of a split of the sprite world; a function of the names alone."""
    rng = generator("prompts", *names)
    return [write_caption(facts_of(draw_split_scene(split, rng))) for _ in range(count)]
