"""The drop from a short to a long horizon, of one model or of two."""

from collections.abc import Sequence
from pathlib import Path

from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.reporting.drop_table import DropReport
from probekit.run_folder.protocol_card import PROTOCOL_FILENAME, ProtocolCard, mismatches, read_protocol
from probekit.statistics.horizon_drop import HorizonScores, drop_difference, horizon_drop
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun, open_scored_run


class DropProtocol(StrictModel):
    """Origin of stored drops.

    Attributes:
        runs: cards of the short and the long run by model, the baseline first.
    """

    runs: dict[str, tuple[ProtocolCard, ProtocolCard]]


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
        runs: (short, long) run folders with scores; the baseline first.
        seed: seed of the resampling.

    Raises:
        UserError: if a pair holds two models or protocols, or scores are missing.
    """
    opened = [(open_scored_run(short), open_scored_run(long)) for short, long in runs]
    constants = constants_of(opened[0][0].suite)
    scores = {short.method.model: _horizons(short, long) for short, long in opened}
    if len(scores) != len(opened):
        raise UserError("Both pairs of runs are of one model.", "Give the runs of two models.")
    drops = {model: horizon_drop(found, constants, seed=seed) for model, found in scores.items()}
    if len(scores) == 1:
        return DropReport(drops, None)
    baseline, method = scores.values()
    return DropReport(drops, drop_difference(method, baseline, constants, seed=seed))


def drop_protocol(runs: Sequence[tuple[Path, Path]]) -> DropProtocol:
    """What stands beside the drops of these runs.

    Args:
        runs: (short, long) run folders; the baseline first.

    Raises:
        UserError: if a card is missing or damaged.
    """
    found = [(read_protocol(short), read_protocol(long)) for short, long in runs]
    names = [cards[0].generation.model or short.name for cards, (short, _) in zip(found, runs, strict=True)]
    return DropProtocol(runs=dict(zip(names, found, strict=True)))


def read_drop_protocol(folder: Path) -> DropProtocol:
    """Read what stands beside stored drops.

    Raises:
        UserError: if it is absent or damaged.
    """
    return read_json_model(folder / PROTOCOL_FILENAME, DropProtocol, "Run `probekit drop` again.")
