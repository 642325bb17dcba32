"""The recipe of a probing study: what is asked of two checkpoints. Torch-free."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from probekit.config import StrictModel, load_config
from probekit.errors import UserError
from probekit.probing.probe_settings import DecoderBudget, DecoderKind
from probekit.probing.sites import Site
from probekit.probing.targets import target_named

Count = Annotated[int, Field(ge=0)]


class ProbingStudy(StrictModel):
    """What a study asks of two checkpoints.

    Attributes:
        baseline: streaming model, folder or shipped name.
        method: the model to compare it with.
        suite: suite of prompts.
        prompts: number of prompts; None takes all.
        samples: videos of each prompt; None takes all.
        seed: seed of noise and splits.
        sites: names of sites; none takes three depths in the last denoising pass. The planning gap and the futures are
            of those in the last pass alone.
        targets: names of what is read.
        horizons: chunks ahead that are read; 0 is the present.
        decoders: decoders of pictures, a part for each; the first alone reads other targets and shared videos.
        steps: steps of each decoder at most.
        perceptual: whether SSIM and LPIPS are computed.
        shared: run folder whose videos both models read besides, or `sprite-world` for true ones; None leaves it out.
        shared_samples: videos of each prompt that both read.
        encoder: bidirectional model that states are aligned with; None leaves alignment out.
        patch_target: target whose directions are patched at the first site of the committing pass; None leaves it out.
        patch_chunk: zero-based chunk that is patched.
        planning_episodes: episodes with an occlusion that both are shown, once with the sprite's identity in the
            caption and once with another's; 0 leaves the planning gap out.
        future_prompts: prompts whose futures are rolled out or fit their decoder; 0 leaves futures out.
        futures: continuations of each state.
    """

    baseline: str
    method: str
    suite: str = "sprite-probes"
    prompts: Annotated[int, Field(ge=5)] | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    seed: Count = 0
    sites: tuple[str, ...] = ()
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("frame",)
    horizons: Annotated[tuple[Count, ...], Field(min_length=1)] = (0, 1, 2, 3)
    decoders: Annotated[tuple[DecoderKind, ...], Field(min_length=1)] = ("chunk",)
    steps: Annotated[int, Field(ge=1)] = DecoderBudget().steps
    perceptual: bool = True
    shared: str | None = None
    shared_samples: Annotated[int, Field(ge=1)] = 1
    encoder: str | None = None
    patch_target: str | None = None
    patch_chunk: Count = 2
    planning_episodes: Count = 0
    future_prompts: Count = 0
    futures: Annotated[int, Field(ge=2)] = 32


def read_study(path: Path) -> ProbingStudy:
    """Read a study's YAML file.

    Raises:
        UserError: there is none, or a key or value does not fit.
    """
    study = load_config(path, ProbingStudy)
    for name in (*study.targets, *([study.patch_target] if study.patch_target else [])):
        target_named(name)
    sites = [Site.parse(name) for name in study.sites]
    if study.patch_target and not any(site.step is None for site in sites):
        raise UserError(f"{path}: patch_target needs a site of the committing pass.", "Add blocks.1@commit, for one.")
    return study
