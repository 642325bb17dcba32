"""Mutation tests of modules: `python -m benchmarks.mutants probekit.statistics.intervals`, or nothing for all of them.

A call goes on where an earlier one stopped, as long as the module is the same; survivors are tried again once a test
has changed. The work folder can be deleted at any time.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from benchmarks.mutants.accepted import ACCEPTED, Known, read_accepted, reason_of
from benchmarks.mutants.modules import LISTED, module_files, module_name, own_tests
from benchmarks.mutants.session import Earlier, Outcome, Session
from benchmarks.mutants.table import Row, add_row, read_rows, row_of, survivors_text, table
from benchmarks.mutants.traces import FailingTests, Traces
from benchmarks.mutants.workplace import Workplace

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = Path("build/mutants")
REPORT: Final = Path("reports/benchmarks/mutation.md")


def main() -> int:
    """Run the modules that the command line names; 1 if a module's tests fail without a change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=LISTED, help="modules or packages; all listed ones by default")
    parser.add_argument("--quiet", action="store_true", help="print the rows alone, not each change")
    parser.add_argument("--work", type=Path, default=ROOT / WORK, help="work folder, one for each call at a time")
    parser.add_argument("--sample", type=int, help="number of changes drawn in each module; all by default")
    parser.add_argument("--from-table", action="store_true", help="test the survivors of the stored rows alone")
    arguments = parser.parse_args()
    files = [file for name in arguments.modules for file in module_files(ROOT, name)]
    failed = []
    with Workplace(ROOT, arguments.work) as workplace:
        traces = Traces(workplace, arguments.work / "traces")
        for file in files:
            try:
                known = read_accepted(ACCEPTED)
                row = run_module(
                    workplace,
                    traces,
                    file,
                    known,
                    verbose=not arguments.quiet,
                    sample=arguments.sample,
                    earlier=_earlier(file) if arguments.from_table else None,
                )
            except FailingTests as failure:
                print(f"{module_name(file)} is left out: {failure}", flush=True)
                failed.append(file)
            else:
                _report(row)
    return int(bool(failed))


def _earlier(file: Path) -> Earlier | None:
    """Changes of a module as the stored table has them; None where it has none, or a sample."""
    rows = {row.file: row for row in read_rows((ROOT / REPORT).with_suffix(".json"))}
    row = rows.get(file.as_posix())
    if row is None or row.changes != row.total:
        return None
    return Earlier(row.total, frozenset((one.line, one.before, one.after) for one in row.survivors))


def _report(row: Row) -> None:
    if row.changes:
        print(table([row]) + survivors_text(row), flush=True)
        add_row(row, ROOT / REPORT)


def run_module(
    workplace: Workplace,
    traces: Traces,
    file: Path,
    known: list[Known],
    *,
    verbose: bool,
    sample: int | None = None,
    earlier: Earlier | None = None,
) -> Row:
    """Test every change of a module, or a sample of them.

    Args:
        workplace: copy of the project.
        traces: which tests call what.
        file: file of the module, relative to the repository.
        known: known survivors.
        verbose: whether to print each change as it is tested.
        sample: number of changes that are drawn; None is all.
        earlier: what the table says, for a new session.
    """
    module = module_name(file)
    tests = own_tests(workplace.tree, module)
    session = Session(workplace, traces, workplace.tree.parent / "sessions", file, tests, sample, earlier)
    for place, number, outcome in session.run():
        if verbose:
            print(f"{module} {place}/{number} {_line(outcome)}", flush=True)
    outcomes = session.outcomes()
    reasons = [reason_of(known, module, outcome.change) for outcome in outcomes]
    return row_of(module, file, session.total, outcomes, reasons)


def _line(outcome: Outcome) -> str:
    by = f" by {outcome.test}" if outcome.test else ""
    return f"{outcome.result}: line {outcome.change.line}: {outcome.change.after}{by}"


if __name__ == "__main__":
    sys.exit(main())
