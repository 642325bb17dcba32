"""Step 7: the sprite chain's trainings with the time that is left; the same call goes on where the last one ended."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.gpu.measuring import markdown_table
from benchmarks.gpu.sizes import Sizes
from trainer.reproduce import reproduce

_ROOT: Final = Path(__file__).parents[2]
_SAVING_SECONDS: Final = 45.0
"""Time for a run that is told to stop: its step, its checkpoint and its export."""
_ONE_STEP: Final = "phases=[{steps: 1, latent_frames: 1, batch_size: 2}]"
_NO_SCHEDULE: Final = ("optimizer.warmup_steps=0", "optimizer.decay_steps=0")
_SHORT: Final = ("steps=1", "batch_size=1")
SMALLEST: Final = {
    "sprite-base": ("model.heads=1", "model.layers=2", _ONE_STEP, "scale={}", *_NO_SCHEDULE),
    "sprite-large": ("model.heads=1", "model.layers=4", _ONE_STEP, "scale={}", *_NO_SCHEDULE),
    "sprite-ar": (*_SHORT, "latent_frames=6", *_NO_SCHEDULE),
    "sprite-trajectories": ("shards=1", "clips_per_shard=1", "euler_steps=4"),
    "sprite-ode": (*_SHORT, *_NO_SCHEDULE),
    "sprite-dmd-baseline": (*_SHORT, "latent_frames=6", "critic_updates=1", *_NO_SCHEDULE),
    "sprite-dmd-foresight": (
        *_SHORT, "latent_frames=6", "critic_updates=1", "foresight.predictor_heads=1", *_NO_SCHEDULE,
    ),
}  # fmt: skip


def command(sizes: Sizes, out: Path) -> list[str]:
    """The command that trains the chain, at a size that suits the device."""
    if sizes.device.startswith("cuda"):
        return [sys.executable, "-m", "trainer", "reproduce", "--scale", "sprite", "--out", str(out)]
    return [sys.executable, "-m", "benchmarks.gpu.chain", str(out)]


def run(sizes: Sizes, out: Path, seconds: float) -> str:
    """Train until the time is up; SIGTERM lets the run save its state and its export.

    Raises:
        RuntimeError: if the training failed.
    """
    folder = out / "sprite"
    child = subprocess.Popen(command(sizes, folder), cwd=_ROOT)
    try:
        code = child.wait(timeout=max(1.0, seconds - _SAVING_SECONDS))
        ended = "is complete"
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        code, ended = (
            child.wait(timeout=2 * _SAVING_SECONDS),
            "was stopped when the time was up; the same command goes on",
        )
    if code:
        raise RuntimeError(f"the training of the chain ended with exit status {code}")
    done = [[path.parent.name, str(sum(1 for _ in path.open()))] for path in sorted(folder.glob("*/metrics.jsonl"))]
    return markdown_table(["run", "log records"], done) + f"\nThe chain {ended}.\n"


if __name__ == "__main__":
    complete = reproduce("sprite", Path(sys.argv[1]), changes=SMALLEST, shards=1, codec_episodes=4, text_steps=1)
    sys.exit(not complete)
