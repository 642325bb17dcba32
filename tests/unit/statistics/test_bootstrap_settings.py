"""Settings of the bootstrap: the paper's by default, their ranges, and which do not go together."""

from itertools import product
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from probekit.choices import IntervalKind, Resampling, Weighting
from probekit.errors import UserError
from probekit.statistics.bootstrap_settings import BootstrapSettings


def test_by_default_settings_are_those_of_the_paper() -> None:
    assert BootstrapSettings().model_dump() == {
        "resampling": "paper",
        "interval": "percentile",
        "weighting": "prompt-mean",
        "replicates": 10_000,
        "level": 0.95,
    }


@pytest.mark.parametrize("taken", [{"replicates": 2}, {"replicates": 1_000_000}, {"level": 1e-9}, {"level": 1 - 1e-9}])
def test_settings_at_the_edge_are_taken(taken: dict[str, Any]) -> None:
    assert BootstrapSettings(**taken).model_dump(include=set(taken)) == taken


@pytest.mark.parametrize("wrong", [{"replicates": 1}, {"replicates": 1_000_001}, {"level": 0.0}, {"level": 1.0}])
def test_settings_beyond_the_edge_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        BootstrapSettings(**wrong)


@pytest.mark.parametrize(
    ("resampling", "interval", "weighting"),
    list(product(get_args(Resampling), get_args(IntervalKind), get_args(Weighting))),
)
def test_settings_that_have_no_meaning_together_are_refused(resampling: Any, interval: Any, weighting: Any) -> None:
    """Replicates of samples and of runs have no error of their own; samples within prompts weigh alike."""
    settings = BootstrapSettings(resampling=resampling, interval=interval, weighting=weighting)
    no_own_error = interval == "studentised" and resampling not in ("paper", "joint")
    no_weights = resampling == "two-level" and weighting != "prompt-mean"
    if no_own_error or no_weights:
        with pytest.raises(UserError, match="error for each replicate" if no_own_error else f"has no {weighting}"):
            settings.refuse_contradictions()
    else:
        settings.refuse_contradictions()
