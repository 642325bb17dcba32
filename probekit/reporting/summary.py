"""A comparison in words, saying no more than its intervals do."""

from collections.abc import Sequence

from probekit.reporting.cells import difference_text, interval_text, level_text, quantity_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.suites.registry import caution

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def summary_sentences(record: ComparisonRecord) -> tuple[str, ...]:
    """One sentence or a few for each method: which dimensions differ from the baseline, which do not, and the Total."""
    return tuple(_summary_of(record, method) for method in record.methods)


def _summary_of(record: ComparisonRecord, method: str) -> str:
    rows = [row for row in record.rows if row.method == method]
    dimensions = [row for row in rows if row.group != "aggregate"]
    aggregates = [row for row in rows if row.group == "aggregate"]
    opening = f"{method} against {record.baseline} on {prompts_text(dimensions)}:"
    parts = [_differences(record, dimensions), *_unjudged(dimensions), _aggregate(record, aggregates)]
    return " ".join([opening, *parts]).rstrip()


def prompts_text(rows: Sequence[ComparisonRow]) -> str:
    """Number of prompts behind the dimensions among ``rows``, such as ``198 to 200 prompts``."""
    counts = {row.n_prompts for row in rows if row.n_prompts > 0}
    if not counts:
        return "no prompt that both have scores for"
    low, high = min(counts), max(counts)
    return f"{low} to {high} prompts" if low != high else f"{high} prompt{'s' * (high > 1)}"


def _differences(record: ComparisonRecord, dimensions: Sequence[ComparisonRow]) -> str:
    judged = [row for row in dimensions if row.low is not None]
    if not judged:
        return "no dimension has an interval, so nothing can be said about a difference."
    level, suite = level_text(record), record.settings.suite
    stars = [row for row in judged if row.star]
    if not stars:
        names = _joined([quantity_text(row.quantity, suite) for row in judged])
        every = f"every {level} interval" if len(judged) > 1 else f"the only {level} interval"
        return f"no dimension differs; {every} includes 0 ({names})."
    rest = len(judged) - len(stars)
    sides = []
    for side, members in (("higher", _signed(stars, 1)), ("lower", _signed(stars, -1))):
        if members:
            listed = [f"{quantity_text(row.quantity, suite)} ({_difference(row)})" for row in members]
            sides.append(f"{side} in {_joined(listed)}")
    tail = f"; no difference was found in the other {_count(rest)}" if rest else ""
    return f"{'; '.join(sides)} (stars: the {level} interval excludes 0){tail}."


def _unjudged(dimensions: Sequence[ComparisonRow]) -> list[str]:
    rows = [row for row in dimensions if row.low is None]
    if not rows or len(rows) == len(dimensions):
        return []
    reasons = "; ".join(dict.fromkeys(row.reason for row in rows if row.reason))
    return [f"{_count(len(rows)).capitalize()} more {'has' if len(rows) == 1 else 'have'} no interval ({reasons})."]


def _aggregate(record: ComparisonRecord, aggregates: Sequence[ComparisonRow]) -> str:
    if not aggregates:
        return caution(record.settings.suite) or ""
    total = next(row for row in aggregates if row.quantity == "total")
    name = quantity_text("total", record.settings.suite)
    if total.difference is None:
        return f"{name} cannot be given: {total.reason}."
    if total.low is None:
        return f"{name} differs by {_difference(total)}, without an interval."
    verdict = "which excludes 0" if total.star else "which includes 0: no difference was found"
    interval = interval_text(total.low, total.high)
    return f"{name} differs by {_difference(total)}, interval {interval}, {verdict}."


def _difference(row: ComparisonRow) -> str:
    """The number without a star, which the words around it stand for."""
    return difference_text(row.difference, star=row.star, mark="")


def _signed(rows: Sequence[ComparisonRow], sign: int) -> list[ComparisonRow]:
    return [row for row in rows if row.difference is not None and row.difference * sign > 0]


def _joined(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _count(number: int) -> str:
    return _WORDS[number] if number < len(_WORDS) else str(number)
