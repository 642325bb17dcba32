"""The fast scores against VBench's own modules: wall time, where it goes, peak memory, and that the scores agree.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.scoring`` (eight minutes; networks
of the published sizes with seeded random weights); it writes ``reports/benchmarks/scoring.md``. ``--small`` takes small
networks and shows only that everything runs. Official and fast alternate, dimension by dimension, in one process. The
arithmetic bound is the operations of our networks at the speed of a large product in the same run.
"""

import argparse
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.arithmetic import operations, product_speed
from benchmarks.machine import machine_line
from benchmarks.scoring_official import QUALITY, Clock, official_scorers, seconds
from probekit.atomic_files import write_text
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast import formulas, motion
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.scorers import FastScorer, fast_scorers
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.media.video_files import read_video, write_video
from tests.equivalence.vbench_weights_folder import PUBLISHED, SMALL, write_weights

REPORT = Path(__file__).parents[1] / "reports" / "benchmarks" / "scoring.md"
HEIGHT, WIDTH = 144, 256
NETWORKS = {"dino": "forward", "clip_b32": "forward", "clip_l14": "forward", "musiq": "forward", "amt": "forward"}


class Times(NamedTuple):
    """Medians over repeats and videos, in seconds per video; networks and outside add up to the total.

    `processor` holds the processor seconds of official and fast, which other work on the machine disturbs less;
    `scores` the scores of the first video.
    """

    official: Mapping[str, float]
    official_inside: Mapping[str, float]
    fast: float
    fast_inside: Mapping[str, float]
    decode: float
    processor: tuple[float, float]
    differences: Mapping[str, float]
    pairs: tuple[int, int]
    scores: Mapping[str, float]
    speed: float


class Halved(NamedTuple):
    """The fast pass in bfloat16, which has to be asked for.

    Attributes:
        seconds: its wall time per video.
        operations: floating-point operations by dimension, the same as in fp32. Those of all networks that read single
            frames are in the first such dimension, whose pass serves the others.
        scores: scores by dimension.
    """

    seconds: float
    operations: Mapping[str, int]
    scores: Mapping[str, float]


def cuts(sources: Sequence[Path], frames: int, folder: Path) -> list[Path]:
    """The first frames of real videos at 256x144."""
    paths = []
    for source in sources:
        clip = read_video(source)
        small = [cv2.resize(f, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for f in clip.frames[:frames]]
        paths.append(folder / f"{source.stem}.mp4")
        write_video(paths[-1], np.stack(small), clip.fps, crf=10)
    return paths


def measure(paths: Sequence[Path], repeats: int, settings: FastSettings, folder: Path) -> Times:
    """Official and fast in turn, on the same files and weights. A few unmeasured frames warm both up."""
    official, scorers, clock = official_scorers(folder), fast_scorers(settings).scorers, Clock()
    quality = {scorer.dimension: scorer for scorer in scorers if scorer.dimension in QUALITY}
    networks = next(scorer.engine.networks for scorer in quality.values() if isinstance(scorer, FastScorer))
    for name, method in NETWORKS.items():
        clock.wrap(getattr(networks, name), method, name)
    clock.wrap(networks.raft, "encode", "raft")
    clock.wrap(networks.raft, "flow", "raft")
    rows: list[dict[str, Any]] = []
    warm = folder / "warm.mp4"
    write_video(warm, read_video(paths[0]).frames[:5], 8, crf=10)
    _round(warm, official, quality, clock)
    for _ in range(repeats):
        rows += [_round(path, official, quality, clock) for path in paths]
    frames = read_video(paths[0])
    verdict = motion.dynamic_degree(frames.frames, frames.fps, networks)
    sampled = len(range(0, len(frames.frames), max(1, round(frames.fps / 8))))
    return Times(
        {name: median(row["official"][name] for row in rows) for name in QUALITY},
        {name: median(row["inside"].get(name, 0.0) for row in rows) for name in QUALITY},
        median(row["fast"] for row in rows),
        {name: median(row["fast_inside"].get(name, 0.0) for row in rows) for name in (*NETWORKS, "raft")},
        median(row["decode"] for row in rows),
        (median(row["processor"][0] for row in rows), median(row["processor"][1] for row in rows)),
        {name: max(row["difference"][name] for row in rows) for name in QUALITY},
        (verdict.measured, sampled - 1),
        rows[0]["scores"],
        product_speed(),
    )


def halved(path: Path, settings: FastSettings) -> Halved:
    """The fast pass of a video with the transformers in bfloat16: once to load and count, once with the clock."""
    asked = settings.model_copy(update={"precision": "bfloat16"})
    scorers = {scorer.dimension: scorer for scorer in fast_scorers(asked).scorers if scorer.dimension in QUALITY}
    scores: dict[str, float] = {}
    times: list[float] = []

    def score(name: str, video: ScoringInput) -> None:
        scores[name] = scorers[name].score(video).value

    video = _input(path)
    counts = {name: operations(functools.partial(score, name, video)) for name in QUALITY}
    with seconds(times):
        video = _input(path)
        for name in QUALITY:
            score(name, video)
    return Halved(times[0], counts, scores)


def _input(path: Path) -> ScoringInput:
    clip = read_video(path)
    return ScoringInput(clip.frames, clip.fps, "", dimensions=frozenset(QUALITY))


def _round(path: Path, official: Mapping[str, Any], fast: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in QUALITY}
    scores, inside = {}, {}
    started = time.process_time()
    for name in QUALITY:
        with seconds(times[name]):
            scores[name] = float(official[name].score(path))
        inside |= official[name].clock.take()
    clock.take()
    middle = time.process_time()
    whole: list[float] = []
    decode: list[float] = []
    ours = {}
    with seconds(whole):
        with seconds(decode):
            clip = read_video(path)
        video = ScoringInput(clip.frames, clip.fps, "", dimensions=frozenset(QUALITY))
        for name in QUALITY:
            ours[name] = fast[name].score(video).value
    return {
        "official": {name: times[name][0] for name in QUALITY},
        "inside": inside,
        "fast": whole[0],
        "fast_inside": clock.take(),
        "decode": decode[0],
        "processor": (middle - started, time.process_time() - middle),
        "difference": {name: abs(scores[name] - ours[name]) for name in QUALITY},
        "scores": ours,
    }


def flickering_times(sources: Sequence[Path], repeats: int, folder: Path) -> tuple[float, float, float]:
    """Seconds a full clip: official, ours with its own decoding, ours on frames that are decoded already."""
    official = official_scorers_of_flickering(folder)
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(repeats):
        for source in sources:
            with seconds(times[0]):
                official(source)
            with seconds(times[1]):
                frames = read_video(source).frames
                with seconds(times[2]):
                    formulas.flickering(frames)
    return median(times[0]), median(times[1]), median(times[2])


def official_scorers_of_flickering(folder: Path) -> Any:
    """The official temporal flickering of a file."""
    from benchmarks.scoring_official import official_scorer

    return official_scorer("temporal_flickering", folder).score


def peak_memory(frames: int, height: int, width: int) -> None:
    """Print by how many MB the memory of this process exceeds the models' when it reads a long video.

    All frames are there; the networks read the first batch of them and one more, since memory does not grow with more,
    and both motion dimensions their first pair.
    """
    networks = NetworkSet(FastSettings(unverified_weights=True))
    settings = networks.settings
    for name in (*NETWORKS, "raft"):
        getattr(networks, name)
    rng = np.random.default_rng(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    video = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    from probekit.evaluation.vbench.fast.reading import VideoReading

    head = ScoringInput(video[: settings.batch_frames + 1], 16.0, "")
    VideoReading(head, networks, frozenset(QUALITY)).of_frames("subject_consistency")
    motion.motion_smoothness(video[:3], networks)
    motion.FlowMeter(video[:2], networks).motion(range(1))
    formulas.flickering(video)
    print(f"{_status('VmHWM') - before:.0f} {video.nbytes / 1e6:.0f}")


def _status(field: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def report(
    times: Times, flickering: tuple[float, float, float], memory: tuple[float, float], bf16: Halved, command: str
) -> str:
    """The report in Markdown."""
    official, inside = sum(times.official.values()), sum(times.official_inside.values())
    fast_inside = sum(times.fast_inside.values())
    readers = dict(zip(QUALITY, ("dino", "clip_b32", "-", "amt", "raft", "clip_l14", "musiq"), strict=True))
    rows = [
        f"| {name} | {times.official[name]:.2f} | {times.official_inside[name]:.2f} | "
        f"{times.fast_inside.get(readers[name], 0.0):.2f} | "
        f"{times.differences[name]:.1e} | {abs(bf16.scores[name] - times.scores[name]):.1e} |"
        for name in QUALITY
    ]
    counted = sum(bf16.operations.values())
    bound = counted / times.speed
    outside, fast_outside = official - inside, times.fast - fast_inside
    measured, pairs = times.pairs
    all_pairs = times.fast + times.fast_inside["raft"] * (pairs / max(measured, 1) - 1)
    return "\n".join(
        [
            "# Fast scores beside VBench's modules",
            "",
            f"`{command}` on {machine_line()}.",
            "",
            "Medians, seconds per video; official and fast alternate. Both run the same float32 products near the peak "
            "of the processor, so what can be saved is what the official code computes in vain.",
            "",
            "| dimension | official | of that in its network | fast, in that network | difference | in bf16 |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "| | official | fast | fast / official | target |",
            "| --- | ---: | ---: | ---: | ---: |",
            f"| seven quality dimensions | {official:.2f} | {times.fast:.2f} | {times.fast / official:.2f} | 0.60 |",
            f"| the same, in bf16 (other scores) | {official:.2f} | {bf16.seconds:.2f} | "
            f"{bf16.seconds / official:.2f} | |",
            f"| the same in processor seconds | {times.processor[0]:.2f} | {times.processor[1]:.2f} | "
            f"{times.processor[1] / times.processor[0]:.2f} | |",
            f"| outside the networks | {outside:.3f} | {fast_outside:.3f} | {fast_outside / outside:.2f} | 0.33 |",
            f"| temporal flickering, full clip, decoded already | {flickering[0]:.3f} | {flickering[2]:.3f} | "
            f"{flickering[2] / flickering[0]:.3f} | 0.10 |",
            f"| temporal flickering, full clip, with its own decoding | {flickering[0]:.3f} | {flickering[1]:.3f} | "
            f"{flickering[1] / flickering[0]:.2f} | |",
            "",
            f"Arithmetic bound: the fast pass has {counted / 1e9:.0f} GFLOP per video, and the fastest fp32 product of "
            f"this run makes {times.speed / 1e9:.0f} GFLOP/s, so that it cannot take less than {bound:.2f} s. It takes "
            f"{times.fast / bound:.2f} times that (goal 1.15).",
            "",
            f"The dynamic degree was decided after {measured} of {pairs} pairs. Had it taken all of them, the fast "
            f"pass would take {all_pairs:.2f} s, {all_pairs / official:.2f} of the official time. Decoding is "
            f"{times.decode:.3f} s of the fast pass.",
            "",
            f"A video of 489 frames at 832x480 takes {memory[0]:.0f} MB above the models, {memory[1]:.0f} MB of it its "
            "frames (target 2000 MB).",
            "",
        ]
    )


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--frames", type=int, default=33)
    parser.add_argument(
        "--videos", type=Path, nargs="+", default=None, help="default: two real videos of the shared data"
    )
    parser.add_argument("--small", action="store_true", help="small networks; writes no report")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out; writes no report")
    parser.add_argument("--memory", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        return peak_memory(*arguments.memory)
    from tests.helpers.shared_data import SHARED

    real = SHARED / "data" / "video_mirai_page" / "videos"
    sources = arguments.videos or [real / "bear-tree-base.mp4", real / "burger-ours.mp4"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"VBENCH_CACHE_DIR": str(folder / "vbench"), "TORCH_HOME": str(folder / "torch")}
        write_weights(SMALL if arguments.small else PUBLISHED, only=frozenset(QUALITY))
        settings = FastSettings(device="cpu", unverified_weights=True)
        paths = cuts(sources, arguments.frames, folder)
        times = measure(paths, arguments.repeats, settings, folder)
        bf16 = halved(paths[0], settings)
        flickering = flickering_times(sources, max(3, arguments.repeats), folder)
        child = [sys.executable, "-m", "benchmarks.scoring", "--memory", "489", "480", "832"]
        printed = ["nan", "nan"]
        if not arguments.no_memory:
            printed = subprocess.run(child, check=True, capture_output=True, text=True).stdout.split()
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    command = f"OMP_NUM_THREADS={threads} python -m benchmarks.scoring {' '.join(sys.argv[1:])}".strip()
    text = report(times, flickering, (float(printed[-2]), float(printed[-1])), bf16, command)
    print(text)
    if not (arguments.small or arguments.no_memory):
        write_text(REPORT, text)


if __name__ == "__main__":
    main()
