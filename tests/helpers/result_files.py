"""Folders of VBench's own result files, of VBench's prompts or of others."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from probekit.seeding import generator
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

_THINGS = ("cup", "book", "lamp", "clock", "pear", "shoe", "plant", "phone", "brush", "candle")
OTHER_PROMPTS = tuple(f"a {thing} on a table" for thing in _THINGS)


def write_results(folder: Path, scores: Mapping[str, Mapping[str, Sequence[float | bool]]]) -> Path:
    """Write scores (videos of each prompt of each dimension) as `m_eval_results.json`; returns the folder."""
    content = {}
    for dimension, of_prompts in scores.items():
        entries = [
            {"video_path": f"/videos/{text}-{i}.mp4", "video_results": value}
            for text, values in of_prompts.items()
            for i, value in enumerate(values)
        ]
        content[dimension] = [float(np.mean([entry["video_results"] for entry in entries])), entries]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m_eval_results.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def vbench_scores(
    texts: Callable[[str], Sequence[str]], seed: int, shift: float = 0.0, samples: int = 5
) -> dict[str, dict[str, list[float | bool]]]:
    """Scores of all sixteen dimensions around 0.83 of each range.

    Args:
        texts: prompts of a dimension.
        seed: seed of the noise.
        shift: amount that is added, in parts of the range.
        samples: videos of a prompt.
    """
    found: dict[str, dict[str, list[float | bool]]] = {}
    for constant in VBENCH_CONSTANTS:
        rng = generator("results", seed, constant.dimension)
        found[constant.dimension] = {}
        for text in texts(constant.dimension):
            values: list[float | bool] = []
            for relative in 0.83 + shift + rng.normal(0, 0.02, samples):
                value = float(constant.low + (constant.high - constant.low) * relative)
                if constant.dimension in ("dynamic_degree", "human_action"):
                    values.append(bool(rng.random() < 0.83 + shift))
                else:
                    values.append(100 * value if constant.dimension == "imaging_quality" else value)
            found[constant.dimension][text] = values
    return found
