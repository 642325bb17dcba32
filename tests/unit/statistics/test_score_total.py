"""One function makes every Total: of a table, of a run, of the two sides of a comparison."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_arrays import read_columns
from probekit.statistics.score_comparison import compare_score_tables
from probekit.statistics.score_total import score_total, total_of_table
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS
from tests.helpers.paired_scores import Constants, plain_composites

SUITES = {"vbench": VBENCH_CONSTANTS, "sprite": SPRITE_CONSTANTS}
Columns = dict[str, list[Any]]


def long_table(constants: Constants, seed: int, models: tuple[str, ...] = ("base", "ours")) -> Columns:
    """Clips of videos of prompts, some without a score; prompts have one to three videos of one or two clips."""
    rng = generator("long table", seed)
    videos = [(prompt, sample) for prompt in range(8) for sample in range(1 + prompt % 3)]
    sizes = [(prompt, sample, clip) for prompt, sample in videos for clip in range(1 + sample % 2)]
    rows = []
    for model in models:
        for constant in constants:
            for prompt, sample, clip in sizes:
                value = float(constant.low + (constant.high - constant.low) * rng.random())
                lost = sample > 0 and rng.random() < 0.3
                frames = float(rng.integers(10, 80))
                rows.append(
                    {
                        "model": model, "training_run": "r", "suite": "s", "horizon": "5s", "prompt_id": f"p{prompt}",
                        "sample": sample, "clip": clip, "dimension": constant.dimension,
                        "value": None if lost else value, "reason": "hidden" if lost else None,
                        "numerator": None if lost else value * frames, "denominator": None if lost else frames,
                    }
                )  # fmt: skip
    return {name: [one[name] for one in rows] for name in rows[0]}


def plain_mean(table: Columns, model: str, dimension: str, weighting: Weighting, by_frames: bool) -> float:
    videos: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for i, value in enumerate(table["value"]):
        if (table["model"][i], table["dimension"][i]) == (model, dimension) and value is not None:
            key = (table["prompt_id"][i], table["sample"][i])
            videos.setdefault(key, []).append((value, table["denominator"][i]))
    means = {key: (np.mean([v for v, _ in clips]), sum(f for _, f in clips)) for key, clips in videos.items()}
    if weighting == "prompt-mean":
        prompts = sorted({prompt for prompt, _ in means})
        return float(np.mean([np.mean([m for (p, _), (m, _) in means.items() if p == prompt]) for prompt in prompts]))
    weights = [frames if weighting == "frame-weighted" and by_frames else 1.0 for _, frames in means.values()]
    return float(np.average([mean for mean, _ in means.values()], weights=weights))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("weighting", get_args(Weighting))
def test_totals_are_those_of_sums_written_out(suite: str, weighting: Weighting) -> None:
    constants = SUITES[suite]
    table = long_table(constants, 1, models=("base",))
    found = total_of_table(table, constants, weighting)
    means = {c.dimension: plain_mean(table, "base", c.dimension, weighting, c.pooling == "frames") for c in constants}
    assert found.by_name() == pytest.approx(plain_composites(means, constants))
    assert found.weighting == weighting


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), weighting=st.sampled_from(get_args(Weighting)), suite=st.sampled_from(sorted(SUITES)))
def test_a_comparison_shows_the_totals_of_its_sides(seed: int, weighting: Weighting, suite: str) -> None:
    constants = SUITES[suite]
    table = long_table(constants, seed)
    chosen = BootstrapSettings(weighting=weighting, replicates=2)
    (compared,) = compare_score_tables(table, "base", ["ours"], constants, settings=chosen)
    columns = read_columns(table)
    for model, side in (("ours", "a"), ("base", "b")):
        total = score_total(columns.of_method(Method(model, "r")), constants, weighting).by_name()
        assert {one.name: getattr(one, side) for one in compared.bootstrap.estimates()} == pytest.approx(total)


def test_a_missing_dimension_gives_no_total_and_is_named() -> None:
    table = long_table(SPRITE_CONSTANTS[1:], 2, models=("base",))
    found = total_of_table(table, SPRITE_CONSTANTS)
    assert found.means[SPRITE_CONSTANTS[0].dimension] is None
    assert (found.aggregate.total, found.aggregate.missing) == (None, (SPRITE_CONSTANTS[0].dimension,))


def test_several_runs_have_no_one_total() -> None:
    with pytest.raises(UserError, match="several values of model: base, ours"):
        total_of_table(long_table(SPRITE_CONSTANTS, 3), SPRITE_CONSTANTS)


def test_scores_that_a_formula_cannot_give_are_refused() -> None:
    table = long_table(SPRITE_CONSTANTS, 4, models=("base",))
    table["value"][0] = 50.0
    with pytest.raises(UserError, match="its formula gives 0 to 1"):
        total_of_table(table, SPRITE_CONSTANTS)


@pytest.mark.parametrize("wrong", [1.2, -0.2])
def test_one_score_that_its_formula_cannot_give_is_refused_though_the_mean_could_be_given(wrong: float) -> None:
    table = long_table(SPRITE_CONSTANTS, 4, models=("base",))
    dimension = table["dimension"][-1]
    for place, name in enumerate(table["dimension"]):
        if name == dimension and table["value"][place] is not None:
            table["value"][place] = 0.5
    table["value"][-1] = wrong
    with pytest.raises(UserError, match=f"{dimension}.*its formula gives 0 to 1"):
        total_of_table(table, SPRITE_CONSTANTS)


def test_a_dimension_without_any_score_is_missing_not_impossible() -> None:
    table = long_table(SPRITE_CONSTANTS, 4, models=("base",))
    dimension = table["dimension"][0]
    for place, name in enumerate(table["dimension"]):
        if name == dimension:
            table["value"][place], table["reason"][place] = None, "hidden"
    found = total_of_table(table, SPRITE_CONSTANTS)
    assert (found.means[dimension], found.aggregate.missing) == (None, (dimension,))
