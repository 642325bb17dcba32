"""Slow-fast consistency against the official arithmetic, written out frame by frame."""

from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.evaluation.clips import clip_spans
from probekit.evaluation.vbench.slow_fast import (
    MappingTable,
    consistency,
    read_mapping_table,
    slow_fast,
    slow_fast_video,
)
from probekit.seeding import generator

KNOTS = {0.0: 0.0, 0.4: 0.7, 0.9: 0.95, 1.0: 1.0}


def features(*name: str | int, frames: int = 5) -> np.ndarray:
    return generator("slow-fast", *name).normal(size=(frames, 8)).astype(np.float32) + 0.7


def official_consistency(vectors: np.ndarray) -> float:
    def cos(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    terms = [
        (max(0.0, cos(vectors[i - 1], vectors[i])) + max(0.0, cos(vectors[0], vectors[i]))) / 2
        for i in range(1, len(vectors))
    ]
    return sum(terms) / len(terms)


def official_map(score: float) -> float:
    keys = sorted(KNOTS)
    index = bisect_left(keys, score)
    if index in (0, len(keys)):
        return KNOTS[keys[min(index, len(keys) - 1)]]
    low, high = keys[index - 1], keys[index]
    return KNOTS[low] + (KNOTS[high] - KNOTS[low]) * (score - low) / (high - low)


@pytest.mark.parametrize("seed", range(5))
def test_consistency_is_the_official_formula(seed: int) -> None:
    assert consistency(features(seed)) == pytest.approx(official_consistency(features(seed)), abs=1e-6)


@given(score=st.floats(-0.5, 1.5))
def test_mapping_is_the_official_interpolation(score: float) -> None:
    assert MappingTable.of(KNOTS).at(score) == pytest.approx(official_map(score))


@pytest.mark.parametrize(("inside", "across"), [(1.0, 0.0), (0.5, 0.5), (0.2, 0.8)])
def test_fusion_weighs_both_parts(inside: float, across: float) -> None:
    clips, firsts = [features("clip", i) for i in range(3)], features("first", frames=3)
    score = slow_fast(clips, firsts, MappingTable.of(KNOTS), w_inclip=inside, w_clip2clip=across)
    assert score.inclip == pytest.approx(np.mean([official_consistency(clip) for clip in clips]), abs=1e-6)
    assert score.clip2clip == pytest.approx(official_consistency(firsts), abs=1e-6)
    assert score.fused == pytest.approx(inside * score.inclip + across * official_map(score.clip2clip or 0.0))


def test_without_a_table_only_the_default_weights_work() -> None:
    clips, firsts = [features(0), features(1)], features(2, frames=2)
    assert slow_fast(clips, firsts).fused == slow_fast(clips, firsts).inclip
    with pytest.raises(UserError, match="mapping table"):
        slow_fast(clips, firsts, w_inclip=0.5, w_clip2clip=0.5)


def test_one_clip_has_no_clip_to_clip_score() -> None:
    score = slow_fast([features(0)], features(1, frames=1), w_inclip=0.5, w_clip2clip=0.5)
    assert (score.clip2clip, score.mapped, score.fused) == (None, None, score.inclip)


def test_a_mapped_zero_counts_as_absent() -> None:
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    score = slow_fast([features(0), features(1)], opposite, MappingTable.of(KNOTS), w_inclip=0.5, w_clip2clip=0.5)
    assert (score.clip2clip, score.fused) == (0.0, score.inclip)


def test_table_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("0.0: 0.0\n0.5: 0.8\n1.0: 1.0\n")
    assert read_mapping_table(path).at(0.25) == pytest.approx(0.4)


@pytest.mark.parametrize("text", ["- 1\n", "a: b\n", "0.5: 0.1\n", "0.0: .nan\n1.0: 1\n", "{"])
def test_what_is_no_table_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"table\.yaml"):
        read_mapping_table(path)


def test_bad_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="frame 1"):
        consistency(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(UserError, match="T >= 2"):
        consistency(np.ones((1, 4)))
    with pytest.raises(UserError, match="one for each clip"):
        slow_fast([features(0), features(1)], features(2, frames=3))
    with pytest.raises(UserError, match="There is no mapping table"):
        read_mapping_table(tmp_path / "absent.yaml")


def test_a_video_is_cut_by_the_clip_rule() -> None:
    vectors, spans = features("video", frames=81), clip_spans(81, 16.0, "vbench-long")
    table = MappingTable.of(KNOTS)
    found = slow_fast_video(vectors, spans, table=table, w_inclip=0.5, w_clip2clip=0.5)
    clips = [vectors[0:32], vectors[32:64], vectors[49:81]]
    assert found == slow_fast(clips, vectors[[0, 32, 49]], table, w_inclip=0.5, w_clip2clip=0.5)
    other = features("another encoder", frames=3)
    assert slow_fast_video(vectors, spans, other).clip2clip == consistency(other)
    with pytest.raises(UserError, match="end at frame 81"):
        slow_fast_video(vectors[:80], spans)
