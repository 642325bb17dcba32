"""How long a command takes: from what was measured, with the place of the measurement; else it says that it is unknown.

Trainings of the sprite scale are timed by the cards of the shipped models, those of Wan by their operations at a stated
speed. Everything else is timed by `rates.yaml`.
"""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field

from probekit.config import StrictModel, load_config
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.user_files.json_files import read_json_object
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import DmdConfig, StageConfig
from trainer.planning.recipe import operations_of
from trainer.planning.trajectories import solver_operations, solver_plan

RATES: Final = Path(__file__).with_name("rates.yaml")
_CARDS: Final = {
    "ar_finetune": "sprite-ar", "causal_ode": "sprite-ode", "asymmetric_dmd": "sprite-dmd-baseline",
    "asymmetric_dmd with foresight": "sprite-dmd-foresight",
}  # fmt: skip
_HOUR: Final = 3600.0
TERA: Final = 1e12
ASSUMED_SPEED: Final = 400 * TERA
"""Operations per second of one GPU in training: two fifths of what an H100 can do in half precision. Not measured."""


class Estimate(NamedTuple):
    """A time and where it comes from.

    Attributes:
        seconds: wall time; None where nobody has measured.
        basis: measurement that it rests on, or why there is none.
    """

    seconds: float | None
    basis: str


UNKNOWN: Final = Estimate(None, "not measured")


class Rate(StrictModel):
    """A measured time per unit of work.

    Attributes:
        seconds: seconds per unit.
        unit: what is counted.
        source: command and machine.
    """

    seconds: float = Field(gt=0)
    unit: str
    source: str


class Rates(StrictModel):
    """Measured rates by scale, then by kind of work."""

    scales: dict[str, dict[str, Rate]]


@cache
def measured_rates() -> Rates:
    """What `rates.yaml` says."""
    return load_config(RATES, Rates)


def estimate_of(scale: str, work: str, units: float) -> Estimate:
    """Time of some units of work, such as videos of a suite."""
    rate = measured_rates().scales.get(scale, {}).get(work)
    return UNKNOWN if rate is None else Estimate(units * rate.seconds, rate.source)


def training_estimate(scale: str, config: StageConfig | TrajectoryConfig, processes: int) -> Estimate:
    """Time of a whole stage: measured at the sprite scale, elsewhere from its operations at an assumed speed."""
    if scale != "sprite":
        speed = processes * ASSUMED_SPEED
        return Estimate(
            _operations(config) / speed, f"operations at {ASSUMED_SPEED / TERA:.0f} TFLOP/s per GPU, assumed"
        )
    if isinstance(config, TrajectoryConfig):
        return estimate_of(scale, "trajectory", config.shards * config.clips_per_shard)
    foresight = isinstance(config, DmdConfig) and config.foresight is not None
    card = _CARDS.get(f"{config.stage}{' with foresight' if foresight else ''}")
    if card is None:
        return UNKNOWN
    hours, steps = _measured_training(card)
    return Estimate(config.total_steps * hours * _HOUR / steps, f"model card of {card}")


def _operations(config: StageConfig | TrajectoryConfig) -> float:
    """Operations of a whole stage, as executed."""
    if isinstance(config, TrajectoryConfig):
        return config.shards * config.clips_per_shard * solver_operations(config, solver_plan(config))
    parts = operations_of(config)
    return config.total_steps * parts.get("cycle", parts.get("update", 0.0))


@cache
def _measured_training(model: str) -> tuple[float, int]:
    """Hours and steps of a shipped model's training, from its card."""
    card = read_json_object(SHIPPED_MODELS / model / "model_card.json", fix="Install the package again.")
    return float(card["hours"]), int(card["steps"])


def total(estimates: list[Estimate]) -> tuple[float, int]:
    """Sum of the known times in seconds, and how many are not known."""
    known = [one.seconds for one in estimates if one.seconds is not None]
    return sum(known), len(estimates) - len(known)


def duration(seconds: float) -> str:
    """A time for a reader: `40 s`, `12 min`, `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 1.5 * _HOUR else f"{seconds / _HOUR:.1f} h"
