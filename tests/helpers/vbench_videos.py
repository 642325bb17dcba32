"""Small video sets of the suite vbench, for tests."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from probekit.media.video_files import write_video
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import GenerationCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import VideoRow, describe_video, video_path
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.suites.vbench import vbench_prompts

TEXTS = dict(vbench_prompts())


def small_vbench(prompt_ids: Iterable[str], samples: int = 2) -> Suite:
    """The suite vbench cut to some entries."""
    suite, kept = load_suite("vbench"), set(prompt_ids)
    return suite._replace(prompts=tuple(p for p in suite.prompts if p.prompt_id in kept), samples=samples)


def write_different_video(path: Path, seed: int) -> None:
    """Write two frames of noise that no other seed gives."""
    frames = np.random.default_rng(seed).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    write_video(path, frames, 16.0)


def write_run(root: Path, suite: Suite) -> list[VideoRow]:
    """Write a run folder with every video of a suite."""
    rows = []
    for number, key in enumerate(suite.keys()):
        write_different_video(root / video_path(key), number)
        rows.append(_row(root, key))
    write_manifest(root, rows)
    generation = GenerationCard(model="tiny", frames=2, fps=16.0, height=16, width=16)
    write_protocol(root, ProtocolCard(prompts=suite.card(), generation=generation))
    return rows


def _row(root: Path, key: SampleKey) -> VideoRow:
    return describe_video(
        root,
        video_path(key),
        key,
        model="tiny",
        training_run="r0",
        horizon="5s",
        prompt=TEXTS[key.prompt_id],
    )
