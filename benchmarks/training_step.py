"""What precision, attention kernel and compilation do to a training step of the sprite teachers on a CPU.

    OMP_NUM_THREADS=1 python -m benchmarks.training_step

One forward and backward pass of a transformer of 5.1 M parameters (6 heads, 8 layers), on single images and on clips,
each setting in turn in every round; prints the fastest time of each and its ratio to fp32 with torch's own choice of
kernel.
"""

import argparse
import time
from collections.abc import Callable

import torch
from diffusers import WanTransformer3DModel

from probekit.models.presets import SPRITE_TEXT_WIDTH, sprite_transformer_config
from trainer.config.scale import ScaleConfig
from trainer.distributed.sharding import autocast, place
from trainer.distributed.world import SINGLE

SETTINGS = {
    "fp32": ScaleConfig(),
    "fp32, math": ScaleConfig(attention="math"),
    "bf16": ScaleConfig(precision="bf16"),
    "bf16, math": ScaleConfig(precision="bf16", attention="math"),
    "bf16, math, compiled": ScaleConfig(precision="bf16", attention="math", compile=True),
}
BATCHES = {"128 images": (128, 1), "8 clips of 21 latent frames": (8, 21)}


def training_pass(scale: ScaleConfig, batch: int, frames: int, heads: int) -> Callable[[], None]:
    """One forward and backward pass."""
    torch.manual_seed(0)
    model = place(WanTransformer3DModel(**sprite_transformer_config(heads, layers=8)), SINGLE, scale)
    latents, timestep = torch.randn(batch, 16, frames, 8, 8), 1000 * torch.rand(batch)
    text = torch.randn(batch, 16, SPRITE_TEXT_WIDTH)

    def run() -> None:
        model.zero_grad()
        with autocast(SINGLE, scale):
            flow = model(latents, timestep=timestep, encoder_hidden_states=text, return_dict=False)[0]
            loss = flow.float().square().mean()
        loss.backward()

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--heads", type=int, default=6)
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; seconds of a forward and backward pass, fastest of {arguments.rounds}")
    for name, (batch, frames) in BATCHES.items():
        runs = {setting: training_pass(scale, batch, frames, arguments.heads) for setting, scale in SETTINGS.items()}
        fastest = dict.fromkeys(runs, float("inf"))
        for run in runs.values():
            run()  # compiles, and fills what is cached
        for _ in range(arguments.rounds):
            for setting, run in runs.items():
                started = time.perf_counter()
                run()
                fastest[setting] = min(fastest[setting], time.perf_counter() - started)
        for setting, seconds in fastest.items():
            print(f"{name:30} {setting:22} {seconds:6.2f} s  {seconds / fastest['fp32']:.2f}")


if __name__ == "__main__":
    main()
