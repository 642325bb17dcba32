"""What a suite is: prompts, how many videos of each, how long and how large. Torch-free."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from probekit.errors import UserError
from probekit.provenance import sha256_text
from probekit.run_folder.protocol_card import PromptsCard
from probekit.run_folder.sample_key import SampleKey

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
        prompts: the benchmark's own, short texts.
        samples: videos of each prompt.
        frames: RGB frames of a video.
        horizon: the length class in tables, e.g. '5s'.
        extended: the long texts, in the order of `prompts`; None where they are not known.
        generation_variant: which texts generators see.
        scoring_variant: which texts scorers see.
        more_samples: numbers of videos of those prompts that have another one than `samples`.
    """

    name: str
    prompts: tuple[Prompt, ...]
    samples: int
    frames: int
    horizon: str
    height: int
    width: int
    fps: int
    extended: tuple[str, ...] | None = None
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
        return self.column(self.scoring_variant)

    def generation_texts(self) -> dict[str, str]:
        """Texts that generators see, by identifier."""
        return self.column(self.generation_variant)

    def column(self, variant: Variant) -> dict[str, str]:
        """One of the two texts of every prompt, by identifier.

        Raises:
            UserError: the extended texts are not known.
        """
        if variant == "short":
            return dict(self.prompts)
        if self.extended is None:
            raise UserError(
                f"The extended prompts of {self.name} are not known.",
                "Give their file: --suite-option extended_prompts=FILE.",
            )
        return dict(zip((prompt.prompt_id for prompt in self.prompts), self.extended, strict=True))

    def card(self) -> PromptsCard:
        """The prompts' part of a protocol card; its hash covers every text that is generated from or scored."""
        return PromptsCard(
            file_hash=sha256_text("\n".join("\t".join(fields) for fields in self._hashed())),
            suite=self.name,
            generation_variant=self.generation_variant,
            scoring_variant=self.scoring_variant,
            n_prompts=len(self.prompts),
            samples=self.samples,
        )

    def _hashed(self) -> list[list[str]]:
        fields = [list(prompt) for prompt in self.prompts]
        if "extended" in (self.generation_variant, self.scoring_variant):
            for row, text in zip(fields, self.column("extended").values(), strict=True):
                row.append(text)
        for row in fields:
            if row[0] in self.more_samples:
                row.append(str(self.more_samples[row[0]]))
        return fields

    def reduced(self, prompts: int | None, samples: int | None) -> "Suite":
        """The suite cut to its first prompts and samples; None keeps all.

        Raises:
            UserError: if more is asked for than the suite has, or less than one.
        """
        for name, asked, planned in (("prompts", prompts, len(self.prompts)), ("samples", samples, self.samples)):
            if asked is not None and not 1 <= asked <= planned:
                raise UserError(f"{self.name} cannot be cut to {asked} {name}.", f"Choose 1 to {planned}.")
        return self._replace(
            prompts=self.prompts[:prompts],
            samples=samples or self.samples,
            extended=None if self.extended is None else self.extended[:prompts],
            more_samples=_NONE if samples else self.more_samples,
        )
