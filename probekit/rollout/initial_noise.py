"""The noise that a video starts from, drawn chunk by chunk so that streaming and whole-clip samplers share it."""

import numpy as np
import torch
from torch import Tensor

from probekit.geometry import LatentGeometry
from probekit.run_folder.sample_key import SampleKey
from probekit.seeding import noise


def initial_noise(geometry: LatentGeometry, latent_frames: int, run_seed: int, key: SampleKey) -> Tensor:
    """Standard normal latents (C, L, h, w) float32 of one video.

    Args:
        geometry: gives the latent size and the chunk length; the last chunk may be shorter.
        latent_frames: L.
        run_seed: seed of the whole run.
        key: prompt and sample of the video.
    """
    chunk = geometry.chunk_frames
    shape = (geometry.latent_channels, chunk, geometry.latent_height, geometry.latent_width)
    chunks = [
        noise(shape, run_seed=run_seed, prompt_id=key.prompt_id, sample=key.sample, chunk=index, step=0)
        for index in range(-(-latent_frames // chunk))
    ]
    return torch.from_numpy(np.concatenate(chunks, axis=1)[:, :latent_frames])
