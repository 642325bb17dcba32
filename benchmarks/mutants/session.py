"""The changes of one module and what became of each: a session of cosmic-ray, which a later call goes on with."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from benchmarks.mutants import faults
from benchmarks.mutants.modules import module_name
from benchmarks.mutants.traces import Traces, function_at, limits
from benchmarks.mutants.workplace import Workplace
from probekit.seeding import generator

LONGEST_SECONDS: Final = 1800.0
"""A test run with a change, whatever its tests."""
_MODULE_FILE: Final = "module.py"


class Change(NamedTuple):
    """One change of a module.

    Attributes:
        job: name in the session.
        line: where it begins.
        function: dotted name of the function, or an empty text at the level of the module.
        before: changed lines as they were, stripped and joined by " / ".
        after: the same lines with the change.
    """

    job: str
    line: int
    function: str
    before: str
    after: str


class Earlier(NamedTuple):
    """What a table says of a module's changes, all of which were tested.

    Attributes:
        total: number of changes.
        survivors: line, text before and text after of those that no test noticed.
    """

    total: int
    survivors: frozenset[tuple[int, str, str]]


class Outcome(NamedTuple):
    """A change with what became of it.

    Attributes:
        change: the change.
        result: `killed`, `timeout` or `survived`.
        test: the test that noticed it, or an empty text.
    """

    change: Change
    result: str
    test: str


class Session:
    """Changes of one module, tested one after another.

    Attributes:
        total: number of changes that can be made; 0 before `run`.
    """

    def __init__(
        self,
        workplace: Workplace,
        traces: Traces,
        folder: Path,
        module: Path,
        tests: list[str],
        sample: int | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        """Open the session of a module's present text, or begin one.

        Args:
            workplace: copy of the project.
            traces: which tests call what.
            folder: place of the sessions.
            module: file of the module, relative to the repository.
            tests: test files of the module.
            sample: number of changes that are drawn and tested; None is all.
            earlier: changes as a table has them, so that a new session tests its survivors alone; it counts only if
                the number of changes is the same and each survivor is among them.
        """
        self._earlier = earlier
        self.total = 0
        self._sample = sample
        self._drawn: set[str] = set()
        self._workplace = workplace
        self._traces = traces
        self._module = module
        self._tests = tests
        self._source = (workplace.tree / module).read_text(encoding="utf-8")
        rules = Path(faults.__file__).read_text(encoding="utf-8")
        state = hashlib.sha256(f"{rules}{self._source}".encode()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{'.'.join(module.with_suffix('').parts)}-{state}.sqlite"
        self._tests_state = traces.digest(tests)

    def run(self) -> Iterator[tuple[int, int, Outcome]]:
        """Test each drawn change without a result, and each survivor if tests have changed; place, number, outcome."""
        if not self._path.exists():
            self._begin()
        with closing(WorkDB(self._path, WorkDB.Mode.open)) as session:
            self._drawn = self._draw(session)
            pending = sorted((item for item in self._pending(session) if item.job_id in self._drawn), key=_place)
            for place, item in enumerate(pending):
                outcome = self._test(*self._change(item))
                session.set_result(item.job_id, _stored(outcome, self._tests_state))
                yield place + 1, len(pending), outcome

    def outcomes(self) -> list[Outcome]:
        """Outcomes of the drawn changes so far, in the order of the text."""
        with closing(WorkDB(self._path, WorkDB.Mode.open)) as session:
            results = [result for _, result in session.completed_work_items if _was_tested(result)]
        found = [outcome for outcome in map(_read, results) if outcome.change.job in self._drawn]
        return sorted(found, key=lambda outcome: (outcome.change.line, outcome.change.after))

    def _begin(self) -> None:
        """Make the session's file, with what is not tested marked; it has its name once it is whole."""
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with closing(WorkDB(new, WorkDB.Mode.create)) as session:
            init([self._workplace.tree / self._module], session, {})
            self._skip(session)
            self._skip_useless(session)
            if self._earlier is not None:
                self._take_over(session, self._earlier)
        new.rename(self._path)

    def _draw(self, session: WorkDB) -> set[str]:
        """Jobs of the sample: the same changes for the same text of the module, whatever was tested before."""
        tested = [item for item, result in session.completed_work_items if _was_tested(result)]
        possible = sorted([*session.pending_work_items, *tested], key=_place)
        self.total = len(possible)
        if self._sample is None or self._sample >= self.total:
            return {item.job_id for item in possible}
        chosen = generator("mutants", module_name(self._module)).permutation(self.total)[: self._sample]
        return {possible[place].job_id for place in chosen}

    def _take_over(self, session: WorkDB, earlier: Earlier) -> None:
        """Mark what a table says was noticed; what survived then is left to be tested."""
        changes = [self._change(item)[0] for item in session.pending_work_items]
        if len(changes) == earlier.total and earlier.survivors <= set(map(_key, changes)):
            for change in changes:
                if _key(change) not in earlier.survivors:
                    session.set_result(change.job, _stored(Outcome(change, "killed", ""), self._tests_state))

    def _skip_useless(self, session: WorkDB) -> None:
        """Mark what is no change, one that is made already, or one that Python cannot read."""
        made: set[tuple[int, str, str]] = set()
        useless = []
        for item in sorted(session.pending_work_items, key=_place):
            change, text = self._change(item)
            if text == self._source or _key(change) in made or not _compiles(text):
                useless.append(item.job_id)
            made.add(_key(change))
        session.set_multiple_results(useless, WorkResult(WorkerOutcome.SKIPPED, output="no change of its own"))

    def _skip(self, session: WorkDB) -> None:
        """Mark the changes of cosmic-ray that are not made, with the rule."""
        excluded = faults.excluded_spans(self._source)
        skipped: dict[str, list[str]] = {}
        for item in session.pending_work_items:
            mutation = item.mutations[0]
            rules = [span.rule for span in excluded if span.holds(mutation.start_pos)]
            if mutation.operator_name not in faults.NAMES:
                rules = ["operator"]
            if rules:
                skipped.setdefault(rules[0], []).append(item.job_id)
        for rule, jobs in skipped.items():
            session.set_multiple_results(jobs, WorkResult(WorkerOutcome.SKIPPED, output=rule))

    def _pending(self, session: WorkDB) -> list[WorkItem]:
        again = [item for item, result in session.completed_work_items if self._is_out_of_date(result)]
        return [*session.pending_work_items, *again]

    def _is_out_of_date(self, result: WorkResult) -> bool:
        if result.test_outcome != TestOutcome.SURVIVED:
            return False
        return bool(json.loads(result.output or "{}")["tests"] != self._tests_state)

    def _change(self, item: WorkItem) -> tuple[Change, str]:
        """A change and the text of the module with it."""
        mutation = item.mutations[0]
        operator = get_operator(mutation.operator_name)(**mutation.operator_args)
        text = mutate_code(self._source, operator, mutation.occurrence) or self._source
        line = mutation.start_pos[0]
        function = function_at(self._source, line)
        before, after = _differing_lines(self._source, text)
        return Change(item.job_id, line, function.name if function else "", before, after), text

    def _test(self, change: Change, text: str) -> Outcome:
        tests = self._traces.noticing(self._tests, self._module, function_at(self._source, change.line))
        if not tests:
            return Outcome(change, "survived", "")
        files = sorted({name.partition("::")[0] for name in tests})
        self._workplace.write(self._module, text)
        try:
            answer = self._workplace.ask(files=files, order=list(tests), limits=limits(tests), timeout=LONGEST_SECONDS)
        finally:
            self._workplace.write(self._module, self._source)
        result = {"passed": "survived", "none": "survived", "timeout": "timeout"}.get(answer["outcome"], "killed")
        return Outcome(change, result, answer["failed"])


def _place(item: WorkItem) -> tuple[tuple[int, int], str, int]:
    mutation = item.mutations[0]
    return mutation.start_pos, mutation.operator_name, mutation.occurrence


def _key(change: Change) -> tuple[int, str, str]:
    return change.line, change.before, change.after


def _stored(outcome: Outcome, tests: str) -> WorkResult:
    """A result as cosmic-ray keeps it; its output holds the outcome, and the state of the tests."""
    survived = outcome.result == "survived"
    return WorkResult(
        WorkerOutcome.NORMAL,
        output=json.dumps({**outcome._asdict(), "change": outcome.change._asdict(), "tests": tests}),
        test_outcome=TestOutcome.SURVIVED if survived else TestOutcome.KILLED,
        diff=f"- {outcome.change.before}\n+ {outcome.change.after}",
    )


def _read(result: WorkResult) -> Outcome:
    stored = json.loads(result.output or "{}")
    return Outcome(Change(**stored["change"]), stored["result"], stored["test"])


def _was_tested(result: WorkResult) -> bool:
    return bool(result.worker_outcome == WorkerOutcome.NORMAL)


def _compiles(text: str) -> bool:
    try:
        compile(text, _MODULE_FILE, "exec")
    except SyntaxError:
        return False
    return True


def _differing_lines(before: str, after: str) -> tuple[str, str]:
    """Lines in which two texts differ, each side in one line."""
    old, new = before.splitlines(), after.splitlines()
    first = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return _joined(old[first : len(old) - last]), _joined(new[first : len(new) - last])


def _joined(lines: list[str]) -> str:
    return " / ".join(plain(line) for line in lines if line.strip())


def plain(line: str) -> str:
    """A line as changes show it: stripped, with single spaces."""
    return re.sub(r"([\s([]) +", r"\1", line.strip())
