"""How numbers read in every table: an interval in brackets, a star, `n/a` where there is none."""

import math
from collections.abc import Mapping, Sequence

from probekit.choices import OF_RUNS
from probekit.evaluation.aggregation import COMPOSITES
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow, VideoCoverage

STAR = "*"
NO_VALUE = "n/a"
_MOST_DIGITS = 9
_MOST_REASONS = 2
_LONG = 2
"""More names than these make a long list."""
PERCENT_STYLE = ".2f"
"""Format of scores in percent, the default of every text."""


def score_text(value: float | None, style: str = PERCENT_STYLE) -> str:
    """A mean or a standard error, such as ``82.50``; ``n/a`` where there is none."""
    return NO_VALUE if value is None else _without_sign_of_zero(f"{value:{style}}")


def difference_text(value: float | None, style: str = PERCENT_STYLE, *, star: bool, mark: str = STAR) -> str:
    """A difference with its sign, such as ``+0.54``, with its star; one that rounds to zero is ``0.00``.

    A star never stands beside zero: such a difference has as many more digits as show two of its own.

    Args:
        value: difference; None is ``n/a``.
        style: format of the number.
        star: whether the interval excludes 0.
        mark: sign of a star; empty where the words around the number say it.
    """
    if value is None:
        return NO_VALUE
    return _without_sign_of_zero(f"{value:+{_fine(style, value) if star else style}}") + (mark if star else "")


def interval_text(low: float | None, high: float | None, style: str = PERCENT_STYLE) -> str:
    """The interval as ``[low, high]``; an end that rounds to zero keeps its sign, which decides about the star.

    An interval that excludes zero never ends in it: both ends have as many more digits as show two of the smaller one.
    """
    if low is None or high is None:
        return NO_VALUE
    finer = _fine(style, low, high) if low > 0 or high < 0 else style
    return f"[{low:+{finer}}, {high:+{finer}}]"


def bootstrap_notes(over: str, kinds: Sequence[tuple[str, str | None, str | None, str | None]]) -> list[str]:
    """What readers of intervals must know: what was resampled, what a star means, which intervals are others.

    Args:
        over: what was resampled, such as "Bootstrap over prompts".
        kinds: names of rows, with kind, `instead` and `reason` of their estimates, as `interval_notes` takes them.
    """
    return [f"{over}, percentile interval; {STAR} the interval excludes 0.", *interval_notes(kinds)]


def not_run_text(reasons: Mapping[str, str], elsewhere: str) -> str:
    """What was not run as one line with a count, such as ``2 dimensions not run: needs weights (color, scene)``.

    Args:
        reasons: reason of each dimension, at least one.
        elsewhere: place that lists the reasons, for when they are too many for a line.
    """
    names: dict[str, list[str]] = {}
    for dimension, reason in reasons.items():
        names.setdefault(" ".join(reason.split()), []).append(dimension.replace("_", " "))
    head = f"{len(reasons)} dimension{'s' * (len(reasons) > 1)} not run: "
    if len(names) > _MOST_REASONS:
        return f"{head}{', '.join(name for those in names.values() for name in those)}; {elsewhere}"
    return head + "; ".join(f"{reason} ({', '.join(those)})" for reason, those in names.items())


def n_prompts_text(row: ComparisonRow) -> str:
    """Number of prompts behind the difference; empty for an aggregate that could not be formed."""
    return "" if row.group == "aggregate" and row.difference is None else str(row.n_prompts)


def coverage_text(videos: VideoCoverage | None) -> str:
    """Scored of planned videos, such as ``198/200``; empty for an aggregate."""
    return "" if videos is None else f"{videos.scored}/{videos.planned}"


def quantity_text(quantity: str, suite: str) -> str:
    """A dimension or aggregate in words, such as ``subject consistency``, ``Quality``, ``SpriteTotal``."""
    if quantity not in COMPOSITES:
        return quantity.replace("_", " ")
    return f"{'Sprite' if suite.startswith('sprite') else ''}{quantity.capitalize()}"


def level_text(record: ComparisonRecord) -> str:
    """The coverage of the intervals, such as ``95%``."""
    return f"{100 * record.settings.level:g}%"


def footnote(record: ComparisonRecord) -> str:
    """What a reader must know to read the table."""
    settings = record.settings
    return (
        f"Scores in percent, difference = method - baseline ({record.baseline}). "
        f"{STAR} the {level_text(record)} interval excludes 0. "
        f"Paired bootstrap over {_resampled_text(settings.resampling)} ({settings.resampling}, {settings.interval} "
        f"interval), {settings.replicates} replicates, seed {settings.seed}; not corrected for the number of dimensions"
        f"{'' if settings.resampling in OF_RUNS else '; training-run variance is not in the interval'}. "
        f"{_weighting_text(settings.weighting)}"
        "Scored: videos with a score of those planned (baseline : method where they differ)."
    )


def _resampled_text(resampling: str) -> str:
    return "training runs and prompts" if resampling in OF_RUNS else "prompts"


def interval_notes(rows: Sequence[tuple[str, str | None, str | None, str | None]]) -> list[str]:
    """Lines under a table: which intervals are of another kind than was asked for, which rows have none, and why.

    Args:
        rows: name, kind of interval, why it is not the kind that was asked for, and why there is none.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    absent: dict[str, list[str]] = {}
    for name, kind, instead, reason in rows:
        if instead is not None:
            kinds.setdefault((str(kind), instead), []).append(name)
        if reason is not None:
            absent.setdefault(reason, []).append(name)
    lines = [f"{kind} interval instead ({_named(names, rows)}): {instead}." for (kind, instead), names in kinds.items()]
    return lines + [f"{NO_VALUE} ({_named(names, rows)}): {reason}." for reason, names in absent.items()]


def _named(names: Sequence[str], rows: Sequence[object]) -> str:
    """The names, each once; a long list of all rows says so instead."""
    return "every row" if len(names) == len(rows) > _LONG else ", ".join(dict.fromkeys(names))


def _weighting_text(weighting: str) -> str:
    """Empty for the default, in which every prompt weighs alike."""
    return {
        "video-mean": "Means over scored videos. ",
        "frame-weighted": "Means as VBench's official scores: over frames "
        "in the dimensions that it pools so, else over videos. ",
    }.get(weighting, "")


def _fine(style: str, *values: float) -> str:
    """A style such as ``.2f``, or one with more digits where the smallest of the values rounds to zero in it."""
    smallest = min(map(abs, values))
    if not smallest or float(f"{smallest:{style}}"):
        return style
    digits = 1 - math.floor(math.log10(smallest))
    return f".{digits}f" if digits <= _MOST_DIGITS else ".1e"


def _without_sign_of_zero(text: str) -> str:
    return text if float(text) else text.lstrip("+-")
