"""Step 5: the seven quality dimensions of one clip, fast and official, on networks of the published sizes."""

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.gpu.measuring import markdown_table, quantile, reason_of, seconds_of
from benchmarks.gpu.sizes import Sizes
from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.fast.scorers import fast_scorers
from probekit.evaluation.vbench.fast.settings import FastSettings
from tests.equivalence.vbench_weights_folder import PUBLISHED, SMALL, write_weights

QUALITY: Final = (
    "subject_consistency", "background_consistency", "temporal_flickering", "motion_smoothness", "dynamic_degree",
    "aesthetic_quality", "imaging_quality",
)  # fmt: skip
FPS: Final = 16.0
OFFICIAL_PACKAGES: Final = ("vbench", "av", "cv2", "decord")


def moving_clip(sizes: Sizes) -> np.ndarray:
    """Smooth noise that drifts by two pixels per frame, uint8 (T, H, W, 3)."""
    count, height, width = sizes.frames
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    frames = [(255 * image.roll(2 * index, dims=2)).byte().permute(1, 2, 0).numpy() for index in range(count)]
    return np.stack(frames)


def fast_seconds(sizes: Sizes, frames: np.ndarray) -> float:
    """Median seconds of the fast backend for the whole clip."""
    settings = FastSettings(device=sizes.device, unverified_weights=True)
    scorers = {scorer.dimension: scorer for scorer in fast_scorers(settings).scorers if scorer.dimension in QUALITY}

    def score() -> None:
        video = ScoringInput(frames, FPS, "", dimensions=frozenset(QUALITY))
        for name in QUALITY:
            scorers[name].score(video)

    return quantile(seconds_of(score, sizes.device, max(1, sizes.repeats // 2)), 0.5)


def official_seconds(frames: np.ndarray, folder: Path) -> float:
    """Seconds of the official modules for the clip as a file, loading not counted."""
    from benchmarks.scoring_official import official_scorers
    from probekit.media.video_files import write_video

    path = folder / "clip.mp4"
    write_video(path, frames, FPS, crf=10)
    scorers = official_scorers(folder)
    return seconds_of(lambda: [scorers[name].score(path) for name in QUALITY], "cuda", 1)[0]


def run(sizes: Sizes, out: Path, seconds: float) -> str:
    """Measure and return the table."""
    frames = moving_clip(sizes)
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        os.environ |= {"VBENCH_CACHE_DIR": str(folder / "vbench"), "TORCH_HOME": str(folder / "torch")}
        write_weights(PUBLISHED if sizes.device.startswith("cuda") else SMALL, only=frozenset(QUALITY))
        fast = fast_seconds(sizes, frames)
        absent = [package for package in OFFICIAL_PACKAGES if importlib.util.find_spec(package) is None]
        official = f"not run: {', '.join(absent)} missing" if absent else "not run: no GPU"
        if not absent and sizes.device.startswith("cuda"):
            try:
                took = official_seconds(frames, folder)
                official = f"{took:.2f} s; fast / official {fast / took:.2f} (goal 0.33)"
            except (RuntimeError, OSError, ValueError, ImportError) as error:
                official = reason_of(error)
    shape = "x".join(map(str, frames.shape[:3]))
    return markdown_table(["clip", "fast", "official"], [[shape, f"{fast:.2f} s", official]])
