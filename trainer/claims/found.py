"""What stored results say of a claim, and whether they are of what the toolkit ships now."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.scoring.backends import scorers_for
from probekit.models.model_folder import SHIPPED_MODELS, is_shipped
from probekit.models.weight_sets import chosen_set, hash_set
from probekit.run_folder.protocol_card import ProtocolCard
from probekit.statistics.verdicts import Effect, Verdict
from probekit.suites.suite import Suite
from trainer.reproduction.request import SCALES
from trainer.reproduction.targets import CHUNKWISE

STALE = "Make it again."


class Named(NamedTuple):
    """One effect of a claim.

    Attributes:
        name: what it is an effect on; empty where the claim says it.
        effect: its estimate and interval, positive where the claim holds.
    """

    name: str
    effect: Effect


class Found(NamedTuple):
    """What stored results say.

    Attributes:
        effects: effects that must all bear the claim out; none where no chance is in the comparison.
        file: file that they were read from.
        runs: training runs behind each side, in words.
        unit: unit of the effects.
        style: format of the effects' numbers.
        exact: verdict and words of a comparison without chance.
        note: what is particular about these numbers; empty if nothing.
        training_runs: how many training runs the intervals are over; with one, they are of these exports alone.
    """

    effects: tuple[Named, ...]
    file: Path
    runs: str = ""
    unit: str = "points"
    style: str = ".2f"
    exact: tuple[Verdict, str] | None = None
    note: str = ""
    training_runs: int = 1


@cache
def shipped_hash(model: str) -> str:
    """Hash of a shipped model's weights, as protocol cards state it."""
    return hash_set(chosen_set(SHIPPED_MODELS / model / "transformer"))


def check_weights(hashes: Mapping[str, str | None], file: Path) -> None:
    """Refuse results of models that are shipped with other weights now.

    Args:
        hashes: hash of each model's weights, as the results state it.
        file: file of the results.

    Raises:
        UserError: naming the model.
    """
    for model, stated in hashes.items():
        if is_shipped(model) and stated != shipped_hash(model):
            raise UserError(f"{file} is stale: it is of other weights than the shipped {model} has now.", STALE)


def check_shipped_runs(hashes: Sequence[str | None], file: Path) -> None:
    """Refuse results over training runs whose first runs are not what is shipped now.

    Args:
        hashes: hashes of the first runs' weights, of the baseline and then of foresight, as the results state them.
        file: file of the results.

    Raises:
        UserError: naming the model.
    """
    check_weights(dict(zip(SCALES["sprite"].shipped[CHUNKWISE], hashes, strict=True)), file)


def check_current(cards: Mapping[str, ProtocolCard], suite: Suite, file: Path) -> None:
    """Refuse scores of fewer videos, other prompts, other weights or other scorers than today's.

    Args:
        cards: protocol of each model.
        suite: suite at the size that the claim is tested at.
        file: file of the scores.

    Raises:
        UserError: saying what differs.
    """
    check_weights({model: card.generation.checkpoint_hash for model, card in cards.items()}, file)
    ours, scorers = suite.card(), dict(scorers_for(suite.name).ids())
    for card in cards.values():
        prompts = card.prompts
        if (prompts.suite, prompts.n_prompts, prompts.samples) != (ours.suite, ours.n_prompts, ours.samples):
            raise UserError(
                f"{file} is of another size: {prompts.n_prompts} prompts of {prompts.suite}, {prompts.samples} videos "
                f"each, in place of {ours.n_prompts} of {ours.suite}, {ours.samples} each.", STALE,
            )  # fmt: skip
        if prompts.file_hash != ours.file_hash:
            raise UserError(f"{file} is stale: {suite.name} has other prompts now.", STALE)
        if any(card.scorers.get(name) != one for name, one in scorers.items()):
            raise UserError(f"{file} is stale: {suite.name} is scored by other scorers now.", STALE)
