"""What `growth.py` lets grow. Each step prepares its data, and yields the pieces of work that are measured."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from probekit.evaluation.interchange.table import IMPORTED_SUITE
from probekit.media.video_files import write_video
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import SCHEMA, SCORES_FOLDER
from probekit.run_folder.video_set_check import inspect_video_set
from probekit.seeding import generator
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

Work = Iterator[tuple[str, Callable[[], object]]]
"""Pieces of work with their names; each begins when the one before has ended."""

FILES: Final = 8
"""Different videos; the others are links to them."""
SAMPLES: Final = 5


def linked_videos(folder: Path, count: int) -> Path:
    """A folder of tiny videos, one per prompt."""
    folder.mkdir(parents=True)
    rng = generator("growth")
    first = [folder / f"thing {number:05d}-0.mp4" for number in range(min(FILES, count))]
    for path in first:
        write_video(path, rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8), 8.0)
    for number in range(len(first), count):
        os.link(first[number % FILES], folder / f"thing {number:05d}-0.mp4")
    return folder


def videos(count: int, folder: Path) -> Work:
    """Import, check and score tiny videos; scoring again finds nothing to do."""
    from probekit.workflows.import_videos import import_any
    from probekit.workflows.score import score_run

    source = linked_videos(folder / "source", count)
    yield "import", lambda: import_any([source], folder / "runs")
    (run,) = (folder / "runs").iterdir()
    yield "manifest check", lambda: inspect_video_set(load_video_set(run))
    yield "score", lambda: score_run(run)
    yield "score again", lambda: score_run(run)


def rollout(seconds: int, folder: Path) -> Work:
    """Stream sprite frames with the shipped student, decoded chunk by chunk and let go."""
    from probekit.models.model_folder import model_folder
    from probekit.rollout.generation_runner import Request
    from probekit.rollout.streaming_sampler import StreamingSampler
    from probekit.suites.registry import load_suite

    suite = load_suite("sprite-5s")
    model = model_folder("sprite-dmd-foresight")
    frames = StreamingSampler(model, suite).geometry.frames_for(seconds)
    sampler = StreamingSampler(model, suite._replace(frames=frames))
    request = Request(SampleKey(suite.name, suite.prompts[0].prompt_id, 0), suite.prompts[0].text)

    def stream() -> int:
        return sum(part.shape[1] for part in sampler.stream(request))

    yield "stream", stream


def score_rows(count: int, folder: Path) -> Work:
    """Compare two runs that have this many score rows together."""
    from probekit.workflows.compare import compare_runs, open_scored_run

    roots = [write_scored_run(folder / model, model, count // 2) for model in ("A", "B")]
    opened = []
    yield "read", lambda: opened.extend(open_scored_run(root) for root in roots)
    yield "compare", lambda: compare_runs(opened)


def write_scored_run(root: Path, model: str, rows: int, prompts: list[str] | None = None) -> Path:
    """A run folder of random scores in every dimension of VBench, without videos."""
    per_prompt = SAMPLES if prompts is None else 1
    number = np.arange(rows)
    dimension, place = number % len(VBENCH_CONSTANTS), number // len(VBENCH_CONSTANTS)
    ids = np.array(prompts or [f"thing-{index:07d}" for index in range(place.max() // per_prompt + 1)])
    rng = generator("growth", model)
    facts = [(constant.dimension, constant.low, constant.high) for constant in VBENCH_CONSTANTS]
    names, low, high = (np.array(column) for column in zip(*facts, strict=True))
    columns = {
        "model": [model] * rows,
        "training_run": ["r"] * rows,
        "suite": [IMPORTED_SUITE] * rows,
        "horizon": ["5s"] * rows,
        "prompt_id": ids[place // per_prompt],
        "sample": place % per_prompt,
        "clip": np.zeros(rows, dtype=np.int64),
        "dimension": names[dimension],
        "value": low[dimension] + (high - low)[dimension] * rng.random(rows),
        "numerator": pa.nulls(rows, pa.float64()),
        "denominator": pa.nulls(rows, pa.float64()),
        "reason": pa.nulls(rows, pa.string()),
        "unit": ["1"] * rows,
        "range_low": low[dimension],
        "range_high": high[dimension],
        "scorer_id": np.char.add("random:", names)[dimension],
        "video_sha256": ["0"] * rows,
    }
    (root / SCORES_FOLDER).mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=SCHEMA), root / SCORES_FOLDER / "random.parquet")
    if prompts is None:
        card = PromptsCard(file_hash="0", suite=IMPORTED_SUITE, n_prompts=len(ids), samples=per_prompt)
        write_protocol(root, ProtocolCard(prompts=card))
    return root


def report_prompts(count: int, folder: Path) -> Work:
    """The page of two runs that shows every prompt."""
    from probekit.workflows.compare import compare_runs, open_scored_run
    from probekit.workflows.import_videos import import_any
    from probekit.workflows.report import report_runs

    for model in ("A", "B"):
        import_any([linked_videos(folder / f"source-{model}", count)], folder / "runs", model=model, horizon="5s")
    roots = sorted((folder / "runs").iterdir())
    for root in roots:
        rows = load_video_set(root).rows
        write_scored_run(root, rows[0].model, len(rows) * len(VBENCH_CONSTANTS), [row.prompt_id for row in rows])
    opened = [open_scored_run(root) for root in roots]
    record = compare_runs(opened)
    yield "report", lambda: report_runs(opened, record, folder / "page", max_prompts=count)


def capture(count: int, folder: Path) -> Work:
    """Keep the states of three layers of rollouts, and of the untrained network's passes, in a store."""
    from probekit.models.model_folder import model_folder
    from probekit.probing import capturing
    from probekit.rollout.generation_runner import Request
    from probekit.rollout.streaming_sampler import StreamingSampler
    from probekit.suites.registry import load_suite
    from probekit.workflows.capture import capture_settings

    model = "sprite-dmd-foresight"
    suite = load_suite("sprite-probes").reduced(-(-count // SAMPLES), min(count, SAMPLES))
    loaded: list[StreamingSampler] = []
    yield "load", lambda: loaded.append(StreamingSampler(model_folder(model), suite))
    texts = suite.generation_texts()
    requests = [Request(key, texts[key.prompt_id]) for key in suite.keys()]
    settings = capture_settings(model)
    yield "capture", lambda: capturing.capture(loaded[0], requests, folder / "states", settings, suite.card())


class Step(NamedTuple):
    """Something that grows.

    Attributes:
        unit: what is counted.
        work: its pieces, for a size and an empty folder.
        sizes: sizes of the real run.
        small: sizes of a quick one.
        warm: whether the work is done once before, at its smallest size, so that no library counts.
    """

    unit: str
    work: Callable[[int, Path], Work]
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    warm: bool = True


STEPS: Final = {
    "videos": Step("videos", videos, (100, 1_000, 10_000), (8, 32)),
    "rollout": Step("seconds of video", rollout, (5, 15, 60, 240), (1, 2)),
    "score rows": Step("rows", score_rows, (10_000, 100_000, 1_000_000), (320, 3_200)),
    "report": Step("prompts", report_prompts, (10, 100, 1_000), (2, 8)),
    "capture": Step("videos", capture, (200, 1_000), (1, 2), warm=False),
}
