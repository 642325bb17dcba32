"""Prompts as units: means, weights, and which dimensions move together, by hand."""

import numpy as np
import pytest

from probekit.statistics.paired_units import (
    PairedSamples,
    Runs,
    method_means,
    point_means,
    quantity_slopes,
    split_by_dimension,
    split_by_shared_prompts,
    with_composites,
)
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS
from tests.helpers.paired_scores import Constants, plain_composites

NAN = np.nan


def pair(prompts: str, *series: list[list[float]], frames: list[list[float]] | None = None) -> PairedSamples:
    values = np.array(series)
    counted = None if frames is None else np.broadcast_to(np.array(frames), values.shape)
    return PairedSamples(tuple(prompts), values, counted)


def test_a_methods_runs_share_its_weight_and_the_baselines_is_negative() -> None:
    assert Runs(2, 4).signs().tolist() == [0.5, 0.5, -0.25, -0.25, -0.25, -0.25]
    assert Runs().signs().tolist() == [1, -1]
    assert not Runs(2, 2).paired  # whether runs are pairs, nothing but the caller can know


def test_a_prompts_mean_is_over_its_scored_samples() -> None:
    found = pair("abc", [[1.0, NAN, 3.0], [NAN, 5.0, NAN], [NAN, NAN, NAN]]).prompt_means()
    assert found[0, :2].tolist() == [2.0, 5.0]
    assert np.isnan(found[0, 2])


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("prompt-mean", (2 + 7) / 2),  # prompts a and b weigh alike
        ("video-mean", (1 + 3 + 7) / 3),
        ("frame-weighted", (1 * 2 + 3 * 6 + 7 * 4) / 12),
    ],
)
def test_a_dimensions_mean_has_its_weighting(weighting: str, expected: float) -> None:
    samples = pair("ab", [[1.0, 3.0], [7.0, NAN]], [[0.0, 0.0], [0.0, NAN]], frames=[[2, 6], [4, 9]])
    (part,) = split_by_dimension({"color": samples}, weighting)  # type: ignore[arg-type]
    assert part.means()[:, 0].tolist() == pytest.approx([expected, 0.0])


def test_a_prompt_that_one_side_lacks_counts_for_none_where_prompts_weigh_alike() -> None:
    samples = pair("abc", [[1.0], [5.0], [9.0]], [[2.0], [NAN], [4.0]])
    (part,) = split_by_dimension({"color": samples})
    assert part.means()[:, 0].tolist() == [5.0, 3.0]
    assert part.scored_prompts().tolist() == [2]
    (by_video,) = split_by_dimension({"color": samples}, "video-mean")
    assert by_video.means()[:, 0].tolist() == [5.0, 3.0]
    assert by_video.scored_prompts().tolist() == [2]


def test_centred_contributions_are_residuals_over_the_mean_denominator() -> None:
    """Mean 3 by 1·2 + 4·4 over 6: residuals (1 - 3)·2 and (4 - 3)·4 over a mean denominator of 3."""
    samples = pair("ab", [[1.0], [4.0]], [[0.0], [0.0]], frames=[[2], [4]])
    (part,) = split_by_dimension({"color": samples}, "frame-weighted")
    assert part.centred()[0, :, 0].tolist() == pytest.approx([-4 / 3, 4 / 3])
    assert part.centred()[1, :, 0].tolist() == [0, 0]


def test_dimensions_that_share_a_prompt_directly_or_through_others_move_together() -> None:
    one = [[1.0], [2.0]]
    pairs = {name: pair(prompts, one, one) for name, prompts in
             (("color", "ab"), ("scene", "xy"), ("motion", "cd"), ("style", "bc"))}  # fmt: skip
    found = split_by_shared_prompts(pairs)
    assert [part.dimensions for part in found] == [("color", "style", "motion"), ("scene",)]
    assert [part.prompt_ids for part in found] == [tuple("abcd"), tuple("xy")]
    assert [part.dimensions for part in split_by_dimension(pairs)] == [("color",), ("scene",), ("motion",), ("style",)]


def test_scores_stand_in_the_rows_of_their_prompts_and_are_absent_elsewhere() -> None:
    pairs = {"color": pair("ba", [[1.0, 2.0], [3.0, 4.0]]), "scene": pair("bc", [[5.0], [6.0]])}
    (part,) = split_by_shared_prompts(pairs)
    assert part.prompt_ids == ("a", "b", "c")
    np.testing.assert_array_equal(part.samples[0, :, 0], [[3, 4], [1, 2], [NAN, NAN]])
    np.testing.assert_array_equal(part.samples[0, :, 1], [[NAN, NAN], [5, NAN], [6, NAN]])
    np.testing.assert_array_equal(part.numerator[0], [[3.5, 0], [1.5, 5], [0, 6]])
    np.testing.assert_array_equal(part.denominator[0], [[1, 0], [1, 1], [0, 1]])
    assert part.scored_prompts().tolist() == [2, 2]
    assert point_means([part, part]).tolist() == [[2.5, 5.5, 2.5, 5.5]]


def test_dimensions_with_fewer_samples_keep_their_frame_counts() -> None:
    """Three series and four prompts; two samples of 1 and 3 frames beside a dimension with three samples."""
    scores, frames, others = [[0.0, 4.0]] * 4, [[1.0, 3.0]] * 4, [[1.0, 2.0, 6.0]] * 4
    pairs = {
        "color": pair("abcd", scores, scores, scores, frames=frames),
        "scene": pair("abcd", others, others, others),
    }
    (part,) = split_by_shared_prompts(pairs, "frame-weighted")
    assert part.means().tolist() == [[3.0, 3.0]] * 3
    assert part.samples.shape == (3, 4, 2, 3)


def test_a_methods_mean_is_that_of_its_runs() -> None:
    means = np.array([[1.0, 0.0], [3.0, 0.0], [10.0, 1.0]])
    assert method_means(means, Runs(2, 1)).tolist() == [[2.0, 0.0], [10.0, 1.0]]


@pytest.mark.parametrize("constants", [SPRITE_CONSTANTS, VBENCH_CONSTANTS], ids=["sprite", "vbench"])
def test_quantities_are_the_means_and_then_the_composites_and_slopes_their_changes(constants: Constants) -> None:
    dimensions = [constant.dimension for constant in constants]
    middle = {constant.dimension: (constant.low + constant.high) / 2 for constant in constants}
    names, slopes = quantity_slopes(dimensions, constants)
    assert names == (*dimensions, "quality", "semantic", "total")
    base = plain_composites(middle, constants)
    values = with_composites(np.array([list(middle.values())]), dimensions, constants)[0]
    np.testing.assert_allclose(values, [base[name] for name in names])
    np.testing.assert_allclose(with_composites(np.array(list(middle.values())), dimensions, constants), values)
    for column, dimension in enumerate(dimensions):
        moved = plain_composites({**middle, dimension: middle[dimension] + 1e-3}, constants)
        np.testing.assert_allclose(slopes[:, column] * 1e-3, [moved[name] - base[name] for name in names], atol=1e-9)


def test_without_every_dimension_there_are_fewer_composites() -> None:
    quality = [constant.dimension for constant in SPRITE_CONSTANTS if constant.group == "quality"]
    names, slopes = quantity_slopes(quality, SPRITE_CONSTANTS)
    assert names == (*quality, "quality")
    assert slopes.shape == (len(quality) + 1, len(quality))
