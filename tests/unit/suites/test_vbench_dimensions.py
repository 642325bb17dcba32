"""One row a dimension of VBench: every backend, the constants and the result files say what the row says."""

import math

import pytest

from probekit.errors import UserError
from probekit.evaluation.aggregation import check_possible
from probekit.evaluation.scorer import Scorer
from probekit.evaluation.vbench.fast.dimensions import FAST
from probekit.evaluation.vbench.fast.engine import FastEngine
from probekit.evaluation.vbench.fast.scorers import FastScorer
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.evaluation.vbench.official.records import score_of
from probekit.evaluation.vbench.official.scorers import OfficialScorer
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING
from probekit.evaluation.vbench.weights import WEIGHTS
from probekit.run_folder.score_range import RANGE_TOLERANCE, in_range
from probekit.suites.dimension_constants import VBENCH, VBENCH_CONSTANTS

COSINES = {"appearance_style", "temporal_style", "overall_consistency"}
REGRESSIONS = {"aesthetic_quality", "imaging_quality"}
FRAME_POOLED = {
    "subject_consistency", "background_consistency", "object_class", "multiple_objects", "spatial_relationship",
    "scene", "appearance_style",
}  # fmt: skip
OWN_ENVIRONMENT = {"object_class", "multiple_objects", "color", "spatial_relationship", "scene"}


def backends(dimension: str) -> list[Scorer]:
    """Every scorer of the house for a dimension."""
    made: list[Scorer] = [OfficialScorer(VBENCH[dimension])]
    if dimension in FAST:
        made.append(FastScorer(dimension, FastEngine(frozenset({dimension}), FastSettings())))
    return [*made, TEMPORAL_FLICKERING] if dimension == TEMPORAL_FLICKERING.dimension else made


@pytest.mark.parametrize("dimension", VBENCH)
def test_all_backends_and_the_constants_agree_in_unit_range_and_pooling(dimension: str) -> None:
    row = VBENCH[dimension]
    scorers = backends(dimension)
    assert {(scorer.dimension, scorer.unit, scorer.range) for scorer in scorers} == {(dimension, row.unit, row.range)}
    (constant,) = (constant for constant in VBENCH_CONSTANTS if constant.dimension == dimension)
    bounds = tuple(None if math.isinf(bound) else bound for bound in row.range)
    assert (constant.floor, constant.ceiling, constant.pooling) == (*bounds, row.pooling)
    assert constant[1:5] == (row.group, row.low, row.high, row.weight)


def test_units_ranges_and_pooling_are_those_of_the_official_formulas() -> None:
    for name, row in VBENCH.items():
        unit, bounds = ("cosine", (-1, 1)) if name in COSINES else ("fraction", (0, 1))
        expected = ("score", (-math.inf, math.inf)) if name in REGRESSIONS else (unit, bounds)
        assert (row.unit, row.range) == expected, name
        assert row.pooling == ("frames" if name in FRAME_POOLED else "videos"), name
        assert row.place == ("own" if name in OWN_ENVIRONMENT else "here"), name
        assert row.min_frames == {"motion_smoothness": 3, **dict.fromkeys(PAIRED, 2)}.get(name, 1), name


PAIRED = ("subject_consistency", "background_consistency", "temporal_flickering")


def test_every_dimension_but_flickering_has_weights() -> None:
    assert [name for name, files in WEIGHTS.items() if not files] == [TEMPORAL_FLICKERING.dimension]
    assert list(WEIGHTS) == list(VBENCH)


def test_one_tolerance_holds_for_rows_means_and_result_files() -> None:
    (constant,) = (constant for constant in VBENCH_CONSTANTS if constant.dimension == "subject_consistency")
    for excess, legal in ((0.9 * RANGE_TOLERANCE, True), (1.1 * RANGE_TOLERANCE, False)):
        assert in_range(1.0 + excess, 0.0, 1.0) is legal
        assert in_range(-excess, 0.0, 1.0) is legal
        for check in (
            lambda value: check_possible({constant.dimension: value}, [constant]),
            lambda value: score_of(constant.dimension, {"video_results": value}),
        ):
            if legal:
                check(1.0 + excess)
            else:
                with pytest.raises(UserError, match="subject_consistency"):
                    check(1.0 + excess)
    assert not in_range(math.nan, -math.inf, math.inf)
