"""The protocol card: everything that must be known, and partly must agree, before two results are compared."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from probekit.atomic_files import write_json
from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.provenance import command_line, git_state, hardware, package_versions

PROTOCOL_FILENAME = "protocol.json"

_RECORDED_PACKAGES = (
    "probekit", "torch", "diffusers", "transformers", "accelerate", "numpy", "scipy", "pandas", "pyarrow", "av",
    "scikit-image", "lpips", "torchvision", "vbench",
)  # fmt: skip


class PromptsCard(StrictModel):
    """The prompts that were generated from and scored against."""

    file_hash: str
    """SHA-256 of the prompt file."""
    suite: str
    generation_variant: str | None = None
    """Which text the generator saw: ``short`` or ``extended``; None where it is not known."""
    scoring_variant: str | None = None
    """Which text the scorers saw."""
    n_prompts: int
    samples: int
    """Videos for each prompt."""
    static_filter: str | None = None
    """Which videos of temporal flickering are scored; None scores all."""


class GenerationCard(StrictModel):
    """How the videos were made. None means unknown, as for videos from elsewhere."""

    model: str | None = None
    checkpoint_hash: str | None = None
    ema: bool | None = None
    seed: int | None = None
    frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    shift: float | None = None
    timesteps: tuple[float, ...] | None = None
    """Timesteps of a few-step sampler."""
    first_chunk_timesteps: tuple[float, ...] | None = None
    """Those of the first chunk, where they differ."""
    negative_prompt: str | None = None
    """What guidance steers away from; None without guidance."""
    codec: str | None = None
    chunk_frames: int | None = None
    """Latent frames that a streaming generator makes together."""
    window_policy: str | None = None
    rope_policy: str | None = None
    precision: str | None = None
    """Number format of the denoiser; None where it is float32, or unknown."""
    compile: bool | None = None
    """True where the denoiser ran through `torch.compile`, whose numbers differ in their last bits; else None."""
    batch_size: int | None = None
    """Videos in each pass of the networks; a batch that is short is filled up (see `rollout.fixed_batch`)."""


class SoftwareCard(StrictModel):
    """The software that wrote the result."""

    packages: dict[str, str] = Field(default_factory=dict)
    git_commit: str | None = None
    dirty: bool | None = None
    command: str = ""


class ProtocolCard(StrictModel):
    """What stands beside every result in ``protocol.json``."""

    prompts: PromptsCard
    generation: GenerationCard = GenerationCard()
    scorers: dict[str, str] = Field(default_factory=dict)
    """Scorer id for each dimension."""
    clip_rule: str = "whole"
    """What of a video is scored together: ``whole`` or ``vbench-long`` (see `long_horizon.clips`)."""
    software: SoftwareCard = SoftwareCard()
    hardware: dict[str, str | int] = Field(default_factory=dict)


class FieldMismatch(NamedTuple):
    """A scoring field in which two cards differ."""

    field: str
    a: Any
    b: Any


# A model, its checkpoint and its sampler are what a comparison is about; these must agree for it to be fair.
SCORING_FIELDS: tuple[str, ...] = (
    "prompts.file_hash",
    "prompts.suite",
    "prompts.generation_variant",
    "prompts.scoring_variant",
    "prompts.n_prompts",
    "prompts.samples",
    "prompts.static_filter",
    "generation.seed",
    "generation.frames",
    "generation.fps",
    "generation.height",
    "generation.width",
    "generation.codec",
    "generation.window_policy",
    "generation.rope_policy",
    "generation.precision",
    "clip_rule",
    "scorers",
)


def software_card() -> SoftwareCard:
    """Describe the running software: package versions, commit of the toolkit, command line."""
    commit, dirty = git_state()
    return SoftwareCard(
        packages=package_versions(_RECORDED_PACKAGES), git_commit=commit, dirty=dirty, command=command_line()
    )


def protocol_card(
    prompts: PromptsCard, generation: GenerationCard | None = None, scorers: dict[str, str] | None = None
) -> ProtocolCard:
    """Make a card for work that runs now, with this software on this machine."""
    return ProtocolCard(
        prompts=prompts,
        generation=generation or GenerationCard(),
        scorers=scorers or {},
        software=software_card(),
        hardware=hardware(),
    )


def mismatches(a: ProtocolCard, b: ProtocolCard) -> list[FieldMismatch]:
    """Return the scoring fields in which two cards differ, scorers dimension by dimension (absent: None)."""
    found: list[FieldMismatch] = []
    for field in SCORING_FIELDS:
        left, right = _field(a, field), _field(b, field)
        if field == "scorers":
            found += _scorer_mismatches(left, right)
        elif left != right:
            found.append(FieldMismatch(field, left, right))
    return found


def _field(card: ProtocolCard, dotted: str) -> Any:
    value: Any = card.model_dump()
    for name in dotted.split("."):
        value = value[name]
    return value


def _scorer_mismatches(a: dict[str, str], b: dict[str, str]) -> Iterable[FieldMismatch]:
    for dimension in sorted(a.keys() | b.keys()):
        if a.get(dimension) != b.get(dimension):
            yield FieldMismatch(f"scorers.{dimension}", a.get(dimension), b.get(dimension))


def write_protocol(folder: Path, card: ProtocolCard) -> None:
    """Write ``card`` to ``folder/protocol.json`` atomically."""
    write_json(folder / PROTOCOL_FILENAME, card.model_dump(mode="json"))


def read_protocol(folder: Path) -> ProtocolCard:
    """Read ``folder/protocol.json``.

    Raises:
        UserError: The file is absent, not JSON, or not a protocol card.
    """
    fix = (
        "Give a folder that this toolkit wrote. "
        "If the file is damaged, delete it and run the folder's command again; finished work is kept."
    )
    return read_json_model(folder / PROTOCOL_FILENAME, ProtocolCard, fix)
