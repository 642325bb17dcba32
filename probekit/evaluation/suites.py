"""Evaluation suites: which prompts, how many videos of each, how long and how large. Torch-free."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS, DimensionConstant
from probekit.evaluation.protocol_card import PromptsCard
from probekit.evaluation.sample_key import SampleKey
from probekit.provenance import sha256_text
from probekit.seeding import generator
from probekit.sprite_world.captions import facts_of, write_caption
from probekit.sprite_world.episodes import draw_split_scene
from probekit.sprite_world.vocabulary import FPS, FRAME_SIZE

SPRITE_PREFIX: Final = "sprite-"


class _Length(NamedTuple):
    """A sprite suite's size; all take their prompts from the head of one list, so that horizons share prompts."""

    prompts: int
    samples: int
    frames: int
    horizon: str


_SPRITE_SUITES: Final = {
    "sprite-5s": _Length(prompts=100, samples=5, frames=81, horizon="5s"),
    "sprite-30s": _Length(prompts=50, samples=1, frames=489, horizon="30s"),
}


class Prompt(NamedTuple):
    """A prompt and its stable identifier."""

    prompt_id: str
    text: str


class Suite(NamedTuple):
    """What is sampled and scored.

    Attributes:
        samples: videos of each prompt.
        frames: RGB frames of a video.
        horizon: the length class in tables, e.g. '5s'.
    """

    name: str
    prompts: tuple[Prompt, ...]
    samples: int
    frames: int
    horizon: str
    height: int
    width: int
    fps: int

    def keys(self) -> list[SampleKey]:
        """Every planned video, prompt by prompt."""
        return [SampleKey(self.name, prompt.prompt_id, i) for prompt in self.prompts for i in range(self.samples)]

    def texts(self) -> dict[str, str]:
        """Prompt texts by identifier."""
        return dict(self.prompts)

    def card(self) -> PromptsCard:
        """The prompts' part of a protocol card."""
        lines = "\n".join(f"{prompt.prompt_id}\t{prompt.text}" for prompt in self.prompts)
        return PromptsCard(
            file_hash=sha256_text(lines),
            suite=self.name,
            generation_variant="short",
            scoring_variant="short",
            n_prompts=len(self.prompts),
            samples=self.samples,
        )

    def reduced(self, prompts: int | None, samples: int | None) -> "Suite":
        """The suite cut to its first prompts and samples; None keeps all.

        Raises:
            UserError: if more is asked for than the suite has, or less than one.
        """
        for name, asked, planned in (("prompts", prompts, len(self.prompts)), ("samples", samples, self.samples)):
            if asked is not None and not 1 <= asked <= planned:
                raise UserError(f"{self.name} cannot be cut to {asked} {name}.", f"choose 1 to {planned}.")
        return self._replace(prompts=self.prompts[:prompts], samples=samples or self.samples)


def _held_out_captions() -> Iterator[str]:
    """Captions of the test split, none of which states the facts of an earlier one, in any order of the sprites."""
    rng, seen = generator("sprite-suite"), set()
    while True:
        facts = facts_of(draw_split_scene("test", rng))
        unordered = facts._replace(sprites=tuple(sorted(facts.sprites)))
        if unordered not in seen:
            seen.add(unordered)
            yield write_caption(facts)


def _sprite_prompts(count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(f"test-{i:03d}", text) for i, text in zip(range(count), _held_out_captions(), strict=False))


def load_suite(name: str) -> Suite:
    """Build a suite by name.

    Raises:
        UserError: for an unknown name.
    """
    if name not in _SPRITE_SUITES:
        raise UserError(f"There is no suite {name!r}.", f"choose {' or '.join(_SPRITE_SUITES)}.")
    length = _SPRITE_SUITES[name]
    prompts = _sprite_prompts(length.prompts)
    return Suite(name, prompts, length.samples, length.frames, length.horizon, FRAME_SIZE, FRAME_SIZE, FPS)


def constants_of(suite: str) -> Sequence[DimensionConstant]:
    """Ranges, weights and groups by which a suite is aggregated: the sprite world's own, else VBench's."""
    return SPRITE_CONSTANTS if suite.startswith(SPRITE_PREFIX) else VBENCH_CONSTANTS
