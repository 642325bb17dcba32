"""Whether probes, futures, drops and costs are there as they were declared: size, decoder, weights, not files alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from probekit.errors import UserError
from probekit.models.model_folder import local_place
from probekit.models.weight_sets import chosen_set, hash_set
from probekit.run_folder.protocol_card import PROTOCOL_FILENAME
from probekit.suites.suite import Suite
from probekit.user_files.json_files import read_json_object
from probekit.workflows.drop import read_drop_protocol
from trainer.reproduction.places import Places
from trainer.reproduction.results import cost_of
from trainer.reproduction.targets import Cost

_AGAIN = "Make it again."


def weights_hash(model: str) -> str | None:
    """Hash of a model's weights, as protocol cards state it; None where the model is not there.

    Args:
        model: shipped name or model folder.
    """
    folder = local_place(model)
    if folder is None or not (folder / "transformer").is_dir():
        return None
    return hash_set(chosen_set(folder / "transformer"))


def reading_is_done(
    table: Path, suite: Suite, models: Sequence[str], settings: Mapping[str, Any], target: str | None = None
) -> bool:
    """Whether states of these models were read on this suite with these settings.

    Args:
        table: table of the result; its protocol stands beside it.
        suite: suite at the declared size.
        models: models, the baseline first.
        settings: settings of the experiment.
        target: what is read, where the protocol says it.
    """
    protocol = _protocol(table)
    arms = protocol.get("arms")
    if not isinstance(arms, dict) or len(arms) != len(models):
        return False
    hashes = [weights_hash(model) for model in models]
    return (
        protocol.get("settings") == json.loads(json.dumps(settings))
        and protocol.get("target") == target
        and all(_is_of(card, suite) for card in arms.values())
        and None not in hashes
        and [_weights(card) for card in arms.values()] == hashes
    )


def drop_is_done(table: Path, suites: Sequence[Suite], models: int) -> bool:
    """Whether the drops of as many models, between these suites, are there.

    Args:
        table: table of the drops; its protocol stands beside it.
        suites: short and long suite at the declared size.
        models: number of models.
    """
    if not table.is_file():
        return False
    try:
        runs = read_drop_protocol(table.parent).runs
    except UserError:
        return False
    return len(runs) == models and all(
        _is_of(card.model_dump(), suite) for cards in runs.values() for card, suite in zip(cards, suites, strict=True)
    )


def cost_is_done(places: Places, recipe: Path, cycles: int | None) -> bool:
    """Whether the cost of a recipe is there.

    Args:
        places: places of the reproduction.
        recipe: recipe with foresight.
        cycles: cycles that are timed; None where nothing is.
    """
    if not places.file(Cost()).is_file():
        return False
    try:
        record = cost_of(places)
    except UserError:
        return False
    timed = None if record.measured is None else record.measured.cycles
    return Path(record.recipe).parts[-2:] == recipe.parts[-2:] and timed == cycles


def _protocol(table: Path) -> dict[str, Any]:
    """The protocol beside a table; empty where either is absent or damaged."""
    if not table.is_file():
        return {}
    try:
        return read_json_object(table.with_name(PROTOCOL_FILENAME), what="protocol", fix=_AGAIN)
    except UserError:
        return {}


def _is_of(card: Any, suite: Suite) -> bool:
    """Whether a card is of a suite's prompts and of as many videos."""
    prompts = card.get("prompts") if isinstance(card, dict) else None
    wanted = suite.card()
    return isinstance(prompts, dict) and all(
        prompts.get(name) == value
        for name, value in (
            ("suite", wanted.suite), ("n_prompts", wanted.n_prompts), ("samples", wanted.samples),
            ("file_hash", wanted.file_hash),
        )
    )  # fmt: skip


def _weights(card: Any) -> Any:
    generation = card.get("generation") if isinstance(card, dict) else None
    return generation.get("checkpoint_hash") if isinstance(generation, dict) else None
