"""What of a table of ours compares with the paper's: sizes, signs, or nothing; and what a small run must say."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.reporting.comparison_record import ComparisonRow
from probekit.reporting.paper_reference import SOURCE
from probekit.suites.suite import Suite


class Standing(NamedTuple):
    """How a result stands beside the paper's.

    Attributes:
        score: whether scores compare, in a word or two for a heading.
        difference: the same of differences.
        sentence: reason, for a note.
    """

    score: str
    difference: str
    sentence: str


def standing(same_unit: bool, small: bool) -> Standing:
    """What compares with the paper's numbers.

    Args:
        same_unit: whether ours are VBench scores of Wan too.
        small: whether fewer prompts, videos or updates stand behind ours than behind the paper's.
    """
    if small:
        return Standing("not comparable", "not comparable", "A small run compares with nothing.")
    if not same_unit:
        return Standing(
            "not comparable", "sign only",
            "The paper's are VBench scores of Wan; ours have another suite, model and unit: signs and orders compare.",
        )  # fmt: skip
    return Standing(
        "comparable",
        "comparable",
        "Ours and the paper's have one suite, unit and normalisation; seeds and machines differ.",
    )


def direction(ours: ComparisonRow | None, paper: float | None) -> str:
    """Whether a difference of ours points where the paper's does; open where our interval holds 0."""
    if ours is None or not paper or ours.difference is None:
        return ""
    if not ours.star:
        return "open"
    return "same" if (ours.difference > 0) == (paper > 0) else "opposite"  # their product may round to 0


def small_mark(cards: Sequence[tuple[int, int]], planned: Suite, trained: Sequence[tuple[int, int]]) -> str | None:
    """The line that a table of less than was planned carries; None where everything is there.

    Args:
        cards: prompts and videos per prompt of each model.
        planned: the suite at its full size.
        trained: updates done and planned of each training that is known.
    """
    prompts, samples = (min(column) for column in zip(*cards, strict=True))
    parts = []
    if prompts < len(planned.prompts):
        parts.append(f"{prompts} of {len(planned.prompts)} prompts")
    if samples < planned.samples:
        parts.append(f"{samples} of {planned.samples} videos per prompt")
    short = [(done, full) for done, full in trained if done < full]
    if short:
        done, full = min(short, key=lambda pair: pair[0] / pair[1])
        parts.append(f"{done} of {full} updates")
    return f"SMALL RUN: {', '.join(parts)}. It shows that the chain works and says nothing else." if parts else None


def paper_note(remarks: Sequence[str]) -> list[str]:
    """Where the paper's numbers are from, and what it says twice or leaves out."""
    return [f"Paper: {SOURCE}, as printed; nothing of it was measured here.", *remarks]
