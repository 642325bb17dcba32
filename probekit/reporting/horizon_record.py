"""The one model behind the tables and figures of long-horizon diagnostics."""

from typing import NamedTuple

from probekit.evaluation.long_horizon.diagnosis import DiagnosisSettings, VideoDiagnosis


class ChangeRow(NamedTuple):
    """Change of one quantity from the first to the last seconds.

    Attributes:
        label: model whose change it is.
        baseline: model whose change was subtracted; None for a change itself.
        quantity: one of `QUANTITIES`.
        first: mean of the first seconds over prompts; None for a difference of changes.
        last: mean of the last seconds.
        change: last minus first, or the difference of two changes.
        standard_error: standard error over prompts.
        low: lower end of the 95 % interval.
        high: upper end.
        star: the interval exists and excludes 0.
        n_prompts: prompts behind it.
        reason: why there is no interval.
        interval: what kind it is; None without one.
        instead: why it is not a percentile interval; None where it is.
    """

    label: str
    baseline: str | None
    quantity: str
    first: float | None
    last: float | None
    change: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    star: bool
    n_prompts: int
    reason: str | None
    interval: str | None = None
    instead: str | None = None


class HorizonRecord(NamedTuple):
    """Diagnostics of several models' videos.

    Attributes:
        labels: models, the baseline first.
        diagnoses: one per video.
        changes: quantity by quantity: each label's change, then differences from the first label's.
        settings: chunk length and window.
        seed: seed of the resampling.
        replicates: replicates of the resampling.
    """

    labels: tuple[str, ...]
    diagnoses: tuple[VideoDiagnosis, ...]
    changes: tuple[ChangeRow, ...]
    settings: DiagnosisSettings
    seed: int
    replicates: int
