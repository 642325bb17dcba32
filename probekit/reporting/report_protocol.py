"""Protocol cards beside one another, line by line, and the commands that made each part of a report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from probekit.evaluation.interchange.table import IMPORTED_RUN
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.report_videos import LabelledSet
from probekit.run_folder.protocol_card import SCORING_FIELDS, ProtocolCard

UNKNOWN = "unknown"


class ProtocolLine(NamedTuple):
    """One field of the cards; values in the order of the models."""

    field: str
    values: tuple[str, ...]
    differs: bool
    guarded: bool
    """A comparison is fair only where this field agrees."""


class ProtocolSection(NamedTuple):
    """The fields of one part of the cards."""

    name: str
    lines: tuple[ProtocolLine, ...]


def protocol_sections(cards: Sequence[ProtocolCard]) -> list[ProtocolSection]:
    """Lay cards beside one another; fields keep the order of the card."""
    flat = [dict(_flatten(card.model_dump(mode="json"))) for card in cards]
    sections: dict[str, list[ProtocolLine]] = {}
    for field in dict.fromkeys(name for card in flat for name in card):
        values = tuple(_text(card.get(field)) for card in flat)
        section, _, name = field.partition(".")
        line = ProtocolLine(name or section, values, len(set(values)) > 1, _guarded(field))
        sections.setdefault(section, []).append(line)
    return [ProtocolSection(name, tuple(lines)) for name, lines in sections.items()]


def commands_behind(
    record: ComparisonRecord, sets: Sequence[LabelledSet], report_command: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """The command behind each item, from the cards; ``extra`` names further items, such as a training."""
    items = dict(extra)
    for labelled in sets:
        imported = labelled.rows[0].training_run == IMPORTED_RUN
        command = "" if imported else labelled.protocol.software.command
        items[f"videos of {labelled.label}"] = command or f"{UNKNOWN}: the videos came from elsewhere"
    for label in record.models():
        items[f"scores of {label}"] = record.protocols[label].software.command or UNKNOWN
    return {**items, "comparison": record.command, "report": report_command}


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _guarded(field: str) -> bool:
    return field in SCORING_FIELDS or field.startswith("scorers.")


def _text(value: Any) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
