"""Which arm's states say more of the future, and which controls that survives: bootstrap over held-out prompts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import pandas as pd

from probekit.probing.probe_settings import (
    CONTROL_TASK,
    COPY,
    CURRENT_LATENTS,
    CURRENT_PIXELS,
    LINEAR,
    MEAN,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
)
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means

REPLICATES = 10_000
LEVEL = 0.95
CONTROLS: Final = (COPY, MEAN, LINEAR, UNTRAINED, CURRENT_LATENTS, CURRENT_PIXELS, SHUFFLED, CONTROL_TASK)
TERCILES: Final = ("still", "medium", "moving")
_AT_A_SITE: Final = frozenset({TRAINED, UNTRAINED, SHUFFLED, CONTROL_TASK})
_HIGHER_IS_BETTER: Final = ("psnr", "ssim", "accuracy")


class ProbeContrast(NamedTuple):
    """One paired difference.

    Attributes:
        contrast: what is subtracted from what.
        arm: the arm whose control it is; None where two arms are compared.
        control: the control that is subtracted; None where two arms are compared.
        site: name of the site.
        depth: relative depth of its block.
        horizon: chunks ahead.
        metric_id: metric.
        estimate: the difference, with its interval.
    """

    contrast: str
    arm: str | None
    control: str | None
    site: str
    depth: float
    horizon: int
    metric_id: str
    estimate: DifferenceEstimate

    @property
    def verdict(self) -> str:
        """What the interval says of the first one: ``better``, ``worse`` or ``open``."""
        difference = self.estimate.difference
        if difference is None or not self.estimate.star:
            return "open"
        higher = self.metric_id.startswith(_HIGHER_IS_BETTER)
        return "better" if (difference > 0) == higher else "worse"


class _Place(NamedTuple):
    site: str
    depth: float
    horizon: int
    metric_id: str


def difference_over_prompts(name: str, a: pd.Series, b: pd.Series, seed: int = 0) -> DifferenceEstimate:
    """Paired bootstrap of mean(a) - mean(b) over the prompts that both have a value for."""
    both = pd.concat([a, b], axis=1, join="inner").dropna().to_numpy(dtype=float).T
    return paired_means(name, *both, rng=generator("probe-bootstrap", seed), replicates=REPLICATES, level=LEVEL)


def mean_over_prompts(name: str, values: pd.Series, seed: int = 0) -> DifferenceEstimate:
    """The mean itself with its interval, by the same bootstrap: its difference from 0."""
    return difference_over_prompts(name, values, 0 * values, seed)


def estimate_fields(estimate: DifferenceEstimate, value: str) -> dict[str, object]:
    """What tables keep of an estimate, its difference under the name `value`."""
    kept = ("low", "high", "star", "n_prompts", "interval", "instead", "reason")
    return {value: estimate.difference} | {name: field for name, field in estimate._asdict().items() if name in kept}


def compare_probes(table: pd.DataFrame, baseline: str, method: str | None = None) -> list[ProbeContrast]:
    """Method against baseline, also by motion; each arm against its controls; the arms' gains and selectivity.

    A prompt's value is the mean over its videos and the probe's seeds.

    Args:
        table: rows of `probe_experiment.judged` of both arms.
        baseline: name of one arm.
        method: name of the other; None shows one arm beside its controls.
    """
    found = []
    named = table.assign(site=table.site.fillna(""))
    means = named.groupby(["arm", "source", "site", "horizon", "metric_id", "prompt_id"]).value.mean()
    arms = (baseline,) if method is None else (baseline, method)
    thirds = motion_thirds(table)
    keys = table[table.source == TRAINED][["site", "depth", "horizon", "metric_id"]].drop_duplicates()
    for site, depth, horizon, metric in keys.astype(object).to_numpy().tolist():
        place = _Place(str(site), float(depth), int(horizon), str(metric))
        values = _values(means, place, arms)
        if method is not None:
            found += list(_between_arms(values, place, baseline, method, thirds))
        found += [contrast for arm in arms for contrast in _against_controls(values, place, arm)]
        if method is not None:
            found += list(_between_gains(values, place, baseline, method))
    return found


def _values(means: pd.Series, place: _Place, arms: Sequence[str]) -> dict[tuple[str, str], pd.Series]:
    """Values by prompt, of every arm and source that has them at a place."""
    found = {}
    for arm in arms:
        for source in (TRAINED, *CONTROLS):
            site = place.site if source in _AT_A_SITE else ""
            try:
                found[arm, source] = means.loc[arm, source, site, place.horizon, place.metric_id]
            except KeyError:  # a control that this target or this metric does not have
                continue
    return found


_Values = Mapping[tuple[str, str], pd.Series]


def _contrast(
    place: _Place, name: str, a: pd.Series, b: pd.Series, arm: str | None = None, control: str | None = None
) -> ProbeContrast:
    return ProbeContrast(name, arm, control, *place, difference_over_prompts(name, a, b))


def _between_arms(
    values: _Values, place: _Place, baseline: str, method: str, thirds: Mapping[str, str]
) -> Iterator[ProbeContrast]:
    both, ours, theirs = f"{method} - {baseline}", values[method, TRAINED], values[baseline, TRAINED]
    yield _contrast(place, both, ours, theirs)
    for third in TERCILES:
        a, b = (one[[thirds[prompt] == third for prompt in one.index]] for one in (ours, theirs))
        yield _contrast(place, f"{both}, {third} prompts", a, b)


def _against_controls(values: _Values, place: _Place, arm: str) -> Iterator[ProbeContrast]:
    for control in CONTROLS:
        if (arm, control) in values:
            yield _contrast(place, f"{arm} - {control}", values[arm, TRAINED], values[arm, control], arm, control)


def _between_gains(values: _Values, place: _Place, baseline: str, method: str) -> Iterator[ProbeContrast]:
    """Differences between arms of what each has beyond a control of its own."""
    both = f"{method} - {baseline}"
    for name, control in ((f"gain over the copy, {both}", COPY), (f"selectivity, {both}", CONTROL_TASK)):
        if all((arm, control) in values for arm in (method, baseline)):
            a, b = (values[arm, TRAINED] - values[arm, control] for arm in (method, baseline))
            yield _contrast(place, name, a, b)


def motion_thirds(table: pd.DataFrame) -> dict[str, str]:
    """The third of each prompt by how much its videos move, all arms together; stillness cannot pass for foresight."""
    videos = table.drop_duplicates(["arm", "prompt_id", "sample"])
    motion = videos.groupby("prompt_id").motion.mean().sort_values(kind="stable")
    count = len(motion)
    return {str(prompt): TERCILES[3 * rank // count] for rank, prompt in enumerate(motion.index)}


def seed_spread(table: pd.DataFrame) -> pd.DataFrame:
    """How much a probe depends on its seed: standard deviation, over seeds, of the mean over prompts."""
    keys = ["arm", "site", "horizon", "metric_id"]
    prompts = table[table.source == TRAINED].groupby([*keys, "probe_seed", "prompt_id"]).value.mean()
    means = prompts.groupby([*keys, "probe_seed"]).mean()
    spread = means.groupby(keys).agg(["mean", "std", "count"]).reset_index()
    return spread.rename(columns={"std": "spread_over_seeds", "count": "seeds"})


def contrast_table(contrasts: Sequence[ProbeContrast]) -> pd.DataFrame:
    """One row per contrast, with interval, star and verdict."""
    fields = (
        "a",
        "b",
        "difference",
        "standard_error",
        "low",
        "high",
        "star",
        "n_prompts",
        "interval",
        "instead",
        "reason",
    )
    rows = [
        {
            "contrast": item.contrast,
            "arm": item.arm,
            "control": item.control,
            "site": item.site,
            "depth": item.depth,
            "horizon_chunks": item.horizon,
            "metric_id": item.metric_id,
            "verdict": item.verdict,
            **{name: value for name, value in item.estimate._asdict().items() if name in fields},
        }
        for item in contrasts
    ]
    return pd.DataFrame(rows)
