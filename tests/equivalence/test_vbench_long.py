"""Clip boundaries and fusion against VBench-Long's own functions, taken out of the installed package.

Its module cannot be imported beside today's torchvision, so the two functions are compiled from its source by name.
"""

import ast
import importlib.util
import os
from bisect import bisect_left
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from probekit.evaluation.clips import clip_spans
from probekit.evaluation.vbench.slow_fast import read_mapping_table, slow_fast
from probekit.seeding import generator


def official_functions(*names: str, **scope: Any) -> dict[str, Any]:
    spec = importlib.util.find_spec("vbench2_beta_long")
    if spec is None or spec.origin is None:
        pytest.skip("needs the vbench package")
    tree = ast.parse((Path(spec.origin).parent / "utils.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    assert len(tree.body) == len(names)
    namespace: dict[str, Any] = {"os": os, "print": lambda *_: None, **scope}
    exec(compile(tree, "vbench2_beta_long/utils.py", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("fps", [8.0, 16.0, 23.976])
@pytest.mark.parametrize("n_frames", [1, 15, 16, 31, 32, 33, 64, 81, 97, 489, 501])
def test_boundaries(n_frames: int, fps: float, tmp_path: Path) -> None:
    written: list[tuple[int, int]] = []

    def record(_path: str, frames: torch.Tensor, fps: int) -> None:
        numbers = frames.flatten().tolist()
        assert fps == int(fps)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        written.append((numbers[0], numbers[-1] + 1))

    official = official_functions(
        "split_video_into_clips",
        get_video_properties=lambda _: {"fps": int(fps)},
        load_video=lambda *_, **__: torch.arange(n_frames).reshape(-1, 1, 1, 1),
        write_video=record,
    )
    official["split_video_into_clips"]("a.mp4", str(tmp_path), duration=2)
    assert list(clip_spans(n_frames, fps, "vbench-long")) == written


@pytest.mark.parametrize("dimension", ["subject_consistency", "background_consistency"])
@pytest.mark.parametrize("dev_flag", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_fusion(dimension: str, dev_flag: bool, seed: int, tmp_path: Path) -> None:
    rng = generator("vbench-long", seed)
    short = "sb" if dimension == "subject_consistency" else "bg"
    # The official table has 101 knots from 0 to 1 and rises; its numbers are VBench's own and not in the package.
    knots = dict(zip((k / 100 for k in range(101)), sorted(map(float, rng.random(101))), strict=True))
    table, params = tmp_path / "table.yaml", tmp_path / "params.yaml"
    table.write_text(yaml.safe_dump(knots))
    params.write_text(yaml.safe_dump({f"w_inclip_{short}": 0.5, f"w_clip2clip_{short}": 0.5}))
    clips, firsts = [rng.random((5, 6)) for _ in range(3)], rng.random((3, 6))
    weights = (0.5, 0.5) if dev_flag else (1.0, 0.0)
    ours = slow_fast(clips, firsts, read_mapping_table(table), w_inclip=weights[0], w_clip2clip=weights[1])
    official = official_functions("linear_interpolate", "fuse_inclip_clip2clip", yaml=yaml, bisect_left=bisect_left)
    score, _ = official["fuse_inclip_clip2clip"](
        ours.inclip,
        ours.clip2clip,
        [{"video_path": "a.mp4", "video_results": ours.inclip}],
        [{"video_path": "a.mp4", "video_results": ours.clip2clip}],
        dimension,
        slow_fast_eval_config=str(params),
        dev_flag=dev_flag,
        w_inclip=1.0,
        w_clip2clip=0.0,
        **{f"{short}_mapping_file_path": str(table)},
    )
    assert ours.fused == pytest.approx(score, abs=1e-12)
