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
from benchmarks.mutants.traces import Traces, function_at, limits
from benchmarks.mutants.workplace import Workplace

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
    """Changes of one module, tested one after another."""

    def __init__(self, workplace: Workplace, traces: Traces, folder: Path, module: Path, tests: list[str]) -> None:
        """Open the session of a module's present text, or begin one.

        Args:
            workplace: copy of the project.
            traces: which tests call what.
            folder: place of the sessions.
            module: file of the module, relative to the repository.
            tests: test files of the module.
        """
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
        """Test every change that has no result, and every survivor if tests have changed; place, number and outcome."""
        with closing(WorkDB(self._path, WorkDB.Mode.create)) as session:
            if not session.num_work_items:
                init([self._workplace.tree / self._module], session, {})
            self._skip(session)
            pending = sorted(self._pending(session), key=lambda item: item.mutations[0].start_pos)
            made = {_key(outcome.change): outcome.change.job for outcome in self._outcomes(session)}
            for place, item in enumerate(pending):
                change, text = self._change(item)
                if (
                    text == self._source
                    or made.setdefault(_key(change), change.job) != change.job
                    or not _compiles(text)
                ):
                    reason = "no change, one that is made already, or one that Python cannot read"
                    session.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED, output=reason))
                    continue
                outcome = self._test(change, text)
                session.set_result(item.job_id, _stored(outcome, self._tests_state))
                yield place + 1, len(pending), outcome

    def outcomes(self) -> list[Outcome]:
        """All outcomes so far, in the order of the text."""
        with closing(WorkDB(self._path, WorkDB.Mode.open)) as session:
            return self._outcomes(session)

    def _outcomes(self, session: WorkDB) -> list[Outcome]:
        results = [result for _, result in session.completed_work_items if _was_tested(result)]
        return sorted(map(_read, results), key=lambda outcome: (outcome.change.line, outcome.change.after))

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
