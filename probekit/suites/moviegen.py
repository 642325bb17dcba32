"""MovieGen prompts for 30 s videos: 200 of the 1,003 prompts of Movie Gen Video Bench, drawn by a stated seed.

Polyak et al., Movie Gen, arXiv 2410.13720, section 3.5.2. Five texts stand twice in the list, so identifiers are lines;
duplicates are skipped, so no prompt counts twice.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.seeding import generator
from probekit.suites.prompt_files import read_extended, read_whole_list
from probekit.suites.suite import Prompt, Suite, Variant

NAME: Final = "moviegen-30s"
N_PROMPTS: Final = 1003
ENVIRONMENT: Final = "PROBEKIT_MOVIEGEN"
DATASET: Final = "meta-ai-for-media-research/movie_gen_video_bench_no_generations"
_HEIGHT, _WIDTH, _FPS = 480, 832, 16


def _number(value: str | int) -> str | int:
    return int(value) if str(value).isdecimal() else value


class MovieGenOptions(StrictModel):
    """Options of the suite moviegen-30s."""

    prompt_file: Path | None = None
    """All 1,003 prompts, one per line; by default ``$PROBEKIT_MOVIEGEN``, else the Hub's dataset."""
    prompt_seed: int = Field(default=0, ge=0)
    """Seed of the drawing."""
    prompts: int = Field(default=200, ge=1, le=N_PROMPTS)
    """Prompts to draw."""
    frames: Annotated[Literal[489, 501], BeforeValidator(_number)] = 489
    """RGB frames: 123 latent frames as in Video-Mirai's 30 s videos, or 126 as in RollingForcing's command."""
    samples: int = Field(default=1, ge=1)
    """Videos of each prompt."""
    extended_prompts: Path | None = None
    """The extended version of all 1,003 prompts."""
    generation_variant: Variant = "short"
    """Which text generators see."""
    scoring_variant: Variant = "short"
    """Which text scorers see."""


def moviegen_suite(options: MovieGenOptions) -> Suite:
    """The suite moviegen-30s.

    Raises:
        UserError: the prompts cannot be had, are not 1,003, or an extended variant has no file.
    """
    everything = moviegen_prompts(options.prompt_file)
    lines = _drawn(everything, options.prompts, options.prompt_seed)
    extended = None
    if options.extended_prompts is not None:
        texts = read_extended(options.extended_prompts, everything)
        extended = tuple(texts[line] for line in lines)
    suite = Suite(
        NAME, tuple(everything[line] for line in lines), options.samples, options.frames, "30s", _HEIGHT, _WIDTH, _FPS,
        extended, options.generation_variant, options.scoring_variant,
    )  # fmt: skip
    suite.card()  # refuses a variant whose texts are not known
    return suite


def moviegen_prompts(path: Path | None = None) -> tuple[Prompt, ...]:
    """All 1,003 prompts, `line-0001` to `line-1003`.

    Raises:
        UserError: the prompts cannot be had, or are not 1,003.
    """
    if path is None and os.environ.get(ENVIRONMENT):
        path = Path(os.environ[ENVIRONMENT])
    lines = _from_hub() if path is None else read_whole_list(path)
    if len(lines) != N_PROMPTS:
        raise UserError(
            f"{path or DATASET} has {len(lines)} prompts, MovieGen {N_PROMPTS:,}.",
            "Give the whole list; for a list of your own use `probekit sample --prompts FILE`.",
        )
    return tuple(Prompt(f"line-{number:04d}", line) for number, line in enumerate(lines, start=1))


def _drawn(prompts: tuple[Prompt, ...], count: int, seed: int) -> list[int]:
    first = {prompt.text: line for line, prompt in reversed(list(enumerate(prompts)))}
    candidates = sorted(first.values())
    if count > len(candidates):
        raise UserError(f"MovieGen has {len(candidates)} different prompts, not {count}.", "Ask for fewer.")
    return sorted(int(line) for line in generator(NAME, seed).choice(candidates, size=count, replace=False))


def _from_hub() -> list[str]:
    import pyarrow.parquet as pq
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        folder = Path(snapshot_download(DATASET, repo_type="dataset", allow_patterns="data/test-*"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise UserError(
            f"The MovieGen prompts cannot be fetched from the Hub's dataset {DATASET}: {type(error).__name__}.",
            f"Give a file of all {N_PROMPTS:,} prompts: set {ENVIRONMENT}, or --suite-option prompt_file=FILE.",
        ) from error
    files = sorted((folder / "data").glob("test-*.parquet"))
    columns = [pq.read_table(file, columns=["prompt"])["prompt"].to_pylist() for file in files]
    return [str(text).rstrip() for column in columns for text in column]
