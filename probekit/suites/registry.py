"""Suites by name: which prompts, how many videos of each, how long and how large, scored for what. Torch-free."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel

from probekit.config import StrictModel
from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.factors import TRAINED, WORLDS, WorldFactors, world_factors
from probekit.sprite_world.placement import draw_split_scene
from probekit.sprite_world.vocabulary import FPS, FRAME_SIZE
from probekit.suites import moviegen, vbench
from probekit.suites.dimension_constants import (
    NATURAL_CONSTANTS,
    SPRITE_CONSTANTS,
    VBENCH_CONSTANTS,
    DimensionConstant,
)
from probekit.suites.suite import Prompt, Suite

M = TypeVar("M", bound=BaseModel)

SPRITE_PREFIX: Final = "sprite-"
NATURAL: Final = "natural"
"""The suite of packaged networks: it scores videos of any prompt, so it plans none of its own."""


class _Length(NamedTuple):
    """A sprite suite's size; those of one world take their prompts from one list, so that horizons share prompts."""

    prompts: int
    samples: int
    frames: int
    horizon: str
    world: str = TRAINED


_SPRITE_SUITES: Final = {
    "sprite-5s": _Length(prompts=200, samples=5, frames=81, horizon="5s"),
    "sprite-30s": _Length(prompts=100, samples=2, frames=489, horizon="30s"),
    "sprite-probes": _Length(prompts=200, samples=5, frames=81, horizon="5s"),
    **{
        f"sprite-{name}-5s": _Length(prompts=200, samples=1, frames=81, horizon="5s", world=name)
        for name in WORLDS
        if name != TRAINED
    },
}


def _held_out_captions(factors: WorldFactors) -> Iterator[str]:
    """Captions of the test split, none of which states the facts of an earlier one, in any order of the sprites."""
    rng, seen = generator("sprite-suite"), set()
    while True:
        facts = facts_of(draw_split_scene("test", rng, factors))
        unordered = (frozenset(sprite.identity for sprite in facts.sprites), facts.background, facts.pillar)
        if unordered not in seen:
            seen.add(unordered)
            yield write_caption(facts)


@cache  # drawing scenes takes longer than everything else that is asked of a suite
def _sprite_prompts(count: int, factors: WorldFactors) -> tuple[Prompt, ...]:
    captions = _held_out_captions(factors)
    return tuple(Prompt(f"test-{i:03d}", text) for i, text in zip(range(count), captions, strict=False))


def world_of(suite: str) -> WorldFactors:
    """The sprite world that a suite's true videos are of; the trained one where the suite is not of the world."""
    return world_factors(_SPRITE_SUITES[suite].world if suite in _SPRITE_SUITES else TRAINED)


def load_suite(name: str, settings: Sequence[str] = ()) -> Suite:
    """Build a suite by name.

    Args:
        name: one of `suite_names`.
        settings: the suite's own options as `key=value`, e.g. `flickering_samples=25`; sprite suites have none.

    Raises:
        UserError: for an unknown name or option, or if the suite's prompts cannot be had.
    """
    if name in _SPRITE_SUITES:
        _options(StrictModel, name, settings)
        length = _SPRITE_SUITES[name]
        prompts = _sprite_prompts(length.prompts, world_factors(length.world))
        return Suite(name, prompts, length.samples, length.frames, length.horizon, FRAME_SIZE, FRAME_SIZE, FPS)
    if name == vbench.NAME:
        return vbench.vbench_suite(_options(vbench.VBenchOptions, name, settings))
    if name == moviegen.NAME:
        return moviegen.moviegen_suite(_options(moviegen.MovieGenOptions, name, settings))
    if name == NATURAL:
        raise UserError(
            "The natural suite has no prompts.", "Score videos with `probekit score VIDEOS --suite natural`."
        )
    raise UserError(f"There is no suite {name!r}.", f"Choose {' or '.join(suite_names())}.")


def suite_names() -> tuple[str, ...]:
    """Names that `load_suite` knows."""
    return (*_SPRITE_SUITES, vbench.NAME, moviegen.NAME)


def all_prompts(suite: Suite, settings: Sequence[str] = ()) -> tuple[Prompt, ...]:
    """Every prompt of the list that a suite is drawn from, with identifiers of the suite."""
    if suite.name == vbench.NAME:
        return vbench.vbench_prompts()
    if suite.name == moviegen.NAME:
        options = _options(moviegen.MovieGenOptions, suite.name, settings)
        return moviegen.moviegen_prompts(options.prompt_file)
    return suite.prompts


def _options(model: type[M], suite: str, settings: Sequence[str]) -> M:
    given: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key in given:
            raise UserError(f"{setting!r} is not an option of a suite.", "Write key=value, each key once.")
        given[key] = value
    return validated(model, given, f"the options of {suite}")


def constants_of(suite: str) -> Sequence[DimensionConstant]:
    """Ranges, weights and groups by which a suite is aggregated: the suite's own, else VBench's."""
    if suite == NATURAL:
        return NATURAL_CONSTANTS
    return SPRITE_CONSTANTS if suite.startswith(SPRITE_PREFIX) else VBENCH_CONSTANTS


def caution(suite: str) -> str | None:
    """What a reader of any table of a suite must know first; None where there is nothing."""
    return "Scores of the natural suite, which are not VBench's." if suite == NATURAL else None


def planned_dimensions(suite: str, prompt_id: str) -> frozenset[str] | None:
    """The dimensions that a prompt's videos are scored for; None means all that the suite has.

    Args:
        suite: name of a suite, e.g. of a manifest's row.
        prompt_id: identifier of a prompt in it.

    Raises:
        UserError: for an entry that VBench's list does not have, or where that list cannot be read.
    """
    if suite != vbench.NAME:
        return None
    planned = vbench.dimensions_by_entry()
    if prompt_id not in planned:
        raise UserError(f"VBench has no entry {prompt_id!r}.", f"Use one of 0000 to {len(planned) - 1:04d}.")
    return planned[prompt_id]
