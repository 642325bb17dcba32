"""Small comparisons and video sets for the tests of tables, figures and pages; real classes throughout."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from probekit.media.video_files import write_video
from probekit.reporting.build_record import comparison_record
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, ProtocolCard, SoftwareCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import ScoreRow, read_scores, write_scores
from probekit.run_folder.video_set import VideoSet, describe_video, video_path
from probekit.seeding import generator
from probekit.sprite_world.episodes import episode
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_comparison import compare_score_tables
from probekit.suites.dimension_constants import SPRITE_CONSTANTS

SUITE, HORIZON, RUN = "sprite", "5s", "run-1"
N_FRAMES, FPS, SIDE = 9, 16.0, 32
BASELINE = "Causal-Forcing"


def card(model: str, *, seed: int = 0, n_prompts: int = 6, samples: int = 2) -> ProtocolCard:
    return ProtocolCard(
        prompts=PromptsCard(
            file_hash="0" * 64,
            suite=SUITE,
            generation_variant="short",
            scoring_variant="short",
            n_prompts=n_prompts,
            samples=samples,
        ),
        generation=GenerationCard(
            model=model,
            checkpoint_hash=f"hash of {model}",
            seed=seed,
            frames=N_FRAMES,
            fps=FPS,
            height=SIDE,
            width=SIDE,
        ),
        scorers={constant.dimension: f"{constant.dimension}-noweights-v1" for constant in SPRITE_CONSTANTS},
        software=SoftwareCard(
            packages={"numpy": "2.0.0"}, git_commit="abc", dirty=False, command=f"probekit score --out '{model}'"
        ),
        hardware={"cores": 2, "machine": "x86_64"},
    )


def score_rows(
    model: str,
    *,
    shift: Mapping[str, float],
    n_prompts: int = 6,
    samples: int = 2,
    unscored: Sequence[tuple[str, int]] = (),
    skip: Sequence[str] = (),
) -> list[ScoreRow]:
    """Scores around 0.5 plus `shift`; `unscored` names (dimension, prompt number) whose videos have no score."""
    rows = []
    for constant in SPRITE_CONSTANTS:
        if constant.dimension in skip:
            continue
        for prompt in range(n_prompts):
            for sample in range(samples):
                noise = generator("example", constant.dimension, prompt, sample).normal(0.5, 0.02)
                own = generator("example", model, constant.dimension, prompt, sample).normal(0.0, 0.005)
                missing = (constant.dimension, prompt) in unscored
                value = None if missing else float(np.clip(noise + own + shift.get(constant.dimension, 0.0), 0.0, 1.0))
                rows.append(
                    ScoreRow(
                        model, RUN, SUITE, HORIZON, f"p{prompt:02d}", sample, 0, constant.dimension, value, None, None,
                        "no sprite was found" if missing else None, "fraction", 0.0, 1.0,
                        f"{constant.dimension}-noweights-v1", "0" * 64,
                    )
                )  # fmt: skip
    return rows


def score_table(folder: Path, rows: Sequence[ScoreRow]) -> pd.DataFrame:
    """Write and read back, as every user of the table does."""
    write_scores(folder / "scores" / "scores.parquet", rows)
    return read_scores(folder)


def record_of(
    table: pd.DataFrame,
    methods: Sequence[str],
    *,
    cards: Mapping[str, ProtocolCard] | None = None,
    not_run: Mapping[str, str] | None = None,
    replicates: int = 500,
) -> ComparisonRecord:
    comparisons = compare_score_tables(
        table, BASELINE, list(methods), SPRITE_CONSTANTS, seed=3, settings=BootstrapSettings(replicates=replicates)
    )
    protocols = {Method(model, RUN): (cards or {}).get(model, card(model)) for model in (BASELINE, *methods)}
    return comparison_record(
        comparisons,
        SPRITE_CONSTANTS,
        protocols,
        suite=SUITE,
        horizon=HORIZON,
        seed=3,
        not_run=not_run or {},
        score_files={"scores/scores.parquet": "f" * 64},
        command="probekit compare --baseline Causal-Forcing",
    )


def video_set(
    root: Path,
    model: str,
    prompts: Mapping[str, str],
    *,
    n_frames: int = N_FRAMES,
    samples: Sequence[int] = (0,),
    crf: int | None = None,
    enlarge: int = 1,
) -> VideoSet:
    """Render sprite videos, lossless unless `crf` is given, and write the manifest and protocol of a set."""
    rows = []
    for index, (prompt_id, prompt) in enumerate(prompts.items()):
        for sample in samples:
            key = SampleKey(SUITE, prompt_id, sample)
            frames = episode("test", sample, index, n_frames=n_frames).frames
            frames = frames.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
            write_video(root / video_path(key), frames, FPS, crf=crf)
            facts = {"model": model, "training_run": RUN, "horizon": HORIZON, "prompt": prompt}
            rows.append(describe_video(root, video_path(key), key, **facts))
    protocol = card(model)
    write_manifest(root, rows)
    write_protocol(root, protocol)
    return VideoSet(root, tuple(rows), protocol)
