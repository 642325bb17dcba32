"""The ledger as a page: one row per claim, and in plain words what a verdict means."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from probekit.reporting.cells import difference_text, interval_text
from probekit.reporting.table import Column, Strong, Table
from probekit.statistics.verdicts import verdict_of
from trainer.claims.found import Found, Named
from trainer.claims.ledger import NOT_RUN, Line, command_of, time_of
from trainer.claims.paper_numbers import paper_text
from trainer.commands.rates import duration

_MOST_CELLS: Final = 4
_VERDICTS: Final = ("supported", "not supported", "undecided", NOT_RUN)
_TITLE: Final = "# The paper's claims, and what was found here"
_WORDS: Final = """
Made by `trainer claims` from stored results alone: nothing was trained, sampled or scored for this page. The claims are
those of Video-Mirai (arXiv 2606.03971), at the size of Wan. Ours are at the sprite scale: generators of 2.7 M
parameters, 100 updates, another suite, another unit. So a verdict says what holds here. It cannot say that the paper is
wrong.

**How a verdict is reached.** Each effect points the way of the claim: above 0 is what the paper says.

- **supported**: the 95 % interval lies above 0. The effect may still be smaller than the paper's.
- **not supported**: the interval lies below 0, or it excludes an effect as large as the paper's. Sizes are in points of
  our own score, which is not the paper's.
- **undecided**: the interval holds 0 and, where the paper prints a size, that size too. The row says what would decide.
- **not run**: no stored result, or one that is stale or too small. The row says which, and the command makes it.

A claim of several parts is supported if every part is. It is not supported if one part alone speaks against it. That
part's interval is widened for their number first (Bonferroni), since one of many speaks against it by chance.

**How many prompts would decide.** Widths shrink with the root of the number of prompts. Where the paper prints a size
d, n · (width / d)² prompts decide: an interval narrower than d cannot hold both 0 and d. Where it prints none,
n · (reach / estimate)² decide, if the estimate stays. The reach is from the estimate to the end on the side of 0.

**Training runs.** Where several trainings stand behind each side, intervals are over pairs of trainings and over
prompts. More prompts then shrink a part of the width alone. Where one training stands behind each side, intervals are
over prompts and noise. They say how far *these exports* differ, and nothing of another seed of the training. Such
verdicts say so: *these runs*. More prompts never mend that. Nothing is corrected for the number of claims: of twenty
verdicts at 95 %, one may be chance.
"""


def page(lines: Sequence[Line]) -> str:
    """The whole page in Markdown.

    Args:
        lines: claims with their verdicts.
    """
    counts = Counter(line.verdict for line in lines)
    answer = f"{len(lines)} claims: {', '.join(f'{counts[name]} {name}' for name in _VERDICTS)}."
    return f"{_TITLE}\n\n**{answer}**\n{_WORDS}\n{_table(lines).markdown()}"


def _table(lines: Sequence[Line]) -> Table[Line]:
    columns: list[Column[Line]] = [
        Column("claim", lambda line: line.claim.says),
        Column("paper", lambda line: f"{line.claim.place}: {paper_text(line.claim.kind)}"),
        Column("test", lambda line: line.claim.test),
        Column("ours, 95% interval", lambda line: ours_text(line.found)),
        Column("training runs", lambda line: line.found.runs if line.found else "none"),
        Column("verdict", lambda line: _verdict(line)),
        Column("from", lambda line: line.found.file.as_posix() if line.found else line.reason),
    ]
    return Table(columns, lines, list(_notes(lines)))


def ours_text(found: Found | None) -> str:
    """What was found, for a reader: every effect of a few, or how many cells point where."""
    if found is None:
        return ""
    if found.exact is not None:
        return found.exact[1]
    if len(found.effects) > _MOST_CELLS:
        return _summary(found.effects)
    return f"{'; '.join(_effect(named, found.style) for named in found.effects)} {found.unit}"


def _effect(named: Named, style: str) -> str:
    effect = named.effect
    value = difference_text(effect.value, style, star=verdict_of(effect._replace(claimed=None)) != "undecided", mark="")
    return f"{named.name}{' ' if named.name else ''}{value} {interval_text(effect.low, effect.high, style)}"


def _summary(effects: Sequence[Named]) -> str:
    counts = Counter(verdict_of(named.effect) for named in effects)
    leaning = sum(named.effect.value > 0 for named in effects)
    return (
        f"beyond chance better in {counts['supported']} and worse in {counts['not supported']} of {len(effects)} "
        f"cells; the estimate is better in {leaning}"
    )


def _verdict(line: Line) -> str:
    if line.verdict == NOT_RUN:
        return f"{NOT_RUN}: {command_of(line.claim)}{_time(line)}"
    single = line.found is not None and line.found.exact is None and line.found.training_runs == 1
    runs = ", these runs" if single else ""
    return Strong(f"{line.verdict}{runs}{_because(line)}")


def _because(line: Line) -> str:
    """Which part speaks against a claim, or what would decide it."""
    if line.verdict != "undecided":
        return f": {', '.join(line.against)}" if line.against else ""
    if line.decision is None:
        return ": no number of prompts would decide"
    then = "" if line.decision.then is None else f", if the estimates stay ({line.decision.then})"
    return f": {line.decision.prompts:,} prompts would decide{then}"


def _time(line: Line) -> str:
    return "" if line.claim.target is None else f", {_duration(line.claim.target)}"


def _duration(*targets: str) -> str:
    seconds, unknown = time_of(targets)
    commands = "1 command" if unknown == 1 else f"{unknown} commands"
    untimed = f", and {commands} that nobody has timed" if unknown else ""
    return f"{duration(seconds)}{untimed}"


def _notes(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.claim.remark:
            yield f"{line.claim.says}: {line.claim.remark}"
    yield from dict.fromkeys(line.found.note for line in lines if line.found and line.found.note)
    targets = dict.fromkeys(line.claim.target for line in lines if line.verdict == NOT_RUN and line.claim.target)
    if targets:
        yield (
            f"All targets that are not run take {_duration(*targets)}, in one process on two cores, from nothing. Rows "
            "that tables share are trained once. Times are of trainer/commands/rates.yaml and the model cards."
        )
