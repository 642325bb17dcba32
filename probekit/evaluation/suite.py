"""What a suite is: prompts, how many videos of each, how long and how large. Torch-free."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.protocol_card import PromptsCard
from probekit.evaluation.sample_key import SampleKey
from probekit.provenance import sha256_text

Variant = Literal["short", "extended"]
"""Which of a prompt's two texts is meant: the benchmark's own, or a language model's longer version of it."""

_NONE: Mapping[str, int] = MappingProxyType({})


class Prompt(NamedTuple):
    """A prompt and its stable identifier."""

    prompt_id: str
    text: str


class Suite(NamedTuple):
    """What is sampled and scored.

    Attributes:
        prompts: the texts that scorers see.
        samples: videos of each prompt.
        frames: RGB frames of a video.
        horizon: the length class in tables, e.g. '5s'.
        generated_from: texts that generators see, in the order of `prompts`; None where they are the same.
        generation_variant: which texts generators see.
        scoring_variant: which texts scorers see.
        more_samples: videos of single prompts that have another number of them than `samples`.
    """

    name: str
    prompts: tuple[Prompt, ...]
    samples: int
    frames: int
    horizon: str
    height: int
    width: int
    fps: int
    generated_from: tuple[str, ...] | None = None
    generation_variant: Variant = "short"
    scoring_variant: Variant = "short"
    more_samples: Mapping[str, int] = _NONE

    def keys(self) -> list[SampleKey]:
        """Every planned video, prompt by prompt."""
        return [
            SampleKey(self.name, prompt.prompt_id, i)
            for prompt in self.prompts
            for i in range(self.samples_of(prompt.prompt_id))
        ]

    def samples_of(self, prompt_id: str) -> int:
        """Number of videos that are planned of a prompt."""
        return self.more_samples.get(prompt_id, self.samples)

    def texts(self) -> dict[str, str]:
        """Texts that scorers see, by identifier."""
        return dict(self.prompts)

    def generation_texts(self) -> dict[str, str]:
        """Texts that generators see, by identifier."""
        if self.generated_from is None:
            return self.texts()
        return dict(zip((prompt.prompt_id for prompt in self.prompts), self.generated_from, strict=True))

    def card(self) -> PromptsCard:
        """The prompts' part of a protocol card; its hash covers every text that was generated from or scored."""
        generated = self.generated_from or ("",) * len(self.prompts)
        lines = (
            "\t".join((*prompt, *filter(None, (extended,))))
            for prompt, extended in zip(self.prompts, generated, strict=True)
        )
        return PromptsCard(
            file_hash=sha256_text("\n".join(lines)),
            suite=self.name,
            generation_variant=self.generation_variant,
            scoring_variant=self.scoring_variant,
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
        generated = None if self.generated_from is None else self.generated_from[:prompts]
        more = _NONE if samples else self.more_samples
        return self._replace(
            prompts=self.prompts[:prompts], samples=samples or self.samples, generated_from=generated, more_samples=more
        )
