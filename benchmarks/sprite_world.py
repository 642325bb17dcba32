"""Speed of the renderer and of the codec, and the codec's quality on held-out episodes.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=1 python benchmarks/sprite_world.py`` (a quarter minute).
"""

import time

import numpy as np
import torch

from probekit.models.loading import load_codec
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.video_codec import to_uint8_frames, to_unit_range
from probekit.sprite_world.dynamics import MotionState
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.futures import enumerate_futures
from probekit.sprite_world.renderer import render

EPISODES = 60


def main() -> None:
    """Print one line a measurement."""
    started = time.perf_counter()
    clips = [episode("validation", 0, index) for index in range(EPISODES)]
    frames = EPISODES * len(clips[0].frames)
    print(f"episodes with labels: {frames / (time.perf_counter() - started):.0f} frames per second")
    started = time.perf_counter()
    for clip in clips:
        render(clip.scene, clip.labels.position)
    print(f"rendering alone: {frames / (time.perf_counter() - started):.0f} frames per second")
    videos = to_unit_range(torch.from_numpy(np.stack([clip.frames for clip in clips])))
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    latents = codec.encode(videos)
    started = time.perf_counter()
    decoded = torch.cat([codec.decode(one[None]) for one in latents])
    print(f"decoding 81 frames: {(time.perf_counter() - started) / EPISODES * 1000:.1f} ms")
    error = (to_uint8_frames(videos).float() - to_uint8_frames(decoded).float()).square()
    print(
        f"codec on held-out episodes: {10 * torch.log10(255**2 / error.mean((1, 2, 3, 4))).mean():.2f} dB (mean PSNR)"
    )
    state = MotionState(np.asarray(256), np.asarray(200), np.asarray(0))
    for horizon in (12, 24, 36):
        started = time.perf_counter()
        future = enumerate_futures(state, 4.0, horizon)
        seconds = time.perf_counter() - started
        print(f"futures {horizon} frames ahead: {len(future.probability)} states, {seconds:.2f} s")


if __name__ == "__main__":
    main()
