"""The one model behind every table, figure and page of a comparison: plain rows in percent, and what produced them."""

from typing import Any, Literal

from pydantic import model_validator

from probekit.config import StrictModel
from probekit.run_folder.protocol_card import ProtocolCard
from probekit.suites.dimension_constants import Group, Pooling

RowGroup = Literal["quality", "semantic", "single", "aggregate"]


class VideoCoverage(StrictModel):
    """How many of a model's videos have a score."""

    scored: int
    planned: int


class ComparisonRow(StrictModel):
    """One quantity of one method against the baseline; scores in percent, 0..100 as VBench prints them."""

    quantity: str
    """A dimension, or ``quality``, ``semantic``, ``total``."""
    group: RowGroup
    method: str
    baseline_mean: float | None
    method_mean: float | None
    difference: float | None
    """Method minus baseline."""
    standard_error: float | None
    low: float | None
    """Ends of the interval of the difference."""
    high: float | None
    star: bool
    """The interval exists and excludes 0."""
    n_prompts: int
    """Prompts that both have a score for; for an aggregate, those of its smallest dimension."""
    baseline_videos: VideoCoverage | None
    """None for an aggregate."""
    method_videos: VideoCoverage | None
    reason: str | None
    """Why there is no value or no interval."""
    closed_form_error: float | None = None
    """The standard error worked out without resampling."""
    interval: str | None = None
    """What kind of interval it is; None without one, and in records that do not tell."""
    instead: str | None = None
    """Why it is not the kind that was asked for; None where it is."""
    p_value: float | None = None
    """Two-sided, over training runs and prompts; None where runs are not resampled, and in earlier records."""


class DimensionNotRun(StrictModel):
    """A dimension of the suite that has no scores here."""

    dimension: str
    reason: str


class ProtocolMismatch(StrictModel):
    """A scoring field in which a method's protocol differs from the baseline's."""

    method: str
    field: str
    baseline_value: str | int | float | bool | None
    method_value: str | int | float | bool | None


class ConstantRow(StrictModel):
    """Normalisation of one dimension, as `DimensionConstant`."""

    dimension: str
    group: Group
    low: float
    high: float
    weight: float
    source: str
    floor: float | None = None
    ceiling: float | None = None
    pooling: Pooling = "videos"


class ComparisonSettings(StrictModel):
    """Everything that decides the numbers beside the scores themselves."""

    suite: str
    horizon: str
    seed: int
    replicates: int
    level: float
    resampling: str = "paper"
    interval: str = "percentile"
    weighting: str = "prompt-mean"
    constants: tuple[ConstantRow, ...]

    @model_validator(mode="before")
    @classmethod
    def _read_former_name(cls, values: Any) -> Any:
        """Records of earlier versions say `pooled`, which only told whether videos were weighed alike."""
        if isinstance(values, dict) and "pooled" in values:
            rest = {name: value for name, value in values.items() if name != "pooled"}
            return {"weighting": "video-mean" if values["pooled"] else "prompt-mean", **rest}
        return values


class ComparisonRecord(StrictModel):
    """A stored comparison of one or more methods with a baseline; rows quantity by quantity, methods inside."""

    baseline: str
    methods: tuple[str, ...]
    settings: ComparisonSettings
    rows: tuple[ComparisonRow, ...]
    not_run: tuple[DimensionNotRun, ...]
    mismatches: tuple[ProtocolMismatch, ...]
    protocols: dict[str, ProtocolCard]
    score_files: dict[str, str]
    """SHA-256 of each score file that was read."""
    command: str

    def models(self) -> tuple[str, ...]:
        """The baseline, then the methods."""
        return (self.baseline, *self.methods)

    def banner(self) -> str | None:
        """The line that stands in every table when protocols differ in a scoring field; None when they agree."""
        if not self.mismatches:
            return None
        fields = ", ".join(dict.fromkeys(mismatch.field for mismatch in self.mismatches))
        return f"PROTOCOLS DIFFER in {fields}: the difference may come from the protocol and not from the models."
