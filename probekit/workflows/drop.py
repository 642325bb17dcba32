"""The drop from a short to a long horizon, of one model or of two."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.reporting.drop_table import DropReport
from probekit.run_folder.protocol_card import PROTOCOL_FILENAME, ProtocolCard, mismatches, read_protocol
from probekit.statistics.horizon_drop import HorizonScores, drop_difference_of_runs, horizon_drop_of_runs
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun, open_scored_run


class DropProtocol(StrictModel):
    """Origin of stored drops.

    Attributes:
        runs: cards of the short and the long run by model, the baseline first; of the first training run.
        further: those of the further training runs of each model.
    """

    runs: dict[str, tuple[ProtocolCard, ProtocolCard]]
    further: dict[str, tuple[tuple[ProtocolCard, ProtocolCard], ...]] = Field(default_factory=dict)

    def training_runs(self) -> int:
        """Training runs behind each model."""
        return 1 + min((len(cards) for cards in self.further.values()), default=0)


_HORIZON_FIELDS = ("prompts.file_hash", "prompts.suite", "prompts.n_prompts", "prompts.samples", "generation.frames")


def _check_same_model(short: ScoredRun, long: ScoredRun) -> None:
    ours, theirs = short.protocol.generation.checkpoint_hash, long.protocol.generation.checkpoint_hash
    if short.method.model != long.method.model or ours != theirs:
        raise UserError(
            f"{short.root} and {long.root} hold different models: {short.method.model} and {long.method.model}.",
            "Give both horizons of one checkpoint.",
        )
    for mismatch in mismatches(short.protocol, long.protocol):
        if mismatch.field not in _HORIZON_FIELDS:
            raise UserError(
                f"The protocols of {short.root} and {long.root} differ in {mismatch.field}: {mismatch.a!r} and "
                f"{mismatch.b!r}.",
                "Make both horizons under one protocol.",
            )


def _prompt_scores(run: ScoredRun) -> dict[str, dict[str, float | None]]:
    return {dimension: scores.prompt_means() for dimension, scores in run.scores.items()}


def _horizons(short: ScoredRun, long: ScoredRun) -> HorizonScores:
    _check_same_model(short, long)
    return HorizonScores(_prompt_scores(short), _prompt_scores(long))


def drop_of_runs(runs: Sequence[tuple[Path, Path]], *, seed: int = 0) -> DropReport:
    """Compare horizons of one model, or of a baseline and a method.

    Args:
        runs: (short, long) run folders with scores; the baseline first. Several of one model are its training runs, and
            those of two models are pairs in their order; one without a partner is left out.
        seed: seed of the resampling.

    Raises:
        UserError: if a pair holds two models or protocols, there are more than two models, a training run is there
            twice, or scores are missing.
    """
    opened = _by_model(runs)
    count = min(map(len, opened.values()))
    constants = constants_of(next(iter(opened.values()))[0][0].suite)
    scores = {model: [_horizons(short, long) for short, long in own[:count]] for model, own in opened.items()}
    drops = {model: horizon_drop_of_runs(found, constants, seed=seed) for model, found in scores.items()}
    if len(scores) == 1:
        return DropReport(drops, None, count)
    baseline, method = scores.values()
    return DropReport(drops, drop_difference_of_runs(method, baseline, constants, seed=seed), count)


def _by_model(runs: Sequence[tuple[Path, Path]]) -> dict[str, list[tuple[ScoredRun, ScoredRun]]]:
    found: dict[str, list[tuple[ScoredRun, ScoredRun]]] = {}
    for paths in runs:
        short, long = map(open_scored_run, paths)
        own = found.setdefault(short.method.model, [])
        if any(other.method == short.method for other, _ in own):
            raise UserError(
                f"Two pairs of runs are of one training run, {short.method.label()}.", "Give each of them once."
            )
        own.append((short, long))
    if len(found) > 2:
        raise UserError(f"The runs are of {len(found)} models: {', '.join(found)}.", "Give those of one or two.")
    return found


def drop_protocol(runs: Sequence[tuple[Path, Path]]) -> DropProtocol:
    """What stands beside the drops of these runs.

    Args:
        runs: (short, long) run folders; the baseline first.

    Raises:
        UserError: if a card is missing or damaged.
    """
    found: dict[str, list[tuple[ProtocolCard, ProtocolCard]]] = {}
    for short, long in runs:
        cards = read_protocol(short), read_protocol(long)
        found.setdefault(cards[0].generation.model or short.name, []).append(cards)
    count = min(map(len, found.values()))
    return DropProtocol(
        runs={model: cards[0] for model, cards in found.items()},
        further={model: tuple(cards[1:count]) for model, cards in found.items()} if count > 1 else {},
    )


def read_drop_protocol(folder: Path) -> DropProtocol:
    """Read what stands beside stored drops.

    Raises:
        UserError: if it is absent or damaged.
    """
    return read_json_model(folder / PROTOCOL_FILENAME, DropProtocol, "Run `probekit drop` again.")
