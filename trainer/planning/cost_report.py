"""`trainer cost`: the arithmetic of a recipe's cycle, and its measured times."""

import statistics
import time
from collections.abc import Iterator
from typing import Final

from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.provenance import command_line, hardware
from trainer.config.recipe import DmdConfig
from trainer.planning.architectures import architecture
from trainer.planning.cost import CycleCost, CycleShape, executed_cost, paper_cost
from trainer.planning.recipe import cycle_shape
from trainer.plugins import auxiliary_of
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

GIGA = 1e9
COST_FILE: Final = "cost.json"
PARTS: Final = ("generator update", "critic update", "replay", "cycle")


class Medians(StrictModel):
    """Median seconds of the parts of a cycle without and with foresight; 0 where an arm has no such part.

    Attributes:
        cycles: timed cycles of each arm.
        batch_size: videos of an update.
        seconds: (without, with) by part.
        hardware: machine.
    """

    cycles: int
    batch_size: int
    seconds: dict[str, tuple[float, float]]
    hardware: dict[str, str | int]


class CostRecord(StrictModel):
    """What foresight costs, as `cost.json` holds it.

    Attributes:
        recipe: recipe of stage 3 with foresight.
        overhead: share of the baseline cycle that foresight adds, by accounting.
        measured: times; None where nothing was measured.
        command: command that wrote the record.
    """

    recipe: str
    overhead: dict[str, float]
    measured: Medians | None
    command: str


def costs_of(config: DmdConfig) -> tuple[CycleShape, dict[str, CycleCost]]:
    """The sizes of a recipe's cycle, and its cost for one sample by both accountings."""
    base = str(config.text_and_codec)
    generator, real = (architecture(model, base) for model in (config.initial_model, config.real_model))
    shape = cycle_shape(config, generator, real)
    return shape, {"paper": paper_cost(generator, real, shape), "executed": executed_cost(generator, real, shape)}


def arithmetic_lines(config: DmdConfig) -> Iterator[str]:
    """Both accountings of one cycle of a recipe, for one sample, in lines for a reader."""
    shape, costs = costs_of(config)
    yield f"{shape.tokens} tokens in {shape.chunks} chunks, {shape.critic_updates} critic updates a generator update"
    for name, cost in costs.items():
        yield from _cost_lines(name, cost)


def _cost_lines(name: str, cost: CycleCost) -> Iterator[str]:
    yield f"{name}: generator update {cost.generator / GIGA:.3f} GFLOP, critic update {cost.critic / GIGA:.3f}"
    yield f"  encoder {cost.encoder / GIGA:.3f}, predictor {cost.predictor / GIGA:.3f} x {1 + cost.replays}"
    yield f"  cycle {cost.baseline / GIGA:.3f}, foresight overhead {100 * cost.overhead:.1f} %"


def measured_medians(config: DmdConfig, cycles: int) -> Medians:
    """Median seconds of generator updates, critic updates and replays, both arms interleaved in one run.

    Raises:
        UserError: if the recipe has no foresight block to compare with.
    """
    if config.foresight is None:
        raise UserError("The recipe has no foresight block.", "Measure the recipe of the foresight arm.")
    plain = config.model_copy(update={"foresight": None})
    arms = {
        "without": AsymmetricDmdStage(plain, auxiliary_of(plain)),
        "with": AsymmetricDmdStage(config, auxiliary_of(config)),
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    for cycle in range(cycles + 1):  # the first is warm-up
        for arm, stage in arms.items():
            for part, spent in timed_cycle(stage, cycle, config.critic_updates).items():
                if cycle:
                    seconds.setdefault((arm, part), []).append(spent)
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    parts = {part: (medians.get(("without", part), 0.0), medians["with", part]) for part in PARTS}
    return Medians(cycles=cycles, batch_size=config.batch_size, seconds=parts, hardware=hardware())


def measured_lines(medians: Medians) -> Iterator[str]:
    """Measured times in lines for a reader."""
    yield (f"median of {medians.cycles} interleaved cycles, one warm-up cycle excluded, batch {medians.batch_size}")
    for part, (without, with_it) in medians.seconds.items():
        change = f"{100 * (with_it / without - 1):+.1f} %" if without else ""
        yield f"{part:17} {without:8.3f} s without, {with_it:8.3f} s with {change}"


def cost_record(recipe: str, config: DmdConfig, measured: Medians | None) -> CostRecord:
    """The record of a recipe's cost."""
    overhead = {name: cost.overhead for name, cost in costs_of(config)[1].items()}
    return CostRecord(recipe=recipe, overhead=overhead, measured=measured, command=command_line())


def timed_cycle(stage: AsymmetricDmdStage, step: int, critic_updates: int) -> dict[str, float]:
    """Seconds of one generator update, of a critic update and of a replay (means), and of the whole cycle."""
    started = time.perf_counter()
    stage.update_generator(step)
    after_generator = time.perf_counter()
    critic = replay = 0.0
    for update in range(1, critic_updates + 1):
        before = time.perf_counter()
        stage.update_critic(step, update)
        critic += time.perf_counter() - before
        if update > 1 and stage.auxiliary is not None:
            before = time.perf_counter()
            stage.auxiliary.replay()
            replay += time.perf_counter() - before
    return {
        "generator update": after_generator - started,
        "critic update": critic / critic_updates,
        "replay": replay / max(1, critic_updates - 1),
        "cycle": time.perf_counter() - started,
    }
